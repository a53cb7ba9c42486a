"""The items of a job of several views: a task for each person, a line for everybody in every view."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from job_tools import run_quick, write_frame
from pydantic import ValidationError
from test_view_matching import cameras, crowd, seen

from smplifyx.evidence.views import Views
from smplifyx.jobs.batches import FitTask, Item
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.store import Store
from smplifyx.jobs.summary import Row, RowStatus
from smplifyx.jobs.views_source import open_views_source
from smplifyx.keypoints import Keypoints
from smplifyx.readers.frames import KeypointError

COUNT = 4


def calibration(folder: Path, count: int = COUNT) -> Path:
    entries = [
        {"name": f"cam_{n}", "K": c.K.tolist(), "R": c.rotation.tolist(),
         "t": c.translation.tolist(), "width": 1000, "height": 1000}
        for n, c in enumerate(cameras()[:count])
    ]  # fmt: skip
    path = folder / "rig.json"
    path.write_text(json.dumps({"cameras": entries}))
    return path


def openpose(keypoints: Keypoints, person: int, points: int = 25) -> dict[str, list[float]]:
    body = keypoints.to_array()[person, :25].clone()
    body[points:] = 0
    return {"pose_keypoints_2d": [float(value) for value in body.flatten()]}


def write_views(folder: Path, orders: Sequence[Sequence[int]], frame: str = "0001") -> None:
    """A moment of a crowd; orders: who is in each view's file, in which order."""
    for view, (own, order) in enumerate(zip(seen(crowd(3)), orders, strict=True)):
        people = [openpose(own, person) for person in order]
        write_frame(folder / f"cam{view}_json", f"cam{view}.{frame}", people)


def job_of(tmp_path: Path, **options: object) -> JobConfig:
    return JobConfig(
        keypoints=tmp_path / "in", out=tmp_path / "out", views=calibration(tmp_path), **options
    )


def items(job: JobConfig) -> list[Item]:
    return list(open_views_source(job).items(Store(job.out)))


def tasks(found: Sequence[Item]) -> list[FitTask]:
    return [item.work for item in found if isinstance(item.work, FitTask)]


def rows(found: Sequence[Item]) -> list[Row]:
    return [item.work for item in found if isinstance(item.work, Row)]


def test_a_person_is_fitted_once_and_has_a_line_in_each_view(tmp_path: Path) -> None:
    write_views(tmp_path / "in", [[0, 1], [1, 0], [1], [0, 1]])
    found = items(job_of(tmp_path))
    assert len(found) == 7 and sum(item.ends_frame for item in found) == COUNT
    assert len(tasks(found)) == 2
    assert {row.status for row in rows(found)} == {RowStatus.NOT_SELECTED}
    for task in tasks(found):
        name = f"fitted as {task.stem} person {task.origin.person}"
        seen_by = 1 + sum(row.reason == name for row in rows(found))
        views = next(one for one in task.evidence if isinstance(one, Views))
        assert views.keypoints.confidence.shape == (COUNT - 1, 137)
        told = (views.keypoints.confidence[:, :25] > 0).any(-1).sum()
        assert int(told) + 1 == seen_by
        assert task.camera.image_size.tolist() == [1000, 1000]
        assert task.origin.image_size_source == "sidecar"


def test_the_views_stand_where_the_calibration_says(tmp_path: Path) -> None:
    write_views(tmp_path / "in", [[0]] * COUNT)
    (task,) = tasks(items(job_of(tmp_path)))
    views = next(one for one in task.evidence if isinstance(one, Views))
    world = views.T_world_camera.double()
    points = crowd(3)[0, :25]
    own = (points - world[:3, 3]) @ world[:3, :3]
    torch.testing.assert_close(
        task.camera.to(dtype=torch.float64).project(own), task.keypoints.xy[:25].double(),
        rtol=0, atol=6.0,
    )  # fmt: skip
    moved = torch.einsum("vij,nj->vni", views.rotation.double(), own)
    moved = moved + views.translation.double()[:, None]
    seen_at = views.camera.to(dtype=torch.float64).project(moved)
    torch.testing.assert_close(seen_at, views.keypoints.xy[:, :25].double(), rtol=0, atol=6.0)


def test_moments_go_by_numbers_and_a_view_may_lack_one(tmp_path: Path) -> None:
    for number in ("0001", "0002", "0010"):
        write_views(tmp_path / "in", [[0]] * COUNT, number)
    (tmp_path / "in/cam2_json/cam2.0002_keypoints.json").unlink()
    job = job_of(tmp_path)
    source = open_views_source(job)
    found = list(source.items(Store(job.out)))
    assert len(found) == 11
    assert len(tasks(found)) == 3
    (note,) = source.leftovers
    assert note.about == "cameras without a frame of that moment" and "0002" in note.detail


