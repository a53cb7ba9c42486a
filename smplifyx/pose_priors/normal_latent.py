"""The latent of learned priors: standard normal numbers, which are their own residual."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from .contract import LatentSpace, Linearity


class NormalLatent(ABC):
    """Base of priors whose latent is N(0, 1) in every number.

    The residual is that of the latent's density. How much `decode` stretches space about a pose
    (the determinant that would make it a density of poses) is left out, as in fits with VPoser.
    """

    @property
    @abstractmethod
    def latent_dim(self) -> int:
        """Length of the latent."""

    @abstractmethod
    def mean(self) -> Float[Tensor, " latent"]:
        """Zero, in the prior's precision and on its device."""

    @property
    def linearity(self) -> Linearity:
        """The residual is the latent itself."""
        return Linearity.LINEAR

    @property
    def latent_space(self) -> LatentSpace:
        """Every number may turn every joint."""
        return LatentSpace.LEARNED

    def residual(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch latent"]:
        """The latent itself: its square sum is -2 log density of N(0, 1) up to a constant."""
        return latent

    def constant_jacobian(self) -> Float[Tensor, "latent latent"]:
        """The identity."""
        mean = self.mean()
        return torch.eye(self.latent_dim, dtype=mean.dtype, device=mean.device)

    def jacobian(
        self, latent: Float[Tensor, "*batch latent"]
    ) -> Float[Tensor, "*batch latent latent"]:
        """The identity for each latent, without a copy for each."""
        return self.constant_jacobian().to(latent).expand(*latent.shape[:-1], -1, -1)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count latent"]:
        """Draws of the standard normal."""
        noise = torch.randn(count, self.latent_dim, generator=generator, device=generator.device)
        return noise.to(self.mean())
