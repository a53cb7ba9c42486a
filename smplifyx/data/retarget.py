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
UP = np.array([0, 1.0, 0])
DOWN = np.array([0, -1.0, 0])
RIGHT = np.array([-1.0, 0, 0])


class LimbRest(Enum):
    """What the limbs look like at zero angle.

    HINGE: as the joint axes say, straight.
    FIGURE: as the BVH figure is drawn.
    """

    HINGE = "hinge"
    FIGURE = "figure"


@dataclass(frozen=True)
class Poses:
    """SMPL-X poses of T frames, axis-angle in radians, y up.

    global_orient: [T, 3].
    body_pose: [T, 21, 3].
    """

    global_orient: Float[NDArray, "frames 3"]
    body_pose: Float[NDArray, "frames 21 3"]

    def __getitem__(self, frames: slice | NDArray) -> Poses:
        """Some of the frames, by a slice, a mask or indices."""
        return Poses(self.global_orient[frames], self.body_pose[frames])


@dataclass(frozen=True)
class _Source:
    """Where a SMPL-X joint takes its world rotation: `share` of the way from the BVH joint `first`
    to `second`.
    """

    first: str
    second: str
    share: float = 1.0


@dataclass(frozen=True)
class _LimbBone:
    """A bone of a limb that rests in different directions in the two skeletons.

    end, bvh_end: the joints at the bone's end.
    zero: direction at zero angle, as the joint axes have it.
    second, bvh_second: the axes that the two bones' frames are turned to.
    """

    end: str
    bvh_end: str
    zero: Float[NDArray, " 3"]
    second: Float[NDArray, " 3"]
    bvh_second: Float[NDArray, " 3"]


# The figure's trunk bends at two joints and its neck at two. Spine1 and spine2 share the lower one,
# neck and head what lies between chest and head, so that no SMPL-X joint is stiff only because the
# figure lacks it.
_TRUNK_SOURCES = {
    "pelvis": _Source("hip", "hip"),
    "spine1": _Source("hip", "abdomen", 0.5),
    "spine2": _Source("hip", "abdomen"),
    "spine3": _Source("hip", "chest"),
    "neck": _Source("chest", "head", 0.5),
    "head": _Source("chest", "head"),
}
# SMPL-X joint to BVH joint, without their sides
_LIMB_SOURCES = {
    "hip": "Thigh",
    "knee": "Shin",
    "ankle": "Foot",
    "foot": "Foot",
    "collar": "Collar",
    "shoulder": "Shldr",
    "elbow": "ForeArm",
    "wrist": "Hand",
}


def retarget(
    clip: Clip, rest_joints: Float[NDArray, "joints 3"], limbs: LimbRest = LimbRest.HINGE
) -> Poses:
    """The clip on a SMPL-X skeleton that rests at `rest_joints` [>= 55, 3] (metres), without its
    first frame (T-pose).

    Collars and toes do not move in this mocap: their rotations are zero. Raises ValueError where
    the skeleton has not the joints that are looked for.
    """
    skeleton = clip.skeleton
    if not np.isfinite(clip.rotations).all():
        raise ValueError("rotations that are not finite")
    bvh_world, _ = forward_kinematics(clip.rotations[1:], skeleton.offsets, skeleton.parents)
    sources = _sources()
    alignments = _alignments(skeleton, rest_joints, limbs)
    world = []  # W_j A_j of each joint, [frames, 3, 3]
    for name in BODY_JOINTS:
        bvh_rotation = _rotation_between(bvh_world, skeleton.names, sources[name])
        world.append(bvh_rotation @ alignments.get(name, np.eye(3)))
    local = []
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            local.append(world[joint])
        else:
            local.append(world[parent].swapaxes(-1, -2) @ world[joint])
    rotations = np.stack(local, 1)  # [frames, joints, 3, 3]
    rotvec = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_rotvec()
    rotvec = rotvec.reshape(len(rotations), -1, 3)
    if not np.isfinite(rotvec).all():
        raise ValueError("bones without a direction")
    return Poses(global_orient=rotvec[:, 0], body_pose=rotvec[:, 1:])


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
        global_orient=np.concatenate([poses.global_orient for poses in parts]),
        body_pose=np.concatenate([poses.body_pose for poses in parts]),
    )


