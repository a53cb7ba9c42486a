"""From what moves bones and shape to the unknowns that a solver moves: index tables, worked out
once per stage.

Four index spaces meet here: a body's joints among the 55 of `BodyParams.full_pose`; the bones of a
point model (the joints that move any of its points, parents first); the angles of a block of
unknowns (three for each of its joints); and the places of x, the vector that a solver moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from ..body.params import POSE_ROWS
from ..config import Block
from .point_model import PointModel

# Where the joints that each rotation block turns sit in BodyParams.full_pose().
JOINTS_OF = MappingProxyType(
    {
        Block.GLOBAL_ORIENT: POSE_ROWS["global_orient"],
        Block.BODY: POSE_ROWS["body_pose"],
        Block.JAW: POSE_ROWS["jaw_pose"],
        Block.LEYE: POSE_ROWS["leye_pose"],
        Block.REYE: POSE_ROWS["reye_pose"],
        Block.LEFT_HAND: POSE_ROWS["left_hand_pose"],
        Block.RIGHT_HAND: POSE_ROWS["right_hand_pose"],
    }
)
# The blocks in the order of their joints in the full pose.
TURNING_BLOCKS = tuple(sorted(JOINTS_OF, key=lambda block: JOINTS_OF[block].start))


@dataclass(frozen=True, eq=False)
class BoneOrder:
    """How the bones of a point model get their rotations: from axis-angles and from what the pose
    prior decodes.

    Put side by side: an axis-angle of zero, for bones that never turn; the angles of each of
    `blocks`. Entries `turned` of these are made into matrices. Behind the matrices come the 21 that
    the pose prior decodes, unless its latent is joint angles too, which are among `blocks` then.
    `order` puts all matrices in the order of the bones.
    """

    blocks: tuple[Block, ...]
    turned: Tensor  # [turned]
    order: Tensor  # [bones]

    @classmethod
    def of(cls, joints: Sequence[int], decoded: bool, device: torch.device) -> BoneOrder:
        """For bones given as joints of the full pose, -1 for one that never turns.

        decoded: whether the pose prior decodes the body's joints, not from angles of their own.
        """
        by_prior = POSE_ROWS["body_pose"] if decoded else range(0)
        by_angles = set(joints) - set(by_prior)
        blocks = tuple(b for b in TURNING_BLOCKS if by_angles.intersection(JOINTS_OF[b]))
        listed = [
            -1
        ]  # the joint of each axis-angle, in the order in which they are put side by side
        for block in blocks:
            listed.extend(JOINTS_OF[block])
        turned = [listed.index(joint) for joint in joints if joint not in by_prior]
        order = []
        turned_so_far = 0
        for joint in joints:
            if joint in by_prior:
                order.append(len(turned) + joint - by_prior.start)
            else:
                order.append(turned_so_far)
                turned_so_far += 1
        return cls(blocks, torch.tensor(turned, device=device), torch.tensor(order, device=device))


@dataclass(frozen=True)
class Moving:
    """What a stage's free unknowns move in a point model: some bones, some shape directions."""

    bones: tuple[int, ...]  # bones that a free block turns, in order
    shapes: Mapping[int, int]  # shape direction (betas, then expression) -> its place in x

    @classmethod
    def of(cls, model: PointModel, slices: Mapping[Block, slice], betas: int) -> Moving:
        """slices: where each free block lies in x; betas: how many the body has."""
        joints = sorted(
            joint for block in slices for joint in JOINTS_OF.get(block, ()) if joint in model.joints
        )
        bones = tuple(model.joints.index(joint) for joint in joints)
        shapes: dict[int, int] = {}
        for block, first_direction in ((Block.BETAS, 0), (Block.EXPRESSION, betas)):
            if block in slices:
                for offset, place in enumerate(range(slices[block].start, slices[block].stop)):
                    shapes[first_direction + offset] = place
        return cls(bones, shapes)


@dataclass(frozen=True)
class BlockTurns:
    """Of the turns of some bones, those that one block of unknowns makes."""

    block: Block
    angles: tuple[int, ...]  # which of the block's angles, three for each joint
    where: slice  # of the columns of turns


def turns_of(
    model: PointModel, bones: Sequence[int], free: Sequence[Block]
) -> tuple[BlockTurns, ...]:
    """The blocks that turn these bones.

    A bone has three columns; the bones of one block are neighbours.
    """
    joints = [model.joints[bone] for bone in bones]
    found = []
    for block in TURNING_BLOCKS:
        if block not in free:
            continue
        own = [place for place, joint in enumerate(joints) if joint in JOINTS_OF[block]]
        if not own:
            continue
        first_joint = JOINTS_OF[block].start
        angles = tuple(
            3 * (joints[place] - first_joint) + axis for place in own for axis in range(3)
        )
        found.append(BlockTurns(block, angles, slice(3 * own[0], 3 * own[-1] + 3)))
    return tuple(found)
