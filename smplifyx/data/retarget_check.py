"""How far retargeted poses stray from the BVH figure they came from."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from .bvh import Clip, forward_kinematics
from .retarget import BODY_JOINTS, PARENTS, LimbRest, pose_joints, retarget

# SMPL-X joint: the BVH joint in the same place (spine joints have no counterpart)
COUNTERPARTS = {"neck": "neck", "head": "head"} | {
    f"{side}_{joint}": side[0] + name
    for side in ("left", "right")
    for joint, name in (("hip", "Thigh"), ("knee", "Shin"), ("ankle", "Foot"), ("foot", "Foot_end"),
                        ("shoulder", "Shldr"), ("elbow", "ForeArm"), ("wrist", "Hand"))
}  # fmt: skip


def figure_joints(clip: Clip) -> Float[NDArray, "frames matched 3"]:
    """Positions of the joints in `COUNTERPARTS` in the BVH figure, from the hip, in the file's
    length unit.
    """
    _, position = forward_kinematics(
        clip.rotations[1:], clip.skeleton.offsets, clip.skeleton.parents
    )
    names = clip.skeleton.names
    return position[:, [names.index(bvh) for bvh in COUNTERPARTS.values()]] - position[:, :1]


def figure_skeleton(
    clip: Clip, rest_joints: Float[NDArray, "joints 3"]
) -> Float[NDArray, "joints 3"]:
    """The SMPL-X skeleton with the figure's trunk and bone lengths, its limbs resting in SMPL-X's
    directions.
    """
    figure = dict(zip(clip.skeleton.names, _rest_positions(clip), strict=True))
    rest = rest_joints.copy()
    rest[:22] = 0.0
    trunk = {"spine1": "abdomen", "spine2": "abdomen", "spine3": "chest"} | COUNTERPARTS
    for joint, name in enumerate(BODY_JOINTS[1:], 1):
        parent = PARENTS[joint]
        if name.endswith(("knee", "ankle", "elbow", "wrist")):
            direction = rest_joints[joint] - rest_joints[parent]
            length = np.linalg.norm(
                figure[COUNTERPARTS[name]] - figure[COUNTERPARTS[BODY_JOINTS[parent]]]
            )
            rest[joint] = rest[parent] + direction / np.linalg.norm(direction) * length
        elif name.endswith("foot"):
            rest[joint] = rest[parent] + figure[COUNTERPARTS[name]] - figure[name[0] + "Foot"]
        else:
            rest[joint] = figure[trunk.get(name, name[0] + "Collar")]
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
    rows = [BODY_JOINTS.index(joint) for joint in COUNTERPARTS]
    poses = retarget(clip, rest_joints, limbs)
    ours = pose_joints(poses, skeleton) - skeleton[0]
    figure, ours = figure_joints(clip), ours[:, rows]
    scale = np.sum(figure * ours) / np.sum(ours * ours)
    distance = np.linalg.norm(scale * ours - figure, axis=-1)
    return {joint: distance[:, i] for i, joint in enumerate(COUNTERPARTS)}


def _rest_positions(clip: Clip) -> NDArray:
    identity = np.tile(np.eye(3), (1, len(clip.skeleton.names), 1, 1))
    return forward_kinematics(identity, clip.skeleton.offsets, clip.skeleton.parents)[1][0]
