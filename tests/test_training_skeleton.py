"""Where a body pose puts the joints."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from make_recordings import swinging

from smplifyx.core import rotations
from smplifyx.training.skeleton import joint_positions, resting_joints


def test_joint_positions_follow_the_retargeting() -> None:
    from smplifyx.data.retarget import Poses, pose_joints

    angles = swinging(5)[:, 1:]
    wanted = pose_joints(Poses(np.zeros((5, 3)), angles), resting_joints())
    found = joint_positions(
        rotations.exp(torch.from_numpy(angles)), torch.from_numpy(resting_joints()[:22])
    )
    assert found.numpy() == pytest.approx(wanted, abs=1e-9)
