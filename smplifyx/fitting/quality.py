"""How far fitted points lie from their keypoints, and what that makes of a fit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..camera import Camera
from ..core.bundle import Bundle
from ..keypoints import Keypoints, names
from ..keypoints.confidence import CONFIDENT, SEEN
from .result import FitStatus

ENOUGH_BODY_POINTS = 8
# median body error in percent of the keypoint box's diagonal above which a fit is called poor
POOR_PERCENT = 4.0
# a point farther from the body than this percentage of the box has nothing to do with it
FAR_PERCENT = 10.0
# the median cannot see up to half of the points; more far ones than this make a fit poor. Of 300
# sound fits of real detections none has more than 12 %.
MOST_FAR = 0.15


@dataclass(frozen=True)
class ReprojectionError(Bundle):
    """Median distance of the seen points of a region from the fitted ones.

    NaN where none was seen. The unit, pixels or percent, is that of the function that gives it.
    """

    body: Float[Tensor, "*batch"]
    hands: Float[Tensor, "*batch"]
    face: Float[Tensor, "*batch"]


def reprojection_px(
    keypoints: Keypoints, points2d: Float[Tensor, "*batch 137 2"]
) -> ReprojectionError:
    """Median reprojection error in pixels for body, hands and face.

    points2d: the fitted points, pixels. Points that the model lacks (NaN) do not count.
    """
    error = (keypoints.xy - points2d).norm(dim=-1)  # [*batch, 137]
    error = torch.where(keypoints.confidence >= SEEN, error, torch.nan)
    hands = torch.cat([error[..., names.LEFT_HAND], error[..., names.RIGHT_HAND]], -1)
    return ReprojectionError(
        body=_median(error[..., names.BODY]),
        hands=_median(hands),
        face=_median(error[..., names.FACE]),
    )


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


def offsets_m(
    keypoints: Keypoints, camera: Camera, points: Float[Tensor, "*batch 137 3"]
) -> Float[Tensor, "*batch 137 2"]:
    """Detected minus body point (metres, in the camera's frame), metres at the point's distance, x
    right and y down.
    """
    pixels = keypoints.xy - camera.project(points)
    return pixels * points[..., 2:] / camera.focal[..., None, :]


def confident_body_points(keypoints: Keypoints) -> Int[Tensor, "*batch"]:
    """How many of the 25 body points are confident."""
    return (keypoints.confidence[..., names.BODY] >= CONFIDENT).sum(-1)


def far_share(
    keypoints: Keypoints, points2d: Float[Tensor, "*batch 137 2"]
) -> Float[Tensor, "*batch"]:
    """Share 0..1 of the confident body points that lie far from the body; NaN where none is
    confident.
    """
    distance = (keypoints.xy - points2d).norm(dim=-1)[..., names.BODY]
    far = 100 * distance > FAR_PERCENT * box_diagonal(keypoints)[..., None]
    confident = keypoints.confidence[..., names.BODY] >= CONFIDENT
    return (far & confident).sum(-1) / confident.sum(-1)


def status_of(
    keypoints: Keypoints,
    points2d: Float[Tensor, "*batch 137 2"],
    energy: Float[Tensor, "*batch"],
    is_human: Bool[Tensor, "*batch"],
) -> Int[Tensor, "*batch"]:
    """The FitStatus of each person.

    FAILED: the energy is not finite, or no point came out finite. LOW_EVIDENCE: fewer than 8 body
    points of confidence 0.3. POOR: median body error above 4 % of the box, or no body point to tell
    it, or more than 15 % of the confident body points farther than 10 % of the box. The first of
    these that holds is the status; OK: none does. A body that nobody has is POOR, however few
    points it was told by.
    """
    percent = reprojection_percent(keypoints, points2d).body
    is_met = (percent <= POOR_PERCENT) & ~(far_share(keypoints, points2d) > MOST_FAR)
    # From the mildest to the gravest, so that the gravest stays. NaN is not below the limit: POOR.
    status = torch.full(energy.shape, int(FitStatus.OK), device=energy.device)
    status = torch.where(is_met, status, int(FitStatus.POOR))
    enough = confident_body_points(keypoints) >= ENOUGH_BODY_POINTS
    status = torch.where(enough, status, int(FitStatus.LOW_EVIDENCE))
    status = torch.where(is_human, status, int(FitStatus.POOR))
    sound = energy.isfinite() & points2d.isfinite().any(-1).any(-1)
    return torch.where(sound, status, int(FitStatus.FAILED))


def _median(values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """The median of the values that are not NaN; NaN where there are none."""
    return values.nanquantile(0.5, -1)
