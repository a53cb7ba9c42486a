"""Jobs with `--scene`: whole images in a batch, the same end whatever is there already, errors that
cost one image.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from job_tools import Counting, write_frame
from test_scene_fit import APART, TWO, alone, body_of, same

from smplifyx.body.model import Gender
from smplifyx.camera import Camera
from smplifyx.collision.mesh.check import penetration_between
from smplifyx.config import FitConfig
from smplifyx.fitting.result import FitResult, FitStatus, Origin
from smplifyx.fitting.scene_fit import fit_together
from smplifyx.jobs import scenes
from smplifyx.jobs.batches import FitTask, Item, chunks
from smplifyx.jobs.job import JobConfig, preset_of
from smplifyx.jobs.runner import JobOutcome, run_job
from smplifyx.keypoints import Keypoints, names

PARTS = {
    "pose": names.BODY, "hand_left": names.LEFT_HAND, "hand_right": names.RIGHT_HAND, "face": names.FACE,
}  # fmt: skip


STEMS = ("a_touching", "b_apart", "c_touching")


def write_image(folder: Path, name: str, people: Sequence[FitResult]) -> None:
    """The keypoints of some people as one OpenPose file, and their camera."""
    arrays = [result.keypoints.to_array() for result in people]
    write_frame(
        folder,
        name,
        [
            {f"{key}_keypoints_2d": a[part].flatten().tolist() for key, part in PARTS.items()}
            for a in arrays
        ],
    )
    camera = {"K": people[0].camera.K.tolist(), "image_size": people[0].camera.image_size.tolist()}
    (folder / f"{name}.camera.json").write_text(json.dumps(camera))


@pytest.fixture(scope="module")
def keypoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of two people who stand in each other, one of two who do not."""
    folder = tmp_path_factory.mktemp("keypoints")
    write_image(folder, "a_touching", alone(TWO))
    write_image(folder, "b_apart", alone(APART))
    write_image(folder, "c_touching", alone(TWO, 1))
    return folder


def run(keypoints: Path, out: Path, scene: bool = True, batch_size: int = 3) -> JobOutcome:
    job = JobConfig(
        keypoints=keypoints,
        out=out,
        batch_size=batch_size,
        age="adult",
        scene=scene,
        preset="fast",
        quiet=True,
    )
    return run_job(job, Counting())


@pytest.fixture(scope="module")
def whole(keypoints: Path, tmp_path_factory: pytest.TempPathFactory) -> JobOutcome:
    """The images fitted in one go."""
    return run(keypoints, tmp_path_factory.mktemp("whole") / "out")


def people_of(outcome: JobOutcome, stem: str) -> list[FitResult]:
    return [FitResult.load(outcome.store.result(stem, person)) for person in range(2)]


def depth(people: Sequence[FitResult]) -> float:
    meshes = [result.vertices(body_of())[None] for result in people]
    return float(penetration_between(*meshes, (body_of(), body_of()))[0].depth)


def test_people_of_an_image_are_fitted_together(
    keypoints: Path, whole: JobOutcome, tmp_path: Path
) -> None:
    before, after = run(keypoints, tmp_path / "alone", scene=False), whole
    for stem in ("a_touching", "c_touching"):
        assert depth(people_of(before, stem)) > 0.03 > 0.01 > depth(people_of(after, stem))
        assert all(
            result.penetration is not None and result.origin.image == ""
            for result in people_of(after, stem)
        )
        assert [result.origin.person for result in people_of(after, stem)] == [0, 1]
    pairs = zip(people_of(before, "b_apart"), people_of(after, "b_apart"), strict=True)
    assert all(same(old, new) and torch.equal(old.energy, new.energy) for old, new in pairs)


@pytest.mark.parametrize("batch_size", [1, 64])
def test_neither_the_batch_nor_what_is_there_already_changes_anything(
    keypoints: Path, whole: JobOutcome, tmp_path: Path, batch_size: int
) -> None:
    out = run(keypoints, tmp_path / "out", batch_size=batch_size)
    assert_same(out, whole)
    out.store.result("c_touching", 0).unlink()  # as a kill in the middle of an image leaves it
    untouched = out.store.result("a_touching", 0).stat().st_mtime_ns
    assert_same(run(keypoints, tmp_path / "out"), whole)
    assert out.store.result("a_touching", 0).stat().st_mtime_ns == untouched


def assert_same(one: JobOutcome, other: JobOutcome) -> None:
    for stem in STEMS:
        pairs = zip(people_of(one, stem), people_of(other, stem), strict=True)
        assert all(same(a, b, 1e-4) for a, b in pairs), stem


def test_an_error_costs_only_its_image(
    keypoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(
        results: Sequence[FitResult], images: Sequence[str], *more: object
    ) -> list[FitResult]:
        if "a_touching" in images:
            raise RuntimeError("poisoned")
        return fit_together(results, images, *more)

    monkeypatch.setattr(scenes, "fit_together", failing)
    outcome = run(keypoints, tmp_path / "out", batch_size=64)
    assert outcome.fitted == 6
    assert (
        depth(people_of(outcome, "a_touching")) > 0.03
        and depth(people_of(outcome, "c_touching")) < 0.01
    )
    assert "a_touching: its people stay as fitted alone: poisoned" in outcome.store.log.read_text()
    assert all(int(result.status) == FitStatus.OK for result in people_of(outcome, "a_touching"))


@pytest.mark.parametrize(("size", "expected"), [(1, [5, 1]), (3, [5, 1]), (6, [6]), (5, [5, 1])])
def test_chunks_end_where_images_end(size: int, expected: list[int]) -> None:
    nobody = Keypoints.from_array(torch.zeros(137, 3))
    task = FitTask("s", nobody, Camera.from_focal(1.0, torch.ones(2)), Gender.NEUTRAL, Origin())
    items = [Item(task, ends_frame=end) for end in (False, False, False, False, True, True)]
    cut = list(chunks(items, size, whole_frames=True))
    assert sum(cut, []) == items and [len(chunk) for chunk in cut] == expected


@pytest.mark.parametrize("free_focal", [True, False])
def test_a_free_focal_length_is_refused_in_one_line(tmp_path: Path, free_focal: bool) -> None:
    job = JobConfig(keypoints=tmp_path, out=tmp_path / "out", scene=True, free_focal=free_focal)
    if not free_focal:
        assert isinstance(preset_of(job), FitConfig)
        return
    with pytest.raises(ValueError, match="--scene.*--free-focal") as error:
        preset_of(job)
    assert "\n" not in str(error.value)
