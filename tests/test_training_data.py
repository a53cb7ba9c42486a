"""What priors are trained on: recordings read and split, standing thinned, holes filled, poses told
apart.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from make_recordings import swinging, write_amass, write_bvh_folder

from smplifyx.body.joints import sideless
from smplifyx.core import rotations
from smplifyx.pose_priors.limits import body_limits
from smplifyx.training.classes import TURNS, PoseClass, classify, kept_turns
from smplifyx.training.contract import PoseSet
from smplifyx.training.fill import JOINTS, SPREAD, Fill, FillSettings
from smplifyx.training.poses import Balance, pose_set, read_subjects, split
from smplifyx.training.skeleton import joint_positions, resting_joints

REST = torch.from_numpy(resting_joints()[:22]).float()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bvh_folder(tmp_path_factory.mktemp("bvh"))


def poses_of(angles: torch.Tensor) -> PoseSet:
    return PoseSet(rotations.exp(angles), torch.full((len(angles),), 1 / len(angles)))


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


def test_joint_positions_follow_the_retargeting() -> None:
    from smplifyx.data.retarget import Poses, pose_joints

    angles = swinging(5)[:, 1:]
    wanted = pose_joints(Poses(np.zeros((5, 3)), angles), resting_joints())
    found = joint_positions(
        rotations.exp(torch.from_numpy(angles)), torch.from_numpy(resting_joints()[:22])
    )
    assert found.numpy() == pytest.approx(wanted, abs=1e-9)


# ---- the holes


def still_poses(count: int = 4000) -> PoseSet:
    """Arms that swing; everything else hangs."""
    angles = torch.zeros(count, 21, 3)
    generator = torch.Generator().manual_seed(0)
    arms = [JOINTS.index("left_shoulder"), JOINTS.index("right_shoulder")]
    angles[:, arms, 2] = torch.rand(count, 2, generator=generator) * torch.tensor(
        [2.0, -2.0]
    ) - torch.tensor([1.2, -1.2])
    angles[:, arms, 0] = 0.2 * torch.randn(count, 2, generator=generator)
    return poses_of(angles)


def filled(settings: FillSettings) -> tuple[torch.Tensor, torch.Tensor]:
    poses = still_poses()
    fill = Fill.of(poses, REST, settings)
    return poses.rotations, fill(poses.rotations, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", SPREAD)
def test_each_hole_is_filled(kind: str) -> None:
    _, moved = filled(FillSettings(jitter=0.0))
    spread = rotations.log(moved).std(0)
    for joint, name in enumerate(JOINTS):
        if sideless(name) == kind:
            wanted = torch.tensor(SPREAD[kind][0])
            assert (spread[joint] > 0.7 * wanted).all(), name  # limits cut some of it
            assert (spread[joint] < 1.5 * wanted + 0.05).all(), name


def test_what_moves_already_is_left_alone() -> None:
    wide = poses_of(0.4 * torch.randn(2000, 21, 3, generator=torch.Generator().manual_seed(0)))
    fill = Fill.of(wide, REST, FillSettings(jitter=0.0, recombine=0.0))
    assert not fill.collars and float(fill.added.max()) == 0
    assert torch.allclose(
        fill(wide.rotations, torch.Generator().manual_seed(0)), wide.rotations, atol=1e-6
    )


def test_collars_rise_under_arms_that_keep_their_direction() -> None:
    before, after = filled(FillSettings(spread=0.0, jitter=0.0, recombine=0.0))
    for side, sign in (("left", 1), ("right", -1)):
        collar, shoulder = JOINTS.index(f"{side}_collar"), JOINTS.index(f"{side}_shoulder")
        assert torch.allclose(after[:, collar] @ after[:, shoulder], before[:, shoulder], atol=1e-5)
        rise = sign * rotations.log(after[:, collar])[:, 2]
        raised = sign * rotations.log(before[:, shoulder])[:, 2]
        assert float(rise.min()) > -1e-6
        assert float(rise[raised > 0.5].mean()) > float(rise[raised < -0.8].mean()) + 0.1


def test_no_pose_is_pushed_over_its_limits() -> None:
    before, after = filled(FillSettings(jitter=0.2, recombine=0.0, rhythm=0.0))
    limits = body_limits(torch.zeros(()))
    assert bool(limits.inside(rotations.log(before)).all())
    assert float(limits.inside(rotations.log(after)).float().mean()) > 0.999
    assert float((rotations.log(after) - rotations.log(before)).abs().mean()) > 0.05


def test_recombined_poses_mix_legs() -> None:
    angles = torch.zeros(500, 21, 3)
    angles[250:, :, 0] = 0.3
    fill = Fill.of(
        poses_of(angles), REST, FillSettings(spread=0, rhythm=0, jitter=0, recombine=0.5)
    )
    moved = rotations.log(fill(rotations.exp(angles), torch.Generator().manual_seed(0)))
    mixed = (
        moved[:, JOINTS.index("left_knee"), 0] - moved[:, JOINTS.index("left_elbow"), 0]
    ).abs() > 0.1
    assert 0.15 < float(mixed.float().mean()) < 0.35
    assert torch.equal(moved[:, JOINTS.index("left_knee")], moved[:, JOINTS.index("right_foot")])


CLASSES = {
    PoseClass.STANDING: {"left_shoulder": (0, 0, -1.2), "right_shoulder": (0, 0, 1.2)},
    PoseClass.SITTING: {"left_hip": (-1.5, 0, 0), "right_hip": (-1.5, 0, 0), "left_knee": (1.5, 0, 0),
                        "right_knee": (1.5, 0, 0)},
    PoseClass.CROUCHING: {"left_hip": (-1.9, 0, 0), "right_hip": (-1.9, 0, 0), "left_knee": (2.3, 0, 0),
                          "right_knee": (2.3, 0, 0)},
    PoseClass.ARMS_OVERHEAD: {"left_shoulder": (0, 0, 1.3), "right_shoulder": (0, 0, -1.3)},
}  # fmt: skip


@pytest.mark.parametrize("wanted", CLASSES)
def test_classes(wanted: PoseClass) -> None:
    angles = torch.zeros(1, 21, 3)
    for joint, value in CLASSES[wanted].items():
        angles[0, JOINTS.index(joint)] = torch.tensor(value, dtype=torch.float32)
    found = {
        kind for kind, member in classify(rotations.exp(angles), REST).items() if bool(member[0])
    }
    assert found == {wanted} or (
        wanted is PoseClass.SITTING and found == {wanted, PoseClass.CROUCHING}
    )


class Half:
    """A prior that turns every joint half as far."""

    def reconstruct(self, rotation: torch.Tensor) -> torch.Tensor:
        return rotations.exp(rotations.log(rotation) / 2)


def test_kept_turns_measure_what_is_left() -> None:
    poses = torch.eye(3).expand(4, 21, 3, 3)
    assert kept_turns(Half(), poses) == pytest.approx(dict.fromkeys(TURNS, 0.5), abs=1e-4)
