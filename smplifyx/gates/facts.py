"""What gates look at of fitted people: as wide for all, whatever model and preset made them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..core.bundle import Bundle
from ..core.choices import Age
from ..fitting.result import FitResult
from ..keypoints import Keypoints

TERMS = ("pose_prior", "bone_depth")  # of the energy, that a measure reads


class GatePart(str, Enum):
    """What of a person is kept or lost by itself; the points of the first four are those of
    `keypoints.names.PARTS`.
    """

    BODY = "body"
    LEFT_HAND = "left_hand"
    RIGHT_HAND = "right_hand"
    FACE = "face"
    SHAPE = "shape"


@dataclass(frozen=True)
class GateFacts(Bundle):
    """Fitted people. NaN: not told by the result."""

    keypoints: Keypoints
    points2d: Float[Tensor, "*batch 137 2"]  # fitted, pixels
    variance: Float[Tensor, "*batch 67"]  # m^2: trace of the covariance of each joint
    held_out: Float[Tensor, "*batch 25"]  # pixels
    largest_beta: Float[Tensor, "*batch"]  # without the kid component
    shape_sd: Float[Tensor, "*batch"]
    stature: Float[Tensor, "*batch"]  # metres
    stature_sd: Float[Tensor, "*batch"]
    shape_determined: Float[Tensor, "*batch"]
    beyond_limits: Float[Tensor, "*batch"]  # degrees
    energies: dict[str, Float[Tensor, "*batch"]]  # of TERMS
    gap: Float[Tensor, "*batch"]  # inf: there was no other body
    penetration_mm: Float[Tensor, "*batch"]
    kept_start: Bool[Tensor, "*batch"]
    status: Float[Tensor, "*batch"]  # a FitStatus

    @classmethod
    def of(cls, result: FitResult) -> GateFacts:
        """Of one person or many, no matter how many axes."""
        unknown = torch.full_like(result.energy, torch.nan)
        betas = result.params.betas
        if result.provenance.age == Age.CHILD.value:
            betas = betas[..., :-1]
        plausibility = result.plausibility
        covariance, held_out = result.joint_covariance, result.held_out
        penetration, start = result.penetration, result.start
        return cls(
            keypoints=result.keypoints,
            points2d=result.points2d,
            variance=(
                unknown[..., None].expand(*unknown.shape, 67)
                if covariance is None
                else covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
            ),
            held_out=unknown[..., None].expand(*unknown.shape, 25)
            if held_out is None
            else held_out,
            largest_beta=betas.abs().amax(-1),
            shape_sd=plausibility.shape_sd,
            stature=plausibility.stature,
            stature_sd=result.shape.stature_sd,
            shape_determined=result.shape.determined,
            beyond_limits=plausibility.beyond_limits,
            energies={name: result.energies.get(name, unknown) for name in TERMS},
            gap=torch.where(result.gap.isnan(), torch.inf, result.gap),
            penetration_mm=unknown if penetration is None else penetration.depth_mm,
            kept_start=torch.zeros_like(unknown, dtype=torch.bool) if start is None else start.kept,
            status=result.status.to(unknown.dtype),
        ).to(dtype=torch.float32)
