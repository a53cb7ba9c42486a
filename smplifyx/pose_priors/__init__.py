"""Body-pose priors: how plausible a pose is, behind one interface."""

from .contract import LatentSpace, Linearity, PosePrior
from .gaussian import GaussianPrior
from .loading import kind_of, load_prior, prior_file

__all__ = [
    "GaussianPrior",
    "LatentSpace",
    "Linearity",
    "PosePrior",
    "kind_of",
    "load_prior",
    "prior_file",
]
