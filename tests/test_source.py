"""The items of a job: who is fitted with what evidence, and why others are not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from job_tools import person, run_quick, write_frame

from smplifyx.core.choices import Age, Gender
from smplifyx.evidence.height import KnownHeight
from smplifyx.fitting.result import FitResult, FitStatus
from smplifyx.jobs import source
from smplifyx.jobs.batches import FitTask, Item
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.source import open_source
from smplifyx.jobs.store import Store
from smplifyx.jobs.summary import Row, RowStatus, read_summary, row_of
from smplifyx.readers.frames import Frame, Note, Person, SizeSource
from smplifyx.readers.intrinsics import CameraChoice, CameraOptions, camera_and_notes
from smplifyx.readers.reading import FrameReading


class Given(FrameReading):
    """Frames as if they had been read."""

    def __init__(self, frames: Sequence[Frame], leftovers: tuple[Note, ...] = ()) -> None:
        self._given = iter(frames)
        self._told = leftovers

    def __next__(self) -> Frame:
        return next(self._given)

    @property
    def leftovers(self) -> tuple[Note, ...]:
        return self._told


def items(tmp_path: Path, **options: object) -> list[Item]:
    """The items of a job on the folder `in`."""
    job = JobConfig(keypoints=tmp_path / "in", out=tmp_path / "out", **options)
    return list(open_source(job).items(Store(job.out)))


def tasks(found: Sequence[Item]) -> list[FitTask]:
    return [item.work for item in found if isinstance(item.work, FitTask)]


def rows(found: Sequence[Item]) -> list[Row]:
    return [item.work for item in found if isinstance(item.work, Row)]


def test_everybody_is_an_item_in_the_order_of_the_input(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1), person(2)])
    write_frame(tmp_path / "in", "b", [])
    (tmp_path / "in" / "c_keypoints.json").write_text("[1, 2")
    write_frame(tmp_path / "in", "d", [person(3)])
    found = items(tmp_path)
    assert [item.work.stem for item in found] == ["a", "a", "b", "c", "d"]
    assert [item.ends_frame for item in found] == [False, True, True, True, True]
    assert [row.status for row in rows(found)] == [RowStatus.NO_PEOPLE, RowStatus.UNREADABLE]
    assert [task.origin.person for task in tasks(found)] == [0, 1, 0]


def test_a_task_has_the_evidence_of_its_file(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    (task,) = tasks(items(tmp_path, focal=900.0))
    points = torch.tensor(person(1)["pose_keypoints_2d"]).view(25, 3)
    assert torch.equal(task.keypoints.xy[:25], points[:, :2])
    assert (task.keypoints.confidence > 0).sum() == 25
    assert task.camera.focal.tolist() == [900.0, 900.0]
    assert task.origin.source == str((tmp_path / "in" / "a_keypoints.json").resolve())
    assert (task.origin.image, task.origin.image_size_source) == ("", "keypoints")


@pytest.mark.parametrize(
    ("of_file", "of_job", "expected"),
    [(None, None, math.nan), (None, 1.7, 1.7), (1.6, None, 1.6), (1.6, 1.7, 1.6)],
)
def test_the_height_of_the_file_goes_before_that_of_the_job(
    tmp_path: Path, of_file: float | None, of_job: float | None, expected: float
) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    if of_file is not None:
        (tmp_path / "in" / "a.people.json").write_text(f'[{{"height": {of_file}}}]')
    (task,) = tasks(items(tmp_path, height=of_job))
    (height,) = task.evidence
    assert isinstance(height, KnownHeight)
    assert float(height.metres) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("gender", "expected"),
    [
        (Gender.INPUT, [Gender.FEMALE, Gender.NEUTRAL]),
        (Gender.MALE, [Gender.MALE, Gender.MALE]),
    ],
)
def test_the_gender_is_that_of_the_job_or_of_the_file(
    tmp_path: Path, gender: Gender, expected: list[Gender]
) -> None:
    write_frame(tmp_path / "in", "a", [person(1) | {"gender_gt": "female"}, person(2)])
    found = tasks(items(tmp_path, gender=gender, age="adult"))
    assert [task.gender for task in found] == expected
    assert all(task.age is Age.ADULT for task in found)


def test_those_who_are_left_out_keep_their_place(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1), person(2, points=3), person(3)])
    found = items(tmp_path, min_keypoints=7)
    assert [isinstance(item.work, FitTask) for item in found] == [True, False, True]
    (row,) = rows(found)
    assert (row.person, row.status) == (1, RowStatus.NOT_SELECTED) and row.reason
    assert [item.ends_frame for item in found] == [False, False, True]


@pytest.mark.parametrize(("scene", "left"), [(False, [1]), (True, [0, 1])])
def test_who_is_done_is_not_fitted_again(tmp_path: Path, scene: bool, left: list[int]) -> None:
    """Of people who are fitted together, all are or nobody is."""
    write_frame(tmp_path / "in", "a", [person(1), person(2)])
    write_frame(tmp_path / "in", "b", [person(3), person(4)])
    outcome = run_quick(tmp_path / "in", tmp_path / "out")
    outcome.store.result("a", 1).unlink()
    found = items(tmp_path, scene=scene)
    assert [task.origin.person for task in tasks(found)] == left
    assert all(task.stem == "a" for task in tasks(found))
    assert [row.status for row in rows(found)][-2:] == [RowStatus.OK] * 2


@pytest.mark.parametrize("change", ["keypoints", "height", "gender", "age"])
def test_a_result_of_other_evidence_is_made_again(tmp_path: Path, change: str) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    run_quick(tmp_path / "in", tmp_path / "out", age="adult")
    assert not tasks(items(tmp_path, age="adult"))
    assert len(tasks(items(tmp_path))) == 1  # age auto tries the child's body too
    options: dict[str, object] = {"age": "adult"}
    if change == "keypoints":
        write_frame(tmp_path / "in", "a", [person(2)])
    else:
        options[change] = {"height": 1.7, "gender": "male", "age": "child"}[change]
    assert len(tasks(items(tmp_path, **options))) == 1


def test_frames_of_one_name_do_not_share_a_folder(tmp_path: Path) -> None:
    for folder in ("A", "a"):
        write_frame(tmp_path / "in" / folder, "x", [person(1)])
    found = tasks(items(tmp_path, recursive=True))
    assert len({task.stem.casefold() for task in found}) == 2


def test_everybody_has_id_photo_and_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who are not fitted, too, and frames that cannot be read."""
    note, own = Note("of the image", "x"), Note("of one", "y")
    points = np.asarray(person(1)["pose_keypoints_2d"], np.float32).reshape(25, 3)
    keypoints = np.zeros((137, 3), np.float32)
    keypoints[:25] = points
    common = {"keypoint_file": tmp_path / "a.json", "photo": "IMG.JPG", "notes": (note,)}
    sized = {"image_size": (500, 500), "size_source": SizeSource.KEYPOINTS}
    people = (
        Person(0, keypoints, id="7", notes=(own,), doubt="another layout"),
        Person(1, keypoints * 0, id="8", problem="broken"),
        Person(2, keypoints * (0.5, 0.5, 1), id="9"),
    )
    frames = [
        Frame("a", people=people, **common, **sized),
        Frame("b", problem="cut off", **common),
        Frame("c", **common),
        Frame('d"', people=people[2:], **(common | sized | {"photo": ""})),
    ]
    given = Given(frames, (Note("left over"),))
    monkeypatch.setattr(source, "read_frames", lambda *_: given)
    write_frame(tmp_path / "in", "a", [])
    job = JobConfig(keypoints=tmp_path / "in", out=tmp_path / "out", largest=1)
    opened = open_source(job)
    found = list(opened.items(Store(job.out)))
    assert [type(item.work) for item in found] == [FitTask, Row, Row, Row, Row, FitTask]
    origin = tasks(found)[0].origin
    assert (origin.person_id, origin.photo) == ("7", "IMG.JPG")
    assert (origin.notes, origin.doubt) == ("of one: y; of the image: x", "another layout")
    told = [(row.status.value, row.person_id, row.photo, row.notes) for row in rows(found)]
    assert told == [
        ("unreadable", "8", "IMG.JPG", "of the image: x"),
        ("not_selected", "9", "IMG.JPG", "of the image: x"),
        ("unreadable", "", "IMG.JPG", "of the image: x"),
        ("no_people", "", "IMG.JPG", "of the image: x"),
    ]
    last = tasks(found)[1]
    assert last.stem != 'd"' and last.origin.photo == 'd"'  # its name could not be kept
    assert opened.leftovers == (Note("left over"),)


