"""Stature: how tall a body stands in its T-pose, linear in betas but for which vertex is the
highest and the lowest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.invariant_linalg import shared_matmul
from .model import Age, BodyModel

_REACH = 3.0  # the highest and lowest vertices are looked for so far along each shape direction


@dataclass(frozen=True)
class Stature:
    """Heights in metres, `mean + directions @ betas`, of the few vertices that can be a body's
    highest (t of them) or lowest (b of them).
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
        top_heights = self.top + shared_matmul(betas, self.top_directions.T)  # [batch, t]
        bottom_heights = self.bottom + shared_matmul(betas, self.bottom_directions.T)
        highest = top_heights.max(-1)
        lowest = bottom_heights.min(-1)
        stature = highest.values - lowest.values
        slope = self.top_directions[highest.indices] - self.bottom_directions[lowest.indices]
        return stature, slope


def stature_of(body: BodyModel) -> Stature:
    """The stature of a body as a function of its betas; the same object every time."""
    return body.derived(_stature)


def _stature(body: BodyModel) -> Stature:
    mean = body.v_template[:, 1]  # [v]
    directions = body.shapedirs[:, 1]  # [v, s]
    # A child's last beta runs from 0 to 1 and moves the whole body: looked at in between as well.
    starts = [mean]
    if body.age is Age.CHILD:
        starts += [mean + age * directions[:, -1] for age in (0.5, 1.0)]

    steps = torch.cat([torch.zeros_like(mean)[None], _REACH * directions.T, -_REACH * directions.T])
    heights = torch.cat([start + steps for start in starts])  # [shapes looked at, v]
    top = heights.argmax(1).unique()
    bottom = heights.argmin(1).unique()
    return Stature(
        top=mean[top],
        top_directions=directions[top],
        bottom=mean[bottom],
        bottom_directions=directions[bottom],
    )
