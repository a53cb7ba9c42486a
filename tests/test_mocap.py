"""The CMU mocap: who is held out, which frames are sound, standing counted once."""

from __future__ import annotations

import numpy as np
import pytest
from mocap_data import MOCAP, needs_mocap, random_poses, rest_joints

from smplifyx.data.mocap import HELD_OUT, heldout_poses, plausible, thin
from smplifyx.data.retarget import (
    BODY_JOINTS,
    Poses,
    concatenate,
)


@needs_mocap
def test_held_out_subjects_are_sound() -> None:
    poses = heldout_poses(MOCAP, rest_joints())
    assert len(poses.body_pose) > 15000
    assert plausible(poses).all()
    assert sorted(HELD_OUT) == ["13", "14"]


def test_thinning_counts_standing_once() -> None:
    rest, moving = rest_joints(), random_poses(4)
    standing = Poses(np.zeros((50, 3)), np.zeros((50, 21, 3)))
    kept = thin(concatenate([standing, moving, moving]), rest, 0.02)
    assert len(kept.body_pose) == 5


@pytest.mark.parametrize(
    ("joint", "rotvec", "sound"),
    [
        ("left_knee", (2.0, 0, 0), True),
        ("left_knee", (-0.5, 0, 0), False),
        ("left_elbow", (0, -2.0, 0), True),
        ("left_elbow", (0, 1.0, 0), False),
        ("right_elbow", (0, 2.0, 0), True),
        ("right_elbow", (0, -1.0, 0), False),
        ("right_ankle", (0, 0, 2.8), False),
        ("neck", (0.7, 0, 0), True),
        ("neck", (0.9, 0, 0), False),
    ],
)
def test_plausible(joint: str, rotvec: tuple[float, ...], sound: bool) -> None:
    pose = np.zeros((1, 21, 3))
    pose[0, BODY_JOINTS.index(joint) - 1] = rotvec
    assert plausible(Poses(np.zeros((1, 3)), pose))[0] == sound
