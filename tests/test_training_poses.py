"""What priors are trained on: recordings read and split, standing thinned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from make_recordings import swinging, write_amass, write_bvh_folder

from smplifyx.core import rotations
from smplifyx.training.poses import Balance, pose_set, read_subjects, split
from smplifyx.training.skeleton import resting_joints


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bvh_folder(tmp_path_factory.mktemp("bvh"))


# ---- the data


def test_bvh_and_its_tar_give_the_same(recordings: Path, tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(tmp_path / "clips.tar.xz", "w:xz") as archive:
        archive.add(recordings, "clips")
    wanted = read_subjects(recordings, resting_joints())
    assert list(wanted) == ["01", "02", "03"]
    for data in (tmp_path, tmp_path / "clips.tar.xz"):
        found = read_subjects(data, resting_joints())
        assert list(found) == list(wanted)
        assert all(np.array_equal(found[s].body_pose, wanted[s].body_pose) for s in wanted)


def test_amass_folder(tmp_path: Path) -> None:
    write_amass(tmp_path / "anna" / "a_poses.npz", swinging(20), 30, "smplh")
    write_amass(tmp_path / "anna" / "b_stageii.npz", swinging(20, 1), 30, "smplx")
    write_amass(tmp_path / "otto" / "a_stageii.npz", swinging(20, 2), 30, "smplx_poses")
    found = read_subjects(tmp_path, resting_joints())
    assert {s: len(p.body_pose) for s, p in found.items()} == {"anna": 40, "otto": 20}


@pytest.mark.parametrize("data", ["nowhere", "."])
def test_no_recordings(tmp_path: Path, data: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such|no \.bvh"):
        read_subjects(tmp_path / data, resting_joints())


@pytest.mark.parametrize(
    ("named", "share", "validation"),
    [(("02",), 0.5, {"02"}), ((), 0.1, 1), ((), 0.7, 2), ((), 0.0, {"01", "02", "03"})],
)
def test_split(
    recordings: Path, named: tuple[str, ...], share: float, validation: set[str] | int
) -> None:
    subjects = read_subjects(recordings, resting_joints())
    training, validating = split(subjects, named, share, 0)
    assert (
        set(validating) == validation
        if isinstance(validation, set)
        else len(validating) == validation
    )
    assert share == 0 or not set(training) & set(validating)
    assert set(training) | set(validating) == set(subjects)


@pytest.mark.parametrize("named", [("07",), ("01", "02", "03")])
def test_split_refuses(recordings: Path, named: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="no subjects 07|none is left"):
        split(read_subjects(recordings, resting_joints()), named, 0.1, 0)


def test_a_single_subject_is_cut_in_time(recordings: Path) -> None:
    subjects = {"01": read_subjects(recordings, resting_joints())["01"]}
    training, validating = split(subjects, (), 0.25, 0)
    assert (len(training["01"].body_pose), len(validating["01"].body_pose)) == (30, 10)


def test_balance(recordings: Path) -> None:
    """A subject who stands still weighs little with balance, and as its frames without."""
    subjects = dict(read_subjects(recordings, resting_joints()))
    subjects["01"] = subjects["01"][np.zeros(300, dtype=int)]
    shares = []
    for balance in (Balance(0.02, 0.5), Balance(0, 1)):
        poses = pose_set(subjects, resting_joints(), balance)
        still = torch.from_numpy(subjects["01"].body_pose[0]).float()
        near = (rotations.log(poses.rotations) - still).abs().amax((1, 2)) < 1e-3
        shares.append(float(poses.weights[near].sum()))
    assert float(poses.weights.sum()) == pytest.approx(1, abs=1e-5)
    assert shares[1] > 0.38 and shares[0] < 0.12


# ---- the holes
