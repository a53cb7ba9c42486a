"""No preference among poses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .contract import Linearity
from .joint_angles import ANGLES, JOINTS, JointAngles


@dataclass(frozen=True, eq=False)
class FreePrior(JointAngles):
    """Every pose is as good as another; the latent is the flattened body pose (63 axis-angles,
    radians).

    `start` is the pose where fits begin.
    """

    start: Float[Tensor, " 63"]

    @property
    def linearity(self) -> Linearity:
        """Linear, since there are no residuals."""
        return Linearity.LINEAR

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> FreePrior:
        """A copy on `device` as `dtype`."""
        return FreePrior(self.start.to(device=device, dtype=dtype))

    def mean(self) -> Float[Tensor, " 63"]:
        """Where fits begin."""
        return self.start

    def residual(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 0"]:
        """None."""
        return latent[..., :0]

    def constant_jacobian(self) -> Float[Tensor, "0 63"]:
        """Of no residuals."""
        return self.start.new_zeros(0, ANGLES)

    def jacobian(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 0 63"]:
        """Of no residuals."""
        return latent.new_zeros(*latent.shape[:-1], 0, ANGLES)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 63"]:
        """Every joint turned at random, uniformly over all rotations.

        Four normal numbers, scaled to length one, are a quaternion that is uniform over all
        rotations.
        """
        quaternion = torch.randn(count, JOINTS, 4, generator=generator, device=generator.device)
        real = quaternion[..., :1]
        vector = quaternion[..., 1:]
        # q and -q are one rotation: |real| and the sign choose the one of at most half a turn.
        half_angle = torch.atan2(vector.norm(dim=-1, keepdim=True), real.abs())
        axis = torch.nn.functional.normalize(vector, dim=-1) * real.sign()
        rotvec = 2 * half_angle * axis
        return rotvec.flatten(-2).to(self.start)
