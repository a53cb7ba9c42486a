"""Latents that are the joints' own axis-angles."""

from __future__ import annotations

import pytest
import torch
from make_priors import noise

from smplifyx.core import rotations
from smplifyx.pose_priors import LatentSpace
from smplifyx.pose_priors.joint_angles import JointAngles


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_the_latent_is_the_body_pose(batch: tuple[int, ...]) -> None:
    space = JointAngles()
    latent = noise(*batch, 63, dtype=torch.float64) / 2
    joints = latent.unflatten(-1, (21, 3))
    assert space.latent_dim == 63 and space.latent_space is LatentSpace.JOINT_ANGLES
    assert torch.equal(space.decode(latent), rotations.exp(joints))
    assert torch.equal(space.joint_velocity(latent), rotations.left_jacobian(joints))
    torch.testing.assert_close(space.encode(space.decode(latent)), latent)