def with_person(monkeypatch: pytest.MonkeyPatch, folder: Path, **facts: object) -> None:
    """From now on one person is read, with these facts."""
    keypoints = np.zeros((137, 3), np.float32)
    keypoints[:25] = np.asarray(person(1)["pose_keypoints_2d"], np.float32).reshape(25, 3)
    write_frame(folder, "a", [])

    def read(*_: object) -> Given:
        frame = Frame("a", folder / "a.json", (Person(0, keypoints, **facts),))
        sized = replace(frame, image_size=(500, 500), size_source=SizeSource.KEYPOINTS)
        return Given([sized])

    monkeypatch.setattr(source, "read_frames", read)


def test_a_person_in_doubt_is_poor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_person(monkeypatch, tmp_path / "in", doubt="points outside the image")
    outcome = run_quick(tmp_path / "in", tmp_path / "out")
    assert outcome.counts == {RowStatus.POOR: 1}
    (row,) = read_summary(outcome.store.summary)
    assert (row.status, row.reason) == (RowStatus.POOR, "points outside the image")
    saved = FitResult.load(outcome.store.result("a", 0))
    assert FitStatus(int(saved.status)) is FitStatus.POOR
    assert row_of("a", saved).reason == row.reason
    (again,) = rows(items(tmp_path))
    assert again.status is RowStatus.POOR and again.reason == row.reason
    with_person(monkeypatch, tmp_path / "in")
    assert tasks(items(tmp_path))  # nobody doubts it any more


