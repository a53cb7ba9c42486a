"""Random numbers for many people at once, the same on every device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Random numbers for `count` people, on the CPU, float32.

    The numbers depend on how often the generator was asked before: the order of the calls is part
    of what a seed means.
    """

    generator: torch.Generator
    count: int

    @classmethod
    def seeded(cls, seed: int, count: int) -> Draws:
        """A new sequence of random numbers."""
        return cls(torch.Generator().manual_seed(seed), count)

    def uniform(self, bounds: tuple[float, float], *size: int) -> Float[Tensor, "count ..."]:
        """Uniform between the bounds, [count, *size]."""
        low, high = bounds
        return low + (high - low) * torch.rand(self.count, *size, generator=self.generator)

    def normal(self, *size: int) -> Float[Tensor, "count ..."]:
        """Standard normal, [count, *size]."""
        return torch.randn(self.count, *size, generator=self.generator)

    def truncated_normal(self, size: int, bound: float) -> Float[Tensor, "count coefficients"]:
        """Standard normal within +- bound, by its quantiles."""
        largest = torch.special.ndtr(torch.tensor(bound))
        quantiles = self.uniform((float(1 - largest), float(largest)), size)
        return torch.special.ndtri(quantiles).clamp(-bound, bound)

    def index(self, size: int) -> Int[Tensor, " count"]:
        """One of 0..size - 1 for each person."""
        return torch.randint(size, (self.count,), generator=self.generator)
