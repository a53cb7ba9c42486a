"""How far fitted points lie from their keypoints, and what that makes of a fit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..core.bundle import Bundle
from ..keypoints import Keypoints, names
from ..keypoints.confidence import CONFIDENT, SEEN
from .result import FitStatus

ENOUGH_BODY_POINTS = 8
# median body error in percent of the keypoint box's diagonal above which a fit is called poor
POOR_PERCENT = 4.0
REGIONS = {"body": [names.BODY], "hands": [names.LEFT_HAND, names.RIGHT_HAND], "face": [names.FACE]}


@dataclass(frozen=True)
class ReprojectionError(Bundle):
    """Median distance of the seen points of a region from the fitted ones; NaN where none was seen."""

    body: Float[Tensor, "*batch"]
    hands: Float[Tensor, "*batch"]
    face: Float[Tensor, "*batch"]


def reprojection_px(
    keypoints: Keypoints, points2d: Float[Tensor, "*batch 137 2"]
) -> ReprojectionError:
    """Median reprojection error in pixels for body, hands and face.

    Points the model lacks (NaN) do not count.
    """
    error = (keypoints.xy - points2d).norm(dim=-1)
    error = torch.where(keypoints.confidence >= SEEN, error, torch.nan)
    picked = {
        name: torch.cat([error[..., part] for part in parts], -1) for name, parts in REGIONS.items()
    }
    return ReprojectionError(**{name: _median(values) for name, values in picked.items()})


def reprojection_percent(
    keypoints: Keypoints, points2d: Float[Tensor, "*batch 137 2"]
) -> ReprojectionError:
    """The same in percent of the diagonal of the box around all seen points of the person."""
    diagonal = box_diagonal(keypoints)
    return reprojection_px(keypoints, points2d).map(lambda px: 100 * px / diagonal)


def box_diagonal(keypoints: Keypoints) -> Float[Tensor, "*batch"]:
    """Diagonal in pixels of the box around the seen points; NaN where there are fewer than two."""
    diagonal = keypoints.box_diagonal(keypoints.confidence >= SEEN)
    return torch.where((diagonal > 0) & diagonal.isfinite(), diagonal, torch.nan)


def confident_body_points(keypoints: Keypoints) -> Int[Tensor, "*batch"]:
    """How many of the 25 body points are confident."""
    return (keypoints.confidence[..., names.BODY] >= CONFIDENT).sum(-1)


def status_of(
    keypoints: Keypoints, points2d: Float[Tensor, "*batch 137 2"], energy: Float[Tensor, "*batch"]
) -> Int[Tensor, "*batch"]:
    """The FitStatus of each person.

    FAILED: the energy is not finite, or no point came out finite. LOW_EVIDENCE: fewer than 8 body
    points of confidence 0.3. POOR: median body error above 4 % of the box, or no body point to tell
    it.
    """
    percent = reprojection_percent(keypoints, points2d).body
    status = torch.full(energy.shape, int(FitStatus.OK), device=energy.device)
    status = torch.where(percent <= POOR_PERCENT, status, int(FitStatus.POOR))
    enough = confident_body_points(keypoints) >= ENOUGH_BODY_POINTS
    status = torch.where(enough, status, int(FitStatus.LOW_EVIDENCE))
    sound = energy.isfinite() & points2d.isfinite().any(-1).any(-1)
    return torch.where(sound, status, int(FitStatus.FAILED))


def _median(values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """The median of the values that are not NaN; NaN where there are none."""
    return values.nanquantile(0.5, -1)