def pose_joints(
    poses: Poses, rest_joints: Float[NDArray, "joints 3"]
) -> Float[NDArray, "frames 22 3"]:
    """Positions of the 22 body joints, the pelvis at its place at rest (metres)."""
    rotvec = np.concatenate([poses.global_orient[:, None], poses.body_pose], 1)
    rotations = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix()
    local = rotations.reshape(*rotvec.shape, 3)  # [frames, joints, 3, 3]
    rest = rest_joints[: len(PARENTS)]
    offsets = rest.copy()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            offsets[joint] = rest[joint] - rest[parent]
    _, positions = forward_kinematics(local, offsets, PARENTS)
    return positions


def _sources() -> dict[str, _Source]:
    """Where each SMPL-X joint takes its world rotation."""
    sources = dict(_TRUNK_SOURCES)
    for side in ("left", "right"):
        for joint, bvh_joint in _LIMB_SOURCES.items():
            sources[f"{side}_{joint}"] = _Source("hip", side[0] + bvh_joint)
    return sources


def _other_side(name: str) -> str:
    if name.startswith("left"):
        return name.replace("left", "right")
    return name.replace("right", "left")


def _rotation_between(
    world: Float[NDArray, "frames joints 3 3"], names: tuple[str, ...], source: _Source
) -> Float[NDArray, "frames 3 3"]:
    """The world rotation on the way from one joint's to another's."""
    first = world[:, _index(names, source.first)]
    second = world[:, _index(names, source.second)]
    turn = Rotation.from_matrix(first.swapaxes(-1, -2) @ second)
    part = Rotation.from_rotvec(source.share * turn.as_rotvec())
    return first @ part.as_matrix()


def _index(names: tuple[str, ...], name: str) -> int:
    if name not in names:
        raise ValueError(f"no joint {name}")
    return names.index(name)


def _alignments(
    skeleton: Skeleton, rest_joints: Float[NDArray, "joints 3"], limbs: LimbRest
) -> dict[str, Float[NDArray, "3 3"]]:
    """A_j of the limbs; trunk, head, collars and feet rest alike (upright, looking forward, soles
    flat).
    """
    alignments = {}
    for side in ("left", "right"):
        for joint, bone in _limb_bones(side).items():
            start_place = rest_joints[JOINT_INDEX[f"{side}_{joint}"]]
            end_place = rest_joints[JOINT_INDEX[f"{side}_{bone.end}"]]
            drawn = skeleton.offsets[_index(skeleton.names, side[0] + bone.bvh_end)]
            bvh_direction = bone.zero if limbs is LimbRest.HINGE else drawn
            bvh_frame = _frame_along(bvh_direction, bone.bvh_second)
            frame = _frame_along(end_place - start_place, bone.second)
            alignments[f"{side}_{joint}"] = bvh_frame @ frame.T
    return alignments


def _limb_bones(side: str) -> dict[str, _LimbBone]:
    """The bones of one side's arm and leg, by the SMPL-X joint at which they begin."""
    mirrored = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
    arm = ARM * mirrored
    elbow = ELBOW * mirrored
    return {
        "shoulder": _LimbBone("elbow", "ForeArm", zero=arm, second=UP, bvh_second=elbow),
        "elbow": _LimbBone("wrist", "Hand", zero=arm, second=UP, bvh_second=elbow),
        "wrist": _LimbBone("middle1", "Mid1", zero=arm, second=UP, bvh_second=UP),
        "hip": _LimbBone("knee", "Shin", zero=DOWN, second=RIGHT, bvh_second=RIGHT),
        "knee": _LimbBone("ankle", "Foot", zero=DOWN, second=RIGHT, bvh_second=RIGHT),
    }


def _frame_along(
    direction: Float[NDArray, " 3"], second: Float[NDArray, " 3"]
) -> Float[NDArray, "3 3"]:
    """The orthonormal frame (columns) whose first axis is `direction` and whose second lies nearest
    to `second`.
    """
    x = direction / np.linalg.norm(direction)
    y = second - (second @ x) * x
    y = y / np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], -1)
