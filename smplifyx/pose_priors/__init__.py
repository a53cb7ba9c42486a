"""Body-pose priors: how plausible a pose is, behind one interface."""

from .contract import PosePrior
from .gaussian import GaussianPrior
from .loading import load_prior

__all__ = ["GaussianPrior", "PosePrior", "load_prior"]
