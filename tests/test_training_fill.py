"""The holes of the mocap: what is filled, and how far."""

from __future__ import annotations

import pytest
import torch

from smplifyx.body.joints import sideless
from smplifyx.core import rotations
from smplifyx.pose_priors.limits import body_limits
from smplifyx.training.contract import PoseSet
from smplifyx.training.fill import JOINTS, SPREAD, Fill, FillSettings
from smplifyx.training.skeleton import resting_joints

REST = torch.from_numpy(resting_joints()[:22]).float()


def poses_of(angles: torch.Tensor) -> PoseSet:
    return PoseSet(rotations.exp(angles), torch.full((len(angles),), 1 / len(angles)))


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


def test_recorded_angles_beyond_the_limits_are_put_back() -> None:
    angles = torch.zeros(100, 21, 3)
    angles[:, JOINTS.index("left_ankle"), 0] = torch.linspace(-1.3, 0.5, 100)
    for clamped, inside in ((True, 1.0), (False, 0.72)):
        fill = Fill.of(
            poses_of(angles), REST, FillSettings(spread=0, jitter=0, recombine=0, clamped=clamped)
        )
        moved = rotations.log(fill(rotations.exp(angles), torch.Generator().manual_seed(0)))
        assert float(body_limits(angles).inside(moved + 1e-6).float().mean()) == pytest.approx(
            inside, abs=0.02
        )
