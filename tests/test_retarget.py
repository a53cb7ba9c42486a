"""Retargeting: against the figure's own joints, hinges on their axes, mirror, thinning."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from mocap_data import MOCAP, clips, needs_mocap, random_poses, rest_joints

from smplifyx.data.mocap import HELD_OUT, heldout_poses, plausible, thin
from smplifyx.data.retarget import (
    BODY_JOINTS,
    LimbRest,
    Poses,
    concatenate,
    mirror,
    pose_joints,
    retarget,
)
from smplifyx.data.retarget_check import COUNTERPARTS, figure_skeleton, joint_errors

# Centimetres, mean over frames, on the figure's own bones. The head differs because neck and head
# share its rotation.
LIMITS_FIGURE = dict.fromkeys(COUNTERPARTS, 0.1) | {"head": 3.0}
# The joint axes say that limbs are straighter than the figure draws them; 17 degrees of a forearm
# are 9 cm at its end.
LIMITS_HINGE = dict.fromkeys(COUNTERPARTS, 3.0) | {
    f"{side}_{joint}": limit
    for side in ("left", "right")
    for joint, limit in (("wrist", 11.0), ("ankle", 6.0), ("foot", 6.0))
}


@needs_mocap
@pytest.mark.parametrize(
    ("limbs", "limits"), [(LimbRest.FIGURE, LIMITS_FIGURE), (LimbRest.HINGE, LIMITS_HINGE)]
)
def test_joints_lie_where_the_figure_has_them(limbs: LimbRest, limits: dict[str, float]) -> None:
    skeleton = figure_skeleton(clips()[0], rest_joints())
    errors = [joint_errors(clip, skeleton, rest_joints(), limbs) for clip in clips()]
    for joint, limit in limits.items():
        assert np.concatenate([e[joint] for e in errors]).mean() < limit, joint


@needs_mocap
def test_elbows_are_hinges_and_nothing_wraps() -> None:
    poses = concatenate([retarget(clip, rest_joints()) for clip in clips()])
    sound = poses[plausible(poses)]
    assert len(sound.body_pose) > 0.6 * len(poses.body_pose)
    for side, sign in (("left", -1), ("right", 1)):
        elbow = sound.body_pose[:, BODY_JOINTS.index(f"{side}_elbow") - 1]
        assert np.abs(elbow[:, [0, 2]]).max() < 0.01, (
            "the embedded body's elbow turns about y alone"
        )
        assert (sign * elbow[:, 1]).min() > -0.16
        assert (sign * elbow[:, 1]).max() > 1.5
        assert sound.body_pose[:, BODY_JOINTS.index(f"{side}_knee") - 1, 0].min() > -0.21


@needs_mocap
def test_zero_angles_are_the_rest_pose() -> None:
    still = np.tile(np.eye(3), (2, len(clips()[0].skeleton.names), 1, 1))
    clip = dataclasses.replace(clips()[0], rotations=still, translation=clips()[0].translation[:2])
    poses = retarget(clip, rest_joints())
    loud = ("hip", "shoulder", "knee", "wrist", "ankle")
    quiet = [j for j, name in enumerate(BODY_JOINTS[1:]) if not name.endswith(loud)]
    assert np.abs(poses.body_pose[0, quiet]).max() < 1e-3
    # the wrist carries the 30 degrees between elbow axis and palm
    assert np.abs(poses.body_pose).max() < 0.6


@needs_mocap
def test_held_out_subjects_are_sound() -> None:
    poses = heldout_poses(MOCAP, rest_joints())
    assert len(poses.body_pose) > 15000
    assert plausible(poses).all()
    assert sorted(HELD_OUT) == ["13", "14"]


def test_mirror_mirrors_joints() -> None:
    poses, rest = random_poses(5), rest_joints()
    swap = [
        BODY_JOINTS.index(n.replace("left", "?").replace("right", "left").replace("?", "right"))
        for n in BODY_JOINTS
    ]
    symmetric = rest.copy()
    symmetric[:22] = (rest[:22] + rest[swap] * [-1, 1, 1]) / 2
    there, back = (
        pose_joints(mirror(poses), symmetric),
        pose_joints(mirror(mirror(poses)), symmetric),
    )
    original = pose_joints(poses, symmetric)
    np.testing.assert_allclose(there, original[:, swap] * [-1, 1, 1], atol=1e-9)
    np.testing.assert_allclose(back, original, atol=1e-9)


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
