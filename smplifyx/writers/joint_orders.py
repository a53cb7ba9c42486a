"""The orders in which datasets keep joints, by name, and the columns of each from `DatasetRows`.

Names are those of the model's joints (`body.joints`) and of the canonical points
(`keypoints.names`). A point is the model's own where readers compute it from the parameters.
"""

from __future__ import annotations

from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.joints import JOINT_NAMES
from ..keypoints import names
from .dataset_rows import DatasetRows

_FACE = names.POINT_NAMES[names.FACE]
_SIDES = ("left", "right")
_TIPS = tuple(f"{side}_{finger}_4" for side in _SIDES for finger in names.FINGERS)
# The 144 joints that the `smplx` package gives: 55 of the skeleton, 21 vertices, 51 landmarks of
# the face, 17 of its contour. HUMAN_DATA's first 144 are the same.
SMPLX_144: tuple[str, ...] = (
    *JOINT_NAMES,
    "nose", "right_eye", "left_eye", "right_ear", "left_ear",
    "left_big_toe", "left_small_toe", "left_heel",
    "right_big_toe", "right_small_toe", "right_heel",
    *_TIPS,
    *_FACE[17:68],
    *_FACE[:17],
)  # fmt: skip
# The canonical point that stands for each joint where a detector would look for it.
SEEN_AS = MappingProxyType(
    {
        **{name: name for name in names.POINT_NAMES},
        "pelvis": "mid_hip",
        **{f"spine{number}": "mid_hip" for number in (1, 2, 3)},
        "head": "nose",
        "jaw": "nose",
        **{f"{side}_eye_smplhf": f"{side}_eye" for side in _SIDES},
        **{f"{side}_collar": f"{side}_shoulder" for side in _SIDES},
        **{f"{side}_foot": f"{side}_big_toe" for side in _SIDES},
        **{f"{side}_hand": f"{side}_middle_1" for side in _SIDES},
        **{
            f"{side}_{finger}{number}": f"{side}_{finger}_{number}"
            for side in _SIDES
            for finger in names.FINGERS
            for number in (1, 2, 3)
        },
    }
)


def smplx_144(rows: DatasetRows) -> Float[Tensor, "n 144 3"]:
    """The joints of `SMPLX_144`, metres in the camera's frame, as a reader computes them from the
    parameters; NaN where the model has no such point.
    """
    points = [names.POINT_INDEX[name] for name in SMPLX_144[len(JOINT_NAMES) :]]
    return torch.cat([rows.joints, rows.model_points[:, points]], 1)


def seen_index(joints: tuple[str, ...]) -> list[int]:
    """The canonical point (0..136) that stands for each joint."""
    return [names.POINT_INDEX[SEEN_AS[name]] for name in joints]
