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
    rotation: Float[Tensor, "poses 21 3 3"], rest_joints: Float[Tensor, "22 3"]
) -> dict[PoseClass, Bool[Tensor, " poses"]]:
    """Which poses are of each class. Thighs are measured against the pelvis, heights along it."""
    places = joint_positions(rotation, rest_joints)
    thigh = torch.stack(
        [_hanging(rotation[:, JOINT_INDEX[f"{side}_hip"] - 1]) for side in ("left", "right")], 1
    )
    bend = torch.stack(
        [_angle(rotation[:, JOINT_INDEX[f"{side}_knee"] - 1]) for side in ("left", "right")], 1
    )
    height = {
        name: places[:, JOINT_INDEX[name], 1] for name in JOINT_INDEX if JOINT_INDEX[name] < 22
    }
    wrists = torch.stack([height["left_wrist"], height["right_wrist"]], 1)
    shoulders = torch.stack([height["left_shoulder"], height["right_shoulder"]], 1)
    return {
        PoseClass.STANDING: ((thigh < 25) & (bend < 30) & (wrists < shoulders)).all(1),
        PoseClass.SITTING: ((thigh > 55) & (bend > 45) & (bend < 110)).all(1),
        PoseClass.CROUCHING: ((thigh > 45) & (bend > 80)).all(1),
        PoseClass.ARMS_OVERHEAD: (wrists > height["head"][:, None]).all(1),
    }


def kept_turns(prior: Reconstructs, rotation: Float[Tensor, "poses 21 3 3"]) -> dict[str, float]:
    """Of each turn of `TURNS`, put on top of these poses, the mean share that is left after the
    latent: 1 is all.
    """
    still = rotations.log(prior.reconstruct(rotation))
    kept = {}
    for name, turns in TURNS.items():
        asked = torch.zeros_like(still[0])
        for joint, angles in turns.items():
            asked[JOINT_INDEX[joint] - 1] = asked.new_tensor(angles)
        change = rotations.log(prior.reconstruct(rotation @ rotations.exp(asked))) - still
        kept[name] = float((change * asked).sum((-1, -2)).mean() / asked.square().sum())
    return kept


def _hanging(hip: Tensor) -> Tensor:
    """Degrees between the thigh and straight down."""
    return torch.rad2deg(torch.acos(hip[..., 1, 1].clamp(-1, 1)))


def _angle(rotation: Tensor) -> Tensor:
    return torch.rad2deg(rotations.log(rotation).norm(dim=-1))
