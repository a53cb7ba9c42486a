"""How far trainers should believe a point: from how unsure the fit is of it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

NOISE = 2.0  # pixels of a crop of 256: what detectors are off by, and no reason to doubt


def linear_weight(sigma: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """For losses that are linear in the error; sigma: as `DatasetRows.sigma`; NaN weighs 1."""
    return (NOISE / sigma.clamp(min=NOISE)).nan_to_num(1.0)


def squared_weight(sigma: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """For losses that are quadratic in the error."""
    return torch.square(linear_weight(sigma))
