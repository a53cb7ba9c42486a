"""How far retargeted poses stray from the BVH figure they came from."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from .bvh import Clip, forward_kinematics
from .retarget import BODY_JOINTS, PARENTS, LimbRest, pose_joints, retarget

# SMPL-X joint: the BVH joint in the same place (spine joints have no counterpart)
COUNTERPARTS = {
    "neck": "neck",
    "head": "head",
    "left_hip": "lThigh",
    "left_knee": "lShin",
    "left_ankle": "lFoot",
    "left_foot": "lFoot_end",
    "left_shoulder": "lShldr",
    "left_elbow": "lForeArm",
    "left_wrist": "lHand",
    "right_hip": "rThigh",
    "right_knee": "rShin",
    "right_ankle": "rFoot",
    "right_foot": "rFoot_end",
    "right_shoulder": "rShldr",
    "right_elbow": "rForeArm",
    "right_wrist": "rHand",
}
# joints of the trunk that take the place of a joint of the figure which is not quite theirs
TRUNK = {
    "spine1": "abdomen",
    "spine2": "abdomen",
    "spine3": "chest",
    "left_collar": "lCollar",
    "right_collar": "rCollar",
}
LIMB_ENDS = ("knee", "ankle", "elbow", "wrist")


def figure_joints(clip: Clip) -> Float[NDArray, "frames matched 3"]:
    """Positions of the joints in `COUNTERPARTS` in the BVH figure, from the hip, in the file's
    length unit.
    """
    skeleton = clip.skeleton
    _, position = forward_kinematics(clip.rotations[1:], skeleton.offsets, skeleton.parents)
    matched = [skeleton.names.index(name) for name in COUNTERPARTS.values()]
    return position[:, matched] - position[:, :1]


def figure_skeleton(
    clip: Clip, rest_joints: Float[NDArray, "joints 3"]
) -> Float[NDArray, "joints 3"]:
    """The SMPL-X skeleton with the figure's trunk and bone lengths, its limbs resting in SMPL-X's
    directions.
    """
    figure = _rest_positions(clip)
    rest = rest_joints.copy()
    rest[: len(BODY_JOINTS)] = 0.0
    for joint, name in enumerate(BODY_JOINTS[1:], 1):
        parent = PARENTS[joint]
        if name.endswith(LIMB_ENDS):
            bone = figure[COUNTERPARTS[name]] - figure[COUNTERPARTS[BODY_JOINTS[parent]]]
            direction = rest_joints[joint] - rest_joints[parent]
            unit = direction / np.linalg.norm(direction)
            rest[joint] = rest[parent] + unit * np.linalg.norm(bone)
        elif name.endswith("foot"):
            ankle = COUNTERPARTS[name.replace("foot", "ankle")]
            rest[joint] = rest[parent] + figure[COUNTERPARTS[name]] - figure[ankle]
        else:
            place = TRUNK.get(name) or COUNTERPARTS[name]
            rest[joint] = figure[place]
    return rest


def joint_errors(
    clip: Clip,
    skeleton: Float[NDArray, "joints 3"],
    rest_joints: Float[NDArray, "joints 3"],
    limbs: LimbRest,
) -> dict[str, Float[NDArray, " frames"]]:
    """Distance of each matched joint from the figure's, in the figure's unit.

    The pose is retargeted to `rest_joints` and put on `skeleton`, which is scaled (one scale for
    the clip) about the pelvis to lie as near as it can.
    """
    poses = retarget(clip, rest_joints, limbs)
    from_pelvis = pose_joints(poses, skeleton) - skeleton[0]
    matched = [BODY_JOINTS.index(joint) for joint in COUNTERPARTS]
    ours = from_pelvis[:, matched]
    figure = figure_joints(clip)
    scale = np.sum(figure * ours) / np.sum(ours * ours)
    distance = np.linalg.norm(scale * ours - figure, axis=-1)
    return {joint: distance[:, index] for index, joint in enumerate(COUNTERPARTS)}


def _rest_positions(clip: Clip) -> dict[str, Float[NDArray, " 3"]]:
    """Where the figure's joints are at zero angles."""
    skeleton = clip.skeleton
    identity = np.tile(np.eye(3), (1, len(skeleton.names), 1, 1))
    _, positions = forward_kinematics(identity, skeleton.offsets, skeleton.parents)
    return dict(zip(skeleton.names, positions[0], strict=True))
