"""Where a body pose puts the 22 joints of the body: what the losses and figures of training measure
in metres.
"""

from __future__ import annotations

import itertools
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ..body.joints import JOINT_INDEX, BodyKind, levels, parents
from ..core import assets

PARENTS = parents(BodyKind.SMPLX)[:22]
LEVELS = levels(PARENTS)  # joints as far from the pelvis as each other
# the joints level by level, which is the order they are walked in, and how to undo that order
WALKED = tuple(joint for level in LEVELS for joint in level)
BACK = tuple(WALKED.index(joint) for joint in range(len(WALKED)))
# Metres from a joint that ends a limb, in the axes of the T-pose: the knuckles, the brow, the big
# toe. Off every axis that the joint turns about, so that each turn moves the point.
ENDS = MappingProxyType({
    JOINT_INDEX["head"]: (0.0, 0.10, 0.10), JOINT_INDEX["left_wrist"]: (0.12, 0.0, 0.05),
    JOINT_INDEX["right_wrist"]: (-0.12, 0.0, 0.05), JOINT_INDEX["left_foot"]: (0.0, 0.0, 0.07),
    JOINT_INDEX["right_foot"]: (0.0, 0.0, 0.07),
})  # fmt: skip


def resting_joints() -> Float[NDArray, "55 3"]:
    """The joints of the embedded neutral body at rest, metres."""
    with np.load(assets.folder("priors") / "bodies" / "neutral.npz") as body:
        return (body["J_regressor"] @ body["v_template"]).astype(np.float64)


def joint_positions(
    poses: Float[Tensor, "*batch 21 3 3"], rest: Float[Tensor, "22 3"]
) -> Float[Tensor, "*batch 22 3"]:
    """The joints in metres for parent-frame rotations of the 21 joints below the pelvis, which
    stays as it rests.
    """
    _, positions = _walk(poses, rest)
    return positions


def joints_and_ends(
    poses: Float[Tensor, "*batch 21 3 3"], rest: Float[Tensor, "22 3"]
) -> Float[Tensor, "*batch 27 3"]:
    """The joints, then the points `ENDS`, which show how head, hands and toes are turned."""
    orientations, positions = _walk(poses, rest)
    ending = list(ENDS)
    offsets = rest.new_tensor(list(ENDS.values()))[..., None]
    turned = (orientations[..., ending, :, :] @ offsets)[..., 0]
    ends = positions[..., ending, :] + turned
    return torch.cat([positions, ends], -2)


def _walk(
    poses: Float[Tensor, "*batch 21 3 3"], rest: Float[Tensor, "22 3"]
) -> tuple[Float[Tensor, "*batch 22 3 3"], Float[Tensor, "*batch 22 3"]]:
    """The orientation of each joint in the pelvis' frame, and its position, metres.

    Level by level from the pelvis outwards: all joints of a level in one product.
    """
    batch = poses.shape[:-3]
    identity = torch.eye(3, dtype=poses.dtype, device=poses.device)
    orientations = [identity.expand(*batch, 1, 3, 3)]  # one tensor for each level
    positions = [rest[:1].expand(*batch, 1, 3)]
    for above, level in itertools.pairwise(LEVELS):
        level_parents = [PARENTS[joint] for joint in level]
        place_above = [above.index(parent) for parent in level_parents]
        parent_orientation = orientations[-1][..., place_above, :, :]
        parent_position = positions[-1][..., place_above, :]
        bones = rest[list(level)] - rest[level_parents]
        positions.append((parent_orientation @ bones[..., None])[..., 0] + parent_position)
        own = poses[..., [joint - 1 for joint in level], :, :]  # the pelvis is not in a pose
        orientations.append(parent_orientation @ own)
    return torch.cat(orientations, -3)[..., BACK, :, :], torch.cat(positions, -2)[..., BACK, :]
