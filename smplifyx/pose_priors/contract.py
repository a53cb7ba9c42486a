"""What every body-pose prior offers, whichever space it works in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class DecodedPose:
    """The 21 body joints a latent stands for, axis-angle in radians, and how they move with it.

    `d_rotvec_d_latent` is the derivative of the flattened `rotvec`; None stands for the identity: the latent *is* the
    flattened `rotvec`.
    """

    rotvec: Float[Tensor, "*batch 21 3"]
    d_rotvec_d_latent: Float[Tensor, "*batch 63 latent"] | None = None


@runtime_checkable
class PosePrior(Protocol):
    """How plausible a body pose is, in a latent of the prior's own.

    `residual` squared and summed is -2 log density of the latent up to a constant, so that energies of different priors
    compare; an implementation says so where that is an approximation. All methods take any leading batch axes.
    """

    @property
    def latent_dim(self) -> int:
        """Length of the latent."""

    def mean(self) -> Float[Tensor, " latent"]:
        """The latent of the mean pose, where fits begin."""

    def decode(self, latent: Float[Tensor, "*batch latent"]) -> DecodedPose:
        """The body pose of a latent, with its derivative."""

    def encode(self, body_pose: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch latent"]:
        """The latent of a body pose (axis-angle in radians), the nearest one where the latent cannot express it."""

    def residual(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch rows"]:
        """Rows whose square sum is -2 log density up to a constant."""

    def jacobian(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch rows latent"]:
        """d residual / d latent."""
