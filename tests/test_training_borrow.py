"""Holes of recordings, filled from other recordings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from smplifyx.body.joints import BODY_POSE_JOINTS as JOINTS
from smplifyx.data.retarget import Poses
from smplifyx.training.borrow import Hole, borrow
from smplifyx.training.poses import Balance, PersonPart, pose_set_of
from smplifyx.training.skeleton import resting_joints

COLLAR = JOINTS.index("left_collar")
SHOULDER = JOINTS.index("left_shoulder")
WRIST = JOINTS.index("left_wrist")
FOOT = JOINTS.index("left_foot")


def recordings() -> tuple[np.ndarray, np.ndarray]:
    """Poses whose collar rises with the arm, and which of them lack their joints."""
    generator = np.random.default_rng(0)
    angles = np.zeros((400, 21, 3))
    angles[:, SHOULDER, 2] = generator.uniform(-1.4, 1.0, 400)
    angles[:, COLLAR, 2] = 0.2 * (angles[:, SHOULDER, 2] + 1.4)
    angles[:, WRIST] = generator.normal(0, 0.3, (400, 3))
    angles[:, FOOT, 0] = generator.normal(0, 0.3, 400)
    lacking = np.arange(400) < 200
    return angles, lacking


def test_a_borrowed_collar_goes_with_its_arm() -> None:
    angles, lacking = recordings()
    angles[lacking, SHOULDER, 2] += angles[lacking, COLLAR, 2]  # as a source without collars has it
    angles[lacking, COLLAR] = 0.0
    filled = borrow(angles, {Hole.COLLAR: lacking})

    def arm(poses: np.ndarray) -> np.ndarray:
        turn = Rotation.from_rotvec(poses[:, COLLAR]) * Rotation.from_rotvec(poses[:, SHOULDER])
        return turn.apply([1.0, 0.0, 0.0])

    assert np.allclose(arm(filled), arm(angles))
    height = arm(filled)[lacking][:, 1]
    assert np.corrcoef(height, filled[lacking, COLLAR, 2])[0, 1] > 0.95
    assert np.array_equal(filled[~lacking], angles[~lacking])


@pytest.mark.parametrize(
    ("hole", "joint", "axes"),
    [(Hole.TOES, FOOT, (0, 1, 2)), (Hole.HAND, WRIST, (0, 1, 2)), (Hole.HAND_BEND, WRIST, (1, 2))],
)
def test_only_the_hole_is_filled(hole: Hole, joint: int, axes: tuple[int, ...]) -> None:
    angles, lacking = recordings()
    for axis in axes:
        angles[lacking, joint, axis] = 0.0
    filled = borrow(angles, {hole: lacking}, seed=1)
    assert filled[lacking, joint, axes[0]].std() > 0.0 or hole is Hole.HAND_BEND
    changed = filled != angles
    changed[lacking, joint] = False
    assert not changed.any()
    if hole is Hole.HAND_BEND:
        assert np.array_equal(filled[:, joint, 0], angles[:, joint, 0])


def test_nobody_to_borrow_from() -> None:
    angles, _ = recordings()
    assert np.array_equal(borrow(angles, {Hole.TOES: np.ones(400, bool)}), angles)


def test_a_person_weighs_once_over_all_sources() -> None:
    angles, _ = recordings()
    poses = Poses(np.zeros((400, 3)), angles)
    parts = [
        PersonPart("anna", "here", poses[:100]),
        PersonPart("anna", "there", poses[100:200]),
        PersonPart("otto", "there", poses[200:]),
    ]
    weights = pose_set_of(parts, resting_joints(), Balance(radius=0.0)).weights
    assert np.isclose(float(weights[:400].sum()), 0.5)


def test_some_weigh_half_together() -> None:
    angles, _ = recordings()
    poses = Poses(np.zeros((400, 3)), angles)
    parts = [
        PersonPart("anna", "here", poses[:20]),
        PersonPart("otto", "here", poses[20:40]),
        PersonPart("eve", "there", poses[40:]),
    ]
    balance = Balance(radius=0.0, half=("anna", "otto"))
    weights = pose_set_of(parts, resting_joints(), balance).weights
    assert np.isclose(float(weights[:80].sum()), 0.5)
    assert np.isclose(float(weights[:40].sum()), 0.25)
