"""The one place with joint indices: the skeletons of SMPL-X, SMPL-H and SMPL, built from names."""

from __future__ import annotations

import functools
import itertools
from enum import Enum
from types import MappingProxyType


class BodyKind(Enum):
    """The families of body models, told apart by their number of joints."""

    SMPLX = "smplx"
    SMPLH = "smplh"
    SMPL = "smpl"


_BODY_PARENTS = {
    "pelvis": None, "left_hip": "pelvis", "right_hip": "pelvis", "spine1": "pelvis", "left_knee": "left_hip",
    "right_knee": "right_hip", "spine2": "spine1", "left_ankle": "left_knee", "right_ankle": "right_knee",
    "spine3": "spine2", "left_foot": "left_ankle", "right_foot": "right_ankle", "neck": "spine3",
    "left_collar": "spine3", "right_collar": "spine3", "head": "neck", "left_shoulder": "left_collar",
    "right_shoulder": "right_collar", "left_elbow": "left_shoulder", "right_elbow": "right_shoulder",
    "left_wrist": "left_elbow", "right_wrist": "right_elbow",
}  # fmt: skip
_FACE_PARENTS = {"jaw": "head", "left_eye_smplhf": "head", "right_eye_smplhf": "head"}
_SMPL_HAND_PARENTS = {"left_hand": "left_wrist", "right_hand": "right_wrist"}
_SKELETON_FINGERS = ("index", "middle", "pinky", "ring", "thumb")  # not the order of the detectors


def _finger_parents(side: str) -> dict[str, str]:
    chains = [
        [f"{side}_wrist"] + [f"{side}_{finger}{i}" for i in (1, 2, 3)]
        for finger in _SKELETON_FINGERS
    ]
    return {child: parent for chain in chains for parent, child in itertools.pairwise(chain)}


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
    return tuple(
        -1 if parent is None else names.index(parent) for parent in _PARENT_NAMES[kind].values()
    )


@functools.cache
def pose_index(kind: BodyKind) -> tuple[int, ...]:
    """For every joint of the model, its row in `BodyParams.full_pose()` (0..54), or -1 for a joint
    that never turns.

    SMPL's two hand joints stand for whole hands and have no row.
    """
    return tuple(JOINT_INDEX.get(name, -1) for name in joint_names(kind))


@functools.cache
def levels(parents: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The joints by their distance from the root: a level needs only the level before it."""
    depth = {-1: -1}
    while len(depth) <= len(parents):
        depth |= {j: depth[p] + 1 for j, p in enumerate(parents) if j not in depth and p in depth}
    return tuple(
        tuple(j for j in range(len(parents)) if depth[j] == d)
        for d in range(max(depth.values()) + 1)
    )


def sideless(name: str) -> str:
    """A joint's name without its side."""
    return name.removeprefix("left_").removeprefix("right_")
