"""Poses by which a prior is judged: rare ones told apart by simple rules, and turns that the
recordings lack.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body.joints import JOINT_INDEX
from ..core import rotations
from .contract import Reconstructs
from .skeleton import joint_positions

# Radians about the joint's own axes: what the recordings hardly show, and photos do.
TURNS = MappingProxyType({
    "head_bowed": {"neck": (0.35, 0, 0), "head": (0.35, 0, 0)},
    "head_turned": {"neck": (0, 0.4, 0), "head": (0, 0.4, 0)},
    "shoulders_raised": {"left_collar": (0, 0, 0.3), "right_collar": (0, 0, -0.3)},
    "chest_bent": {"spine3": (0.25, 0, 0)},
    "wrists_flexed": {"left_wrist": (0, 0, -0.5), "right_wrist": (0, 0, 0.5)},
    "toes_bent": {"left_foot": (-0.3, 0, 0), "right_foot": (-0.3, 0, 0)},
})  # fmt: skip


class PoseClass(Enum):
    """Classes of poses; a pose may be of several or of none."""

    # thighs less than 25 degrees from hanging, knees bent less than 30, wrists below shoulders
    STANDING = "standing"
    SITTING = "sitting"  # both thighs more than 55 degrees from hanging, both knees bent 45 to 110
    # both thighs more than 45 degrees from hanging, both knees bent more than 80
    CROUCHING = "crouching"
    ARMS_OVERHEAD = "arms_overhead"  # both wrists above the head joint


def classify(
    poses: Float[Tensor, "poses 21 3 3"], rest_joints: Float[Tensor, "22 3"]
) -> dict[PoseClass, Bool[Tensor, " poses"]]:
    """Which poses are of each class. Thighs are measured against the pelvis, heights along it."""
    # y is up along the pelvis, which a body pose does not turn
    heights = joint_positions(poses, rest_joints)[..., 1]  # [poses, joints], metres

    def both(joint: str) -> list[int]:
        return [JOINT_INDEX[f"left_{joint}"], JOINT_INDEX[f"right_{joint}"]]

    # All [poses, 2]: left and right. A body pose begins below the pelvis, hence joint - 1.
    thigh = _degrees_from_hanging(poses[:, [joint - 1 for joint in both("hip")]])
    bend = _degrees(poses[:, [joint - 1 for joint in both("knee")]])
    wrists = heights[:, both("wrist")]
    shoulders = heights[:, both("shoulder")]
    head = heights[:, JOINT_INDEX["head"], None]

    standing = (thigh < 25) & (bend < 30) & (wrists < shoulders)
    sitting = (thigh > 55) & (bend > 45) & (bend < 110)
    crouching = (thigh > 45) & (bend > 80)
    return {
        PoseClass.STANDING: standing.all(1),
        PoseClass.SITTING: sitting.all(1),
        PoseClass.CROUCHING: crouching.all(1),
        PoseClass.ARMS_OVERHEAD: (wrists > head).all(1),
    }


def kept_turns(prior: Reconstructs, poses: Float[Tensor, "poses 21 3 3"]) -> dict[str, float]:
    """Of each turn of `TURNS`, put on top of these poses, the mean share that is left after the
    latent: 1 is all.
    """
    before = rotations.log(prior.reconstruct(poses))  # [poses, 21, 3]
    kept: dict[str, float] = {}
    for name, turns in TURNS.items():
        asked = torch.zeros_like(before[0])
        for joint, angles in turns.items():
            asked[JOINT_INDEX[joint] - 1] = asked.new_tensor(angles)
        after = rotations.log(prior.reconstruct(poses @ rotations.exp(asked)))
        # the part of the change that is along the turn, in units of the turn
        along = ((after - before) * asked).sum((-1, -2))
        kept[name] = float(along.mean() / asked.square().sum())
    return kept


def _degrees_from_hanging(hip: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """Between the thigh and straight down."""
    return torch.rad2deg(torch.acos(hip[..., 1, 1].clamp(-1, 1)))


def _degrees(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """How far a joint is turned in all."""
    return torch.rad2deg(rotations.log(rotation).norm(dim=-1))