def test_without_numbers_moments_go_by_place(tmp_path: Path) -> None:
    for view, own in enumerate(seen(crowd(1))):
        for name in ("a", "b"):
            write_frame(tmp_path / f"in/cam{view}", name, [openpose(own, 0)])
    assert len(tasks(items(job_of(tmp_path)))) == 2
    (tmp_path / "in/cam0/b_keypoints.json").unlink()
    with pytest.raises(KeypointError, match="1 to 2 files, whose names have no numbers"):
        items(job_of(tmp_path))


def test_easymocap_keeps_its_folders_one_deeper(tmp_path: Path) -> None:
    for view, own in enumerate(seen(crowd(1))):
        write_frame(tmp_path / f"in/annots/cam{view}", "000001", [openpose(own, 0)])
    assert len(tasks(items(job_of(tmp_path)))) == 1


def test_a_file_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    write_views(tmp_path / "in", [[0], [0], [0], []])
    (tmp_path / "in/cam1_json/cam1.0001_keypoints.json").write_text("[1, 2")
    found = items(job_of(tmp_path))
    assert len(tasks(found)) == 1
    statuses = [row.status for row in rows(found)]
    assert sorted(status.value for status in statuses) == [
        *("no_people", "not_selected", "unreadable"),
    ]


def test_who_is_not_selected_is_not_matched(tmp_path: Path) -> None:
    write_views(tmp_path / "in", [[0]] * COUNT)
    few = openpose(seen(crowd(3))[1], 0, points=9)
    write_frame(tmp_path / "in/cam1_json", "cam1.0001", [few])
    found = items(job_of(tmp_path, min_keypoints=12))
    (task,) = tasks(found)
    assert [row.reason for row in rows(found)].count(f"fitted as {task.stem} person 0") == 2


@pytest.mark.parametrize(
    "names, message",
    [
        (["left", "right"], "0 folders are of cameras of"),
        (["cam_0", "right"], "1 folders are of cameras of"),
        ([], "0 folders are of cameras of"),
    ],
)
def test_folders_are_called_like_the_cameras(names, message, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in names:
        write_frame(tmp_path / "in" / name, "a", [])
    with pytest.raises(KeypointError, match=message):
        items(job_of(tmp_path))


def test_folders_and_cameras_left_over_are_told(tmp_path: Path) -> None:
    write_views(tmp_path / "in", [[0]] * COUNT)
    write_frame(tmp_path / "in" / "other", "a", [])
    for file in (tmp_path / "in/cam3_json").iterdir():
        file.unlink()
    (tmp_path / "in/cam3_json").rmdir()
    abouts = [note.about for note in open_views_source(job_of(tmp_path)).leftovers]
    assert abouts == ["cameras without a folder", "folders of no camera"]


@pytest.mark.parametrize(
    "option", [{"focal": 900.0}, {"scene": True}, {"recursive": True}], ids=str
)
def test_options_that_make_no_sense_with_views_are_refused(option, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="job of views"):
        job_of(tmp_path, **option)


def test_a_job_goes_on_where_it_stopped_unless_a_view_has_changed(tmp_path: Path) -> None:
    write_views(tmp_path / "in", [[0]] * COUNT)
    job = job_of(tmp_path)
    assert run_quick(job.keypoints, job.out, views=job.views).fitted == 1
    (row,) = [work for work in map(lambda item: item.work, items(job)) if row_is_done(work)]
    result = Store(job.out).existing(row.stem, 0)
    assert result is not None and Views in result.evidence
    assert np.load(Store(job.out).result(row.stem, 0))["view_K"].shape == (COUNT - 1, 3, 3)
    (view,) = [v for v in range(COUNT) if row.stem.startswith(f"cam{v}")]
    other = (view + 1) % COUNT
    path = tmp_path / f"in/cam{other}_json/cam{other}.0001_keypoints.json"
    document = json.loads(path.read_text())
    document["people"][0]["pose_keypoints_2d"][0] += 1
    path.write_text(json.dumps(document))
    assert len(tasks(items(job))) == 1


def test_another_number_of_cameras_is_another_fit(tmp_path: Path) -> None:
    write_views(tmp_path / "in", [[0]] * COUNT)
    job = job_of(tmp_path)
    assert run_quick(job.keypoints, job.out, views=job.views).fitted == 1
    calibration(tmp_path, COUNT - 1)
    found = items(job)
    assert len(tasks(found)) == 1 and len(found) == COUNT - 1


def row_is_done(work: FitTask | Row) -> bool:
    return isinstance(work, Row) and work.status is not RowStatus.NOT_SELECTED
