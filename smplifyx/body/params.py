"""The parameters of a SMPL-X body, the same for every model and prior."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.bundle import Bundle

_JOINTS_IN_ORDER = (
    ("global_orient", 1), ("body_pose", 21), ("jaw_pose", 1), ("leye_pose", 1), ("reye_pose", 1),
    ("left_hand_pose", 15), ("right_hand_pose", 15),
)  # fmt: skip


def _pose_rows() -> dict[str, range]:
    rows: dict[str, range] = {}
    start = 0
    for name, count in _JOINTS_IN_ORDER:
        rows[name] = range(start, start + count)
        start += count
    return rows


# Where each part's joints lie among the 55 of `BodyParams.full_pose`.
POSE_ROWS = MappingProxyType(_pose_rows())


@dataclass(frozen=True)
class BodyParams(Bundle):
    """One body per row: axis-angle in radians with the hand mean included (flat_hand_mean=True),
    transl in metres.

    `global_orient` turns the body about its pelvis joint into the camera's frame; `transl` is added
    last. Betas and expression are in standard deviations, for the first components of a model; a
    child's last beta runs from 0 (adult) to 1. A model that lacks a part (SMPL has no fingers, no
    jaw) ignores it.
    """

    global_orient: Float[Tensor, "*batch 3"]
    body_pose: Float[Tensor, "*batch 21 3"]
    left_hand_pose: Float[Tensor, "*batch 15 3"]
    right_hand_pose: Float[Tensor, "*batch 15 3"]
    jaw_pose: Float[Tensor, "*batch 3"]
    leye_pose: Float[Tensor, "*batch 3"]
    reye_pose: Float[Tensor, "*batch 3"]
    betas: Float[Tensor, "*batch shapes"]
    expression: Float[Tensor, "*batch expressions"]
    transl: Float[Tensor, "*batch 3"]

    @classmethod
    def zeros(
        cls, batch: tuple[int, ...], shapes: int, expressions: int, like: Tensor
    ) -> BodyParams:
        """The T-pose of the mean body at the origin, with the dtype and device of `like`."""
        sizes = {
            "global_orient": (3,),
            "body_pose": (21, 3),
            "left_hand_pose": (15, 3),
            "right_hand_pose": (15, 3),
            "jaw_pose": (3,),
            "leye_pose": (3,),
            "reye_pose": (3,),
            "betas": (shapes,),
            "expression": (expressions,),
            "transl": (3,),
        }
        fields = {
            name: torch.zeros(*batch, *size, dtype=like.dtype, device=like.device)
            for name, size in sizes.items()
        }
        return cls(**fields)

    def full_pose(self) -> Float[Tensor, "*batch 55 3"]:
        """The 55 local rotations in SMPL-X joint order: root, 21 body, jaw, eyes, 15 left and 15
        right finger.
        """
        batch = self.transl.shape[:-1]
        # single joints have no axis of joints of their own
        parts = [
            getattr(self, name).reshape(*batch, len(rows), 3) for name, rows in POSE_ROWS.items()
        ]
        return torch.cat(parts, -2)