def test_a_reused_result_has_the_names_and_notes_of_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_person(monkeypatch, tmp_path / "in", id="1", notes=(Note("before"),))
    run_quick(tmp_path / "in", tmp_path / "out")
    with_person(monkeypatch, tmp_path / "in", id="2", notes=(Note("today"),))
    (row,) = rows(items(tmp_path))
    assert (row.status, row.person_id, row.notes) == (RowStatus.OK, "2", "today")


def test_a_changed_camera_is_another_fit(tmp_path: Path) -> None:
    """Also one of the same image size, from its own file or from a table."""
    write_frame(tmp_path / "in", "a", [person(1)])
    camera = tmp_path / "in" / "a.camera.json"
    camera.write_text('{"fx": 800}')
    run_quick(tmp_path / "in", tmp_path / "out")
    assert not tasks(items(tmp_path))
    camera.write_text('{"fx": 1600}')
    assert len(tasks(items(tmp_path))) == 1
    run_quick(tmp_path / "in", tmp_path / "out")
    assert FitResult.load(tmp_path / "out/results/a/000.npz").camera.focal.tolist() == [1600.0] * 2
    camera.unlink()
    (tmp_path / "in" / "cameras.csv").write_text("stem,fx,fy,cx,cy\na,1600,1600,,\n")
    assert not tasks(items(tmp_path))  # the same camera from another file
    assert [row.status for row in rows(items(tmp_path))] == [RowStatus.OK]
    (tmp_path / "in" / "cameras.csv").write_text("stem,fx,fy,cx,cy\na,900,900,,\n")
    assert len(tasks(items(tmp_path))) == 1


def test_a_result_that_does_not_tell_its_camera_is_made_again(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    result = FitResult.load(store.result("a", 0))
    result.replace(origin=replace(result.origin, K_guess=())).save(store.result("a", 0))
    assert len(tasks(items(tmp_path))) == 1


@pytest.mark.parametrize("detector", ["coco", None])
def test_a_result_with_the_points_of_another_detector_is_made_again(
    detector: str | None, tmp_path: Path
) -> None:
    """A file of before detectors were told apart has everybody's points, OpenPose's."""
    write_frame(tmp_path / "in", "a", [person(1)])
    path = run_quick(tmp_path / "in", tmp_path / "out").store.result("a", 0)
    with np.load(path) as file:
        arrays = dict(file)
    assert str(arrays.pop("detector")) == "openpose"
    if detector is not None:
        arrays["detector"] = np.array(detector)
    np.savez(path, **arrays)
    assert FitResult.load(path).provenance.detector == (detector or "openpose")
    assert len(tasks(items(tmp_path))) == (0 if detector is None else 1)


def test_what_only_describes_a_person_is_brought_up_to_date(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a", [person(1)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    result = FitResult.load(store.result("a", 0))
    old = result.replace(origin=replace(result.origin, notes="of an older version"))
    old.save(store.result("a", 0))
    assert not tasks(items(tmp_path))
    assert FitResult.load(store.result("a", 0)).origin == result.origin


def test_an_error_about_one_image_costs_only_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        write_frame(tmp_path / "in", name, [person(1), person(2)])

    def odd(frame: Frame, options: CameraOptions) -> tuple[CameraChoice, tuple[Note, ...]]:
        if frame.stem == "b":
            raise NotImplementedError("odd\ncamera")
        return camera_and_notes(frame, options)

    monkeypatch.setattr("smplifyx.jobs.source.camera_and_notes", odd)
    found = items(tmp_path)
    assert [task.stem for task in tasks(found)] == ["a", "a", "c", "c"]
    assert [row.person for row in rows(found)] == [0, 1]
    assert all(row.reason == "NotImplementedError: odd camera" for row in rows(found))
