"""Finds a pose prior by name."""

from __future__ import annotations

from .. import assets
from .contract import PosePrior
from .gaussian import GaussianPrior


def load_prior(name: str) -> PosePrior:
    """The pose prior of that name from `priors/pose`. Raises ValueError for a name it does not know."""
    table = {"gaussian": lambda: GaussianPrior.load(assets.folder("priors") / "pose" / "gaussian.npz")}
    if name not in table:
        raise ValueError(f"no pose prior {name!r}; there are {', '.join(sorted(table))}")
    return table[name]()
