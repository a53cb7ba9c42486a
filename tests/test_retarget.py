"""Retargeting: hinges on their axes, rest poses, mirror."""

from __future__ import annotations

import dataclasses

import numpy as np
from mocap_data import clips, needs_mocap, random_poses, rest_joints

from smplifyx.data.mocap import plausible
from smplifyx.data.retarget import (
    BODY_JOINTS,
    concatenate,
    mirror,
    pose_joints,
    retarget,
)


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
