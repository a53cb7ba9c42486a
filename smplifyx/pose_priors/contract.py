"""What every body-pose prior offers, whichever space it works in."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor


@runtime_checkable
class PosePrior(Protocol):
    """How plausible a body pose is, in a latent of the prior's own.

    `residual` squared and summed is -2 log density of the latent up to a constant; an
    implementation says so where that is an approximation. Rotations are those of the 21 joints of
    `BodyParams.body_pose`, each relative to its parent. All methods take any leading batch axes,
    and a row's answer does not depend on the other rows, to the last bit.
    """

    @property
    def latent_dim(self) -> int:
        """Length of the latent."""

    def mean(self) -> Float[Tensor, " latent"]:
        """The latent of the mean pose, where fits begin."""

    def decode(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch 21 3 3"]:
        """The rotation matrices of a latent."""

    def velocity(self, latent: Float[Tensor, "*batch latent"]) -> Tensor:
        """How fast each joint turns as the latent moves: decode(z + dz) = exp([velocity dz]x)
        decode(z) for small dz.

        [*batch, 63, latent], rows 3 j + axis; or [*batch, 21, 3, 3] where the latent is an
        axis-angle for each joint.
        """

    def encode(self, rotation: Float[Tensor, "*batch 21 3 3"]) -> Float[Tensor, "*batch latent"]:
        """The latent of a pose, the nearest one where the latent cannot express it."""

    def residual(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch rows"]:
        """Rows whose square sum is -2 log density up to a constant."""

    def jacobian(
        self, latent: Float[Tensor, "*batch latent"]
    ) -> Float[Tensor, "*batch rows latent"]:
        """d residual / d latent."""

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count latent"]:
        """Latents drawn from the prior."""

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> PosePrior:
        """A copy on `device` as `dtype`."""


@runtime_checkable
class Piecewise(Protocol):
    """A pose prior whose residual is linear in pieces: its Jacobian is one of few constants."""

    @property
    def pieces(self) -> Float[Tensor, "k rows latent"]:
        """The Jacobians; always the same tensor."""

    def residual_in_piece(
        self, latent: Float[Tensor, "batch latent"]
    ) -> tuple[Float[Tensor, "batch rows"], Int[Tensor, " batch"]]:
        """`PosePrior.residual`, and which of the pieces each latent lies in."""
