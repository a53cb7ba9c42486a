"""The one place with joint indices: the skeletons of SMPL-X, SMPL-H and SMPL, built from names."""

from __future__ import annotations

import functools
from enum import Enum
from types import MappingProxyType


class BodyKind(Enum):
    """The families of body models, told apart by their number of joints."""

    SMPLX = "smplx"
    SMPLH = "smplh"
    SMPL = "smpl"


# The order of each table is the order of the joints, as the published models have them.
_BODY_PARENTS = {
    "pelvis": None,
    "left_hip": "pelvis", "right_hip": "pelvis", "spine1": "pelvis",
    "left_knee": "left_hip", "right_knee": "right_hip", "spine2": "spine1",
    "left_ankle": "left_knee", "right_ankle": "right_knee", "spine3": "spine2",
    "left_foot": "left_ankle", "right_foot": "right_ankle",
    "neck": "spine3", "left_collar": "spine3", "right_collar": "spine3",
    "head": "neck", "left_shoulder": "left_collar", "right_shoulder": "right_collar",
    "left_elbow": "left_shoulder", "right_elbow": "right_shoulder",
    "left_wrist": "left_elbow", "right_wrist": "right_elbow",
}  # fmt: skip
_FACE_PARENTS = {"jaw": "head", "left_eye_smplhf": "head", "right_eye_smplhf": "head"}
_SMPL_HAND_PARENTS = {"left_hand": "left_wrist", "right_hand": "right_wrist"}
_SKELETON_FINGERS = ("index", "middle", "pinky", "ring", "thumb")  # not the order of the detectors


def _finger_parents(side: str) -> dict[str, str]:
    """Three joints a finger, from the wrist outwards."""
    parents: dict[str, str] = {}
    for finger in _SKELETON_FINGERS:
        parent = f"{side}_wrist"
        for number in (1, 2, 3):
            child = f"{side}_{finger}{number}"
            parents[child] = parent
            parent = child
    return parents


_HAND_PARENTS = _finger_parents("left") | _finger_parents("right")
_PARENT_NAMES = MappingProxyType({
    BodyKind.SMPLX: _BODY_PARENTS | _FACE_PARENTS | _HAND_PARENTS,
    BodyKind.SMPLH: _BODY_PARENTS | _HAND_PARENTS,
    BodyKind.SMPL: _BODY_PARENTS | _SMPL_HAND_PARENTS,
})  # fmt: skip

JOINT_NAMES: tuple[str, ...] = tuple(_PARENT_NAMES[BodyKind.SMPLX])
BODY_POSE_JOINTS = JOINT_NAMES[1:22]  # the joints of `BodyParams.body_pose`
JOINT_INDEX = MappingProxyType({name: i for i, name in enumerate(JOINT_NAMES)})


def joint_names(kind: BodyKind) -> tuple[str, ...]:
    """The joints of a model in its own order: 55 for SMPL-X, 52 for SMPL-H, 24 for SMPL."""
    return tuple(_PARENT_NAMES[kind])


def parents(kind: BodyKind) -> tuple[int, ...]:
    """The parent of every joint of `joint_names(kind)`, -1 for the root."""
    names = joint_names(kind)
    parent_names = _PARENT_NAMES[kind].values()
    return tuple(-1 if parent is None else names.index(parent) for parent in parent_names)


@functools.cache
def pose_index(kind: BodyKind) -> tuple[int, ...]:
    """For every joint of the model, its place in `BodyParams.full_pose()` (0..54), or -1 for a
    joint that never turns.

    SMPL's two hand joints stand for whole hands and have no place there.
    """
    return tuple(JOINT_INDEX.get(name, -1) for name in joint_names(kind))


@functools.cache
def levels(parents: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The joints by their distance from the root: a level needs only the level before it.

    `parents` may come in any order, -1 for the root.
    """
    found: list[tuple[int, ...]] = []
    above = {-1}
    while above:
        level = tuple(joint for joint, parent in enumerate(parents) if parent in above)
        if level:
            found.append(level)
        above = set(level)
    return tuple(found)


def sideless(name: str) -> str:
    """A joint's name without its side."""
    return name.removeprefix("left_").removeprefix("right_")
