"""AMASS's files as their readers use them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from export_people import CASES, everybody, person, write
from golden_body import GoldenBody, members

from smplifyx.body import skinning
from smplifyx.data.amass import read_amass
from smplifyx.writers.amass import AMASS

ROWS = [case for case in CASES if case != "child"]
TO_WORLD = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
File = dict[str, np.ndarray]


def read(file: File) -> np.ndarray:
    """What Blender's add-on makes of a file: the first frame's vertices, z up."""
    assert str(file["gender"]) in ("male", "female", "neutral")
    rates = [file[name] for name in ("mocap_frame_rate", "mocap_framerate")]
    assert all(rate.dtype.kind == "i" and rate >= 30 for rate in rates)
    pose = file["poses"][0].reshape(55, 3)
    betas = file["betas"][:10]
    return GoldenBody.embedded().forward(pose, betas, transl=file["trans"][0])[0]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[File]:
    target = tmp_path_factory.mktemp("amass") / "motions"
    write(AMASS, target, everybody(children=False))
    # as DPoser looks for them
    return [members(path) for path in sorted(target.glob("*/*_stageii.npz"))]


@pytest.mark.parametrize("row", range(len(ROWS)), ids=ROWS)
def test_golden_reader(files: list[File], row: int) -> None:
    one = everybody(children=False)[row]
    params = one.result.params
    zero = params.replace(expression=params.expression * 0)  # AMASS has none
    truth = skinning.vertices(one.body, zero).numpy() @ TO_WORLD.T
    vertices = read(files[row])
    assert np.abs(vertices - truth).max() < 1e-4
    joints = skinning.joints(one.body, zero).numpy() @ TO_WORLD.T
    assert joints[15, 2] > joints[0, 2] > joints[10, 2]  # head, pelvis, foot


def _spoil(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[File], File]:
    return lambda file: {**file, name: change(file[name])}


@pytest.mark.parametrize(
    "mutate",
    [
        # turned about the origin, the resting pelvis forgotten
        _spoil("trans", lambda trans: trans + np.array([0, 0.3, 0.3])),
        _spoil("betas", lambda betas: betas * 0),
        _spoil("poses", lambda poses: poses + 0.15 * (np.arange(165) >= 75)),  # another hand mean
        _spoil("poses", lambda poses: poses * (np.arange(165) >= 3)),  # the root
    ],
    ids=["pelvis", "shape", "hand mean", "root"],
)
def test_mutations_are_noticed(files: list[File], mutate: Callable[[File], File]) -> None:
    assert np.abs(read(mutate(files[0])) - read(files[0])).max() > 0.01


@pytest.mark.parametrize("name", ["mocap_frame_rate", "mocap_framerate"])
def test_a_low_rate_is_noticed(files: list[File], name: str) -> None:
    with pytest.raises(AssertionError):
        read({**files[0], name: np.array(25)})


def test_parts_of_the_pose(files: list[File]) -> None:
    names = ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")
    for file in files:
        parts = [file[name] for name in names]
        assert [part.shape for part in parts] == [(1, n) for n in (3, 63, 3, 6, 90)]
        assert np.array_equal(np.concatenate(parts, 1), file["poses"])
        assert file["betas"].shape == (int(file["num_betas"]),)
        assert all(np.isfinite(array).all() for array in file.values() if array.dtype.kind == "f")
        assert file["poses"].dtype == file["trans"].dtype == file["betas"].dtype == np.float32


def test_names(tmp_path: Path) -> None:
    one = person("adult")
    ids = ["video 1/a.b/0", "video 1/a.b/1", "photo/0", "deep/er/x/0"]
    made = write(AMASS, tmp_path / "m", [dataclasses.replace(one, id=id) for id in ids])
    names = {path.relative_to(tmp_path / "m").as_posix() for path in made.files[:-1]}
    assert names == {
        "video_1/000000000_a_b_0_stageii.npz",
        "video_1/000000001_a_b_1_stageii.npz",
        "people/000000002_photo_0_stageii.npz",
        "er/000000003_x_0_stageii.npz",
    }


def test_our_own_reader(tmp_path: Path) -> None:
    """Which trains priors: the body stands as before, y up."""
    made = write(AMASS, tmp_path / "m", [person("adult")])
    poses = read_amass(made.files[0])
    assert poses.body_pose.shape == (1, 21, 3)


def test_same_bytes(tmp_path: Path) -> None:
    made = write(AMASS, tmp_path / "m", everybody(children=False))
    first = [path.read_bytes() for path in made.files]
    write(AMASS, tmp_path / "m", everybody(children=False))
    assert [path.read_bytes() for path in made.files] == first
