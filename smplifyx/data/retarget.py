"""CMU motion capture (BVH conversion by B. Hahne, 43 joints) as SMPL-X poses.

Both skeletons rest in a T-pose with x to the left, y up, z forward, but their bones rest in
different directions. If A_j turns the SMPL-X rest bone j onto the BVH one, then W_j A_j is the
SMPL-X bone's world rotation for the BVH world rotation W_j, and A_parent^T R_j A_j its local one.

The figure of the BVH files draws the forearm 17 degrees forward of the upper arm and the shin 8
degrees back at zero angle. The joint axes tell another story: the elbow turns about an axis exactly
perpendicular to the arm axis `ARM`, the hand twists exactly about `ARM`, and subject 03's elbow
rests exactly at zero, its mechanical stop. So zero means straight, and the figure shows every arm
17 degrees too bent (its boxers never stretch an elbow below 28 degrees). `LimbRest.HINGE` follows
the axes; `LimbRest.FIGURE` follows the drawn skeleton, against whose joint positions the
retargeting is verified (`retarget_check.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..body.joints import JOINT_INDEX, JOINT_NAMES, BodyKind, parents
from .bvh import Clip, Skeleton, forward_kinematics

BODY_JOINTS = JOINT_NAMES[:22]  # the pelvis and the 21 joints of `body_pose`
PARENTS = parents(BodyKind.SMPLX)[:22]

# the left arm's axis at zero angle; the right: x negated
ARM = np.array([0.990268, -0.139173, 0.0])
# the left elbow's axis (flexes for negative angles); the right: x negated
ELBOW = np.array([0.120527, 0.857597, -0.5])


class LimbRest(Enum):
    """What the limbs look like at zero angle: as the joint axes say (straight), or as the BVH
    figure is drawn.
    """

    HINGE = "hinge"
    FIGURE = "figure"


@dataclass(frozen=True)
class Poses:
    """SMPL-X poses of T frames: `body_pose` [T, 21, 3] and `global_orient` [T, 3], axis-angle in
    radians, y up.
    """

    global_orient: Float[NDArray, "frames 3"]
    body_pose: Float[NDArray, "frames 21 3"]

    def __getitem__(self, index: object) -> Poses:
        return Poses(self.global_orient[index], self.body_pose[index])


@dataclass(frozen=True)
class _Source:
    """Where a SMPL-X joint takes its world rotation: `share` of the way from the BVH joint `first`
    to `second`.
    """

    first: str
    second: str
    share: float = 1.0


def _sources() -> dict[str, _Source]:
    """The figure's trunk bends at two joints and its neck at two.

    Spine1 and spine2 share the lower one, neck and head what lies between chest and head, so that
    no SMPL-X joint is stiff only because the figure lacks it.
    """
    table = {
        "pelvis": _Source("hip", "hip"),
        "spine1": _Source("hip", "abdomen", 0.5),
        "spine2": _Source("hip", "abdomen"),
        "spine3": _Source("hip", "chest"),
        "neck": _Source("chest", "head", 0.5),
        "head": _Source("chest", "head"),
    }
    limbs = {
        "hip": "Thigh",
        "knee": "Shin",
        "ankle": "Foot",
        "foot": "Foot",
        "collar": "Collar",
        "shoulder": "Shldr",
        "elbow": "ForeArm",
        "wrist": "Hand",
    }
    for side in ("left", "right"):
        table |= {
            f"{side}_{joint}": _Source("hip", side[0] + name) for joint, name in limbs.items()
        }
    return table


def retarget(
    clip: Clip, rest_joints: Float[NDArray, "joints 3"], limbs: LimbRest = LimbRest.HINGE
) -> Poses:
    """The clip on a SMPL-X skeleton that rests at `rest_joints` [>= 55, 3] (metres), without its
    first frame (T-pose).

    Collars and toes do not move in this mocap: their rotations are zero.
    """
    world, _ = forward_kinematics(clip.rotations[1:], clip.skeleton.offsets, clip.skeleton.parents)
    sources, aligned = _sources(), _alignments(clip.skeleton, rest_joints, limbs)
    names = clip.skeleton.names
    turned = [
        _between(world, names, sources[joint]) @ aligned.get(joint, np.eye(3))
        for joint in BODY_JOINTS
    ]
    local = [turned[0]] + [
        turned[p].swapaxes(-1, -2) @ turned[j] for j, p in enumerate(PARENTS) if p >= 0
    ]
    rotvec = (
        Rotation.from_matrix(np.stack(local, 1).reshape(-1, 3, 3))
        .as_rotvec()
        .reshape(len(world), -1, 3)
    )
    return Poses(rotvec[:, 0], rotvec[:, 1:])


def mirror(poses: Poses) -> Poses:
    """The poses seen in a mirror: left and right swapped, x kept and y, z negated of every
    axis-angle.
    """
    swap = [BODY_JOINTS.index(_other_side(name)) - 1 for name in BODY_JOINTS[1:]]
    sign = np.array([1.0, -1.0, -1.0])
    return Poses(poses.global_orient * sign, poses.body_pose[:, swap] * sign)


def concatenate(parts: list[Poses]) -> Poses:
    """Many sets of poses as one."""
    return Poses(
        np.concatenate([p.global_orient for p in parts]),
        np.concatenate([p.body_pose for p in parts]),
    )


def pose_joints(
    poses: Poses, rest_joints: Float[NDArray, "joints 3"]
) -> Float[NDArray, "frames 22 3"]:
    """Positions of the 22 body joints, the pelvis at its place at rest (metres)."""
    rotvec = np.concatenate([poses.global_orient[:, None], poses.body_pose], 1)
    local = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix().reshape(*rotvec.shape, 3)
    rest = rest_joints[: len(PARENTS)]
    offsets = rest - np.where(np.array(PARENTS)[:, None] >= 0, rest[list(PARENTS)], 0.0)
    return forward_kinematics(local, offsets, PARENTS)[1]


def _other_side(name: str) -> str:
    return name.replace("left", "?").replace("right", "left").replace("?", "right")


def _between(world: NDArray, names: tuple[str, ...], source: _Source) -> NDArray:
    first, second = world[:, names.index(source.first)], world[:, names.index(source.second)]
    turn = Rotation.from_matrix(first.swapaxes(-1, -2) @ second)
    return first @ Rotation.from_rotvec(source.share * turn.as_rotvec()).as_matrix()


def _alignments(skeleton: Skeleton, rest: NDArray, limbs: LimbRest) -> dict[str, NDArray]:
    """A_j of the limbs; trunk, head, collars and feet rest alike (upright, looking forward, soles
    flat).
    """
    table = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        mirrored = np.array([sign, 1.0, 1.0])
        up, right, elbow = np.array([0, 1.0, 0]), np.array([-1.0, 0, 0]), ELBOW * mirrored
        arm, leg = ARM * mirrored, np.array([0, -1.0, 0])
        # joint: the joint at its bone's end (SMPL-X, BVH), zero direction, second axis (SMPL-X,
        # BVH)
        bones = {"shoulder": ("elbow", "ForeArm", arm, up, elbow), "elbow": ("wrist", "Hand", arm, up, elbow),
                 "wrist": ("middle1", "Mid1", arm, up, up), "hip": ("knee", "Shin", leg, right, right),
                 "knee": ("ankle", "Foot", leg, right, right)}  # fmt: skip
        for joint, (end, bvh_end, zero, axis, bvh_axis) in bones.items():
            bone = rest[JOINT_INDEX[f"{side}_{end}"]] - rest[JOINT_INDEX[f"{side}_{joint}"]]
            drawn = skeleton.offsets[skeleton.names.index(side[0] + bvh_end)]
            target = zero if limbs is LimbRest.HINGE else drawn
            table[f"{side}_{joint}"] = _frame(target, bvh_axis) @ _frame(bone, axis).T
    return table


def _frame(direction: NDArray, second: NDArray) -> NDArray:
    """The orthonormal frame (columns) whose first axis is `direction` and whose second lies nearest
    to `second`.
    """
    x = direction / np.linalg.norm(direction)
    y = second - (second @ x) * x
    y = y / np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], -1)
