"""Body-pose priors: how plausible a pose is, behind one interface."""

from .contract import DecodedPose, PosePrior
from .gaussian import GaussianPrior
from .loading import load_prior

__all__ = ["DecodedPose", "GaussianPrior", "PosePrior", "load_prior"]
