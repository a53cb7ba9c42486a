"""Bodies from the canonical points in space alone, such as a network's 3D keypoints."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.model import BodyModel
from ..camera import Camera
from ..config import FitConfig
from ..evidence.keypoints3d import Keypoints3D
from ..features.fold import PointSet
from ..fitting.fitter import Fitter
from ..fitting.result import FitResult
from ..keypoints import Keypoints, names

BODY_SD, HANDS_SD = 0.01, 0.004  # metres
VIEW = 50.0, 1000.0  # degrees and pixels of the camera that is made up
DISTANCE = 4.0  # metres from it, of people who would stand too near


def fit_points(
    body: BodyModel,
    points: Float[Tensor, "batch 137 3"],
    config: FitConfig | str | Path = "smplx",
) -> FitResult:
    """The bodies whose canonical points lie at `points`, metres, in a camera's axes; NaN: unknown.

    A camera is made up that sees them, so that the preset begins as from keypoints, tries what it
    tries, and holds joints to what people's are; the points in space decide. The result is where
    the points are. Points that are of another model than the body's detector's lie a centimetre or
    two off, and so will the body.
    """
    known = points.isfinite().all(-1)
    depth = points[..., 2].nanquantile(0.5, -1)
    shift = torch.zeros_like(points[:, 0])
    shift[:, 2] = torch.where(depth < DISTANCE / 2, DISTANCE - depth, 0.0)
    placed = points + shift[:, None]
    degrees, pixels = VIEW
    camera = Camera.from_fov(degrees, points.new_full((len(points), 2), pixels))
    camera = camera.to(dtype=points.dtype)
    xy = torch.where(known[..., None], camera.project(placed), 0.0)
    confidence = known.to(points)
    keypoints = Keypoints(xy, confidence, torch.ones_like(confidence))
    sd = points.new_full((names.COUNT,), BODY_SD)
    sd[names.LEFT_HAND.start : names.RIGHT_HAND.stop] = HANDS_SD
    of = PointSet.known(body)
    at = list(of.canonical)
    evidence = Keypoints3D(placed[:, at], sd[at].expand(len(points), -1), of)
    result = Fitter.of(body, config).fit(keypoints, camera, [evidence])
    params = result.params.replace(transl=result.params.transl - shift)
    return result.replace(params=params, points3d=result.points3d - shift[:, None], evidence={})


def point_errors(
    result: FitResult, points: Float[Tensor, "batch 137 3"]
) -> Float[Tensor, "batch 4"]:
    """Millimetres between fitted and given points: mean and largest, mean of hands and of face."""
    distance = 1000 * (result.points3d - points).norm(dim=-1)
    hands = distance[:, names.LEFT_HAND.start : names.RIGHT_HAND.stop]
    largest = distance.nan_to_num(-1.0).amax(-1)
    means = (distance.nanmean(-1), largest, hands.nanmean(-1), distance[:, names.FACE].nanmean(-1))
    return torch.stack(means, -1)
