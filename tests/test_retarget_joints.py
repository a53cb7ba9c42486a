"""Retargeting by joint directions: known poses come back from other skeletons."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from smplifyx.data.bvh import forward_kinematics
from smplifyx.data.retarget import BODY_JOINTS, PARENTS, Poses
from smplifyx.data.retarget_joints import (
    JointMap,
    TurnBetween,
    WorldMotion,
    rested,
    retarget_joints,
    source_joints,
    source_skeleton,
)
from smplifyx.training.skeleton import resting_joints

REST = resting_joints()
TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot")
MAP = JointMap(
    {name: TurnBetween(name, name) for name in TRUNK},
    {f"{side}_{joint}": f"{side}_{joint}" for side in ("left", "right") for joint in LIMBS},
)


def known_poses(count: int = 40) -> Poses:
    """Poses whose elbows and knees bend as hinges, well away from straight."""
    generator = np.random.default_rng(0)
    body = generator.normal(0, 0.15, (count, 21, 3))
    for name in ("left_knee", "right_knee", "left_elbow", "right_elbow"):
        bend = generator.uniform(0.9, 1.8, count)
        axis = {"left_elbow": (0, -1, 0), "right_elbow": (0, 1, 0)}.get(name, (1, 0, 0))
        body[:, BODY_JOINTS.index(name) - 1] = bend[:, None] * np.array(axis)
    for side in ("left", "right"):  # a collar's own twist is not to be seen in directions
        body[:, BODY_JOINTS.index(f"{side}_collar") - 1, 0] = 0.0
    return Poses(generator.normal(0, 0.4, (count, 3)), body)


def motion_of(poses: Poses, scale: float = 1.0) -> WorldMotion:
    """The poses as a source of SMPL-X's own joints, in another unit."""
    rotvec = np.concatenate([poses.global_orient[:, None], poses.body_pose], 1)
    local = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix().reshape(*rotvec.shape, 3)
    rest = scale * REST[:22]
    offsets = np.array([rest[i] - rest[p] if p >= 0 else rest[i] for i, p in enumerate(PARENTS)])
    rotations, positions = forward_kinematics(local, offsets, PARENTS)
    return WorldMotion(
        BODY_JOINTS, rotations, positions, np.tile(np.eye(3), (22, 1, 1)), rest.copy()
    )


def turned_by(first: NDArray, second: NDArray) -> NDArray:
    """Radians between the rotations, [poses, joints]."""
    turn = Rotation.from_rotvec(first.reshape(-1, 3)).inv() * Rotation.from_rotvec(
        second.reshape(-1, 3)
    )
    return turn.magnitude().reshape(first.shape[:-1])


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_known_poses_come_back(scale: float) -> None:
    poses = known_poses()
    found = retarget_joints(motion_of(poses, scale), MAP, REST)
    assert turned_by(found.global_orient, poses.global_orient).max() < 1e-5
    errors = turned_by(found.body_pose, poses.body_pose)
    # knee and thigh share a plane that is not quite square to the resting bones: a few degrees
    assert np.degrees(errors).max() < 6
    trunk = [BODY_JOINTS.index(name) - 1 for name in TRUNK[1:]]
    assert errors[:, trunk].max() < 1e-5


def test_the_reference_pose_does_not_matter() -> None:
    """A source that rests with its legs apart, or turned about, gives the same directions."""
    poses = known_poses()
    motion = motion_of(poses)
    about = Rotation.from_euler("y", 70, degrees=True).as_matrix()
    turned = WorldMotion(
        motion.names,
        about @ motion.rotations,
        motion.positions @ about.T,
        about @ motion.reference_rotations,
        motion.reference_positions @ about.T,
    )
    expected = retarget_joints(motion, MAP, REST)
    found = retarget_joints(turned, MAP, REST)
    assert turned_by(found.body_pose, expected.body_pose).max() < 1e-6


def test_joints_lie_where_the_source_has_them() -> None:
    motion = motion_of(known_poses(), 40.0)
    skeleton = source_skeleton(motion, MAP, REST)
    places = source_joints(motion, MAP)
    assert np.allclose(
        np.linalg.norm(skeleton[4] - skeleton[1]), 40 * np.linalg.norm(REST[4] - REST[1])
    )
    assert {"neck", "head", "left_foot"} <= set(places)


def test_a_missing_joint_is_named() -> None:
    with pytest.raises(ValueError, match="no joint nowhere"):
        retarget_joints(
            motion_of(known_poses(2)),
            JointMap({**MAP.trunk, "head": TurnBetween("nowhere", "nowhere")}, MAP.limbs),
            REST,
        )


def test_rest_is_where_the_person_rests() -> None:
    """Hanging arms: a constant shrug is taken out, the arm keeps its direction."""
    body = np.zeros((60, 21, 3))
    shoulder = BODY_JOINTS.index("left_shoulder") - 1
    collar = BODY_JOINTS.index("left_collar") - 1
    foot = BODY_JOINTS.index("left_foot") - 1
    body[:, shoulder, 2] = -1.4
    body[:, collar, 2] = 0.2
    body[:, foot, 0] = 0.3
    found = rested(Poses(np.zeros((60, 3)), body)).body_pose
    assert np.abs(found[:, collar]).max() < 1e-12 and np.abs(found[:, foot]).max() < 1e-12
    assert np.allclose(found[:, shoulder], (0.0, 0.0, -1.2))
