"""Whole hands: recorded points to the 45 finger angles of SMPL-X's left hand, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from priors.recipes.bodies.hands import FINGERS as SKELETON_FINGERS  # the order of SMPL-X
from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.keypoints import names

from .kinematics import Chain, finger_points, solve
from .recordings import ERROR, FINGERS, Recordings


@dataclass(frozen=True)
class HandPoses:
    """Poses of n left hands: axis-angle [n, 45] in radians; `off` [n, 5, 3] the distance in mm from
    the recorded second joint, third joint and tip of each finger (thumb first); `error` [n] the
    mean of all with the palm's."""

    pose: np.ndarray
    off: np.ndarray
    error: np.ndarray


def hand_at_rest(body: BodyModel) -> np.ndarray:
    """The body's left hand at rest, wrist at the origin, [21, 3] in mm: what turns are the joints,
    whatever points a detector looks at; the tips are the detector's.
    """
    points = skinning.points(body, BodyParams.zeros((), 0, 0, like=body.v_template))
    hand = points[names.LEFT_HAND].double().numpy()
    joints = body.joint_template.double().numpy()
    hand[0] = joints[JOINT_INDEX["left_wrist"]]
    for finger, name in enumerate(FINGERS):
        for number in (1, 2, 3):
            hand[4 * finger + number] = joints[JOINT_INDEX[f"left_{name}{number}"]]
    return 1000 * (hand - hand[0])


def solve_hands(
    recordings: Recordings, rest: np.ndarray, shapes: list[np.ndarray] | None = None
) -> tuple[HandPoses, list[np.ndarray]]:
    """Inverse kinematics of recordings onto the body's left hand at rest [21, 3]; also the axes of
    the five fingers.

    Pass the `shapes` that precise recordings gave when solving imprecise ones.
    """
    pose = np.zeros((len(recordings.points), 15, 3))
    off, found = np.zeros((len(pose), 5, 3)), []
    for finger, name in enumerate(FINGERS):
        points = recordings.points[:, finger_points(finger)]
        # The thumb's first joint moves with the wrist bones in life, not in SMPL-X: there it stays
        # at its mean place.
        base = points[:, :1] if finger else points[:, :1].mean(0, keepdims=True)
        chain = Chain.at_rest(rest, finger)
        turns, shape, off[:, finger] = solve(
            chain, points[:, 1:] - base, ERROR[recordings.source], shapes and shapes[finger]
        )
        pose[:, rows_of(name)] = np.stack([turn.as_rotvec() for turn in turns], 1)
        found.append(shape)
    error = np.append(off.reshape(len(off), 15), recordings.palm_error[:, None], 1).mean(1)
    return HandPoses(pose.reshape(-1, 45), off, error), found


def rows_of(finger: str) -> slice:
    """The three joints of a finger among SMPL-X's 15."""
    start = 3 * SKELETON_FINGERS.index(finger)
    return slice(start, start + 3)


def finger_positions(pose: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Forward kinematics: the 20 finger points [n, 20, 3] of left hands [n, 45], palm fixed, in the
    units of `rest`.
    """
    joints, out = pose.reshape(-1, 15, 3), []
    for finger, name in enumerate(FINGERS):
        points, world = rest[finger_points(finger)], Rotation.identity()
        place = np.broadcast_to(points[0], (len(joints), 3))
        out.append(place)
        for i, bone in enumerate(np.diff(points, axis=0)):
            world = world * Rotation.from_rotvec(joints[:, rows_of(name).start + i])
            place = place + world.apply(bone)
            out.append(place)
    return np.stack(out, 1)
