"""No preference among poses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .joint_angles import JointAngles

ANGLES = 63  # 21 joints x 3


@dataclass(frozen=True, eq=False)
class FreePrior(JointAngles):
    """Every pose is as good as another; the latent is the flattened body pose (63 axis-angles,
    radians).

    `start` is the pose where fits begin.
    """

    start: Float[Tensor, " 63"]

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> FreePrior:
        """A copy on `device` as `dtype`."""
        return FreePrior(self.start.to(device=device, dtype=dtype))

    def mean(self) -> Float[Tensor, " 63"]:
        """Where fits begin."""
        return self.start

    def residual(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 0"]:
        """No rows."""
        return latent[..., :0]

    def jacobian(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 0 63"]:
        """No rows."""
        return latent.new_zeros(*latent.shape[:-1], 0, ANGLES)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 63"]:
        """Every joint turned at random, uniformly over all rotations."""
        four = torch.randn(count, ANGLES // 3, 4, generator=generator, device=generator.device)
        half = torch.atan2(four[..., 1:].norm(dim=-1), four[..., 0].abs())[..., None]
        axis = torch.nn.functional.normalize(four[..., 1:], dim=-1) * four[..., :1].sign()
        return (2 * half * axis).flatten(-2).to(self.start)
