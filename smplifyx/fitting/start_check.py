"""A prediction and the fit that began with it, compared."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from ..core.bundle import Bundle


@dataclass(frozen=True)
class StartCheck(Bundle):
    """A prediction and a fit, compared; NaN for people without a prediction.

    start_error: median distance of the seen body keypoints from the predicted body, percent of the
        diagonal of the keypoints' box.
    end_error: the same of the fitted body, each keypoint as the fit would have it without it.
    moved_mm: mean distance of the body's points between the two, from the middle of the hips.
    kept: whether the prediction was better, and is the result.
    """

    start_error: Float[Tensor, "*batch"]
    end_error: Float[Tensor, "*batch"]
    moved_mm: Float[Tensor, "*batch"]
    kept: Bool[Tensor, "*batch"]
