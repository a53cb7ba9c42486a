"""Stature: how tall a body stands in its T-pose, linear in betas but for which vertex is the
highest and the lowest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.invariant_linalg import shared_matmul
from .model import Age, BodyModel

_REACH = 3.0  # the highest and lowest vertices are looked for so far along each shape direction


@dataclass(frozen=True)
class Stature:
    """Heights in metres, `mean + directions @ betas`, of the few vertices that can be a body's
    highest or lowest.
    """

    top: Float[Tensor, " t"]
    top_directions: Float[Tensor, "t s"]
    bottom: Float[Tensor, " b"]
    bottom_directions: Float[Tensor, "b s"]

    def __call__(
        self, betas: Float[Tensor, "batch s"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch s"]]:
        """The stature in metres and its slope by betas.

        A row's answer does not depend on its batch.
        """
        high = (self.top + shared_matmul(betas, self.top_directions.T)).max(-1)
        low = (self.bottom + shared_matmul(betas, self.bottom_directions.T)).min(-1)
        return high.values - low.values, self.top_directions[high.indices] - self.bottom_directions[
            low.indices
        ]


@lru_cache(maxsize=16)
def stature_of(body: BodyModel) -> Stature:
    """The stature of a body as a function of its betas."""
    mean, directions = body.v_template[:, 1], body.shapedirs[:, 1]
    ages = (0.0, 0.5, 1.0) if body.age is Age.CHILD else (0.0,)
    starts = [mean + age * directions[:, -1] if age else mean for age in ages]
    steps = torch.cat([torch.zeros_like(mean)[None], _REACH * directions.T, -_REACH * directions.T])
    heights = torch.cat([start + steps for start in starts])
    top, bottom = heights.argmax(1).unique(), heights.argmin(1).unique()
    return Stature(mean[top], directions[top], mean[bottom], directions[bottom])
