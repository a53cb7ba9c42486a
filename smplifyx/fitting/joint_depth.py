"""How far the depths of a fitted body can be believed, in one number a person."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..keypoints import names
from ..keypoints.confidence import SEEN
from .joint_calibration import ROOT
from .result import FitResult


def depth_sd(result: FitResult) -> Float[Tensor, "*batch"]:
    """Median over the body's seen joints of the standard deviation along the ray, metres.

    Relative to the hips' depth. The root does not count. NaN where no joint was seen, where the fit
    is not finite and where results do not tell.
    """
    covariance = result.joint_covariance
    if covariance is None:
        return torch.full_like(result.energy, torch.nan)
    sd = joint_depth_sd(covariance)[..., names.BODY]
    seen = result.keypoints.confidence[..., names.BODY] >= SEEN
    seen[..., names.POINT_INDEX[ROOT]] = False
    return torch.where(seen, sd, torch.nan).nanquantile(0.5, -1)


def joint_depth_sd(
    covariance: Float[Tensor, "*batch joints 3 3"],
) -> Float[Tensor, "*batch joints"]:
    """The standard deviation of each joint along the camera's axis, metres."""
    return covariance[..., 2, 2].clamp(min=0).sqrt()
