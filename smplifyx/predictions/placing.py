"""Where predicted points stand before the camera: by the keypoints, whatever camera the network had.

A network's own translation belongs to a crop, a guessed focal length and a body of its own; what it
knows are directions and lengths within the person. The keypoints say where that person is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..camera import Camera
from ..core.bundle import Bundle
from ..keypoints import Keypoints
from ..keypoints.confidence import SEEN

ROUNDS = 8  # of reweighting
OUTLIER = 0.08  # of the box: a keypoint this far off counts a quarter
LEAST_POINTS = 4
RIDGE = 1e-6
NEAREST = 0.1  # metres


@dataclass(frozen=True)
class Placed(Bundle):
    """Predicted points before the camera.

    points: metres of the network's own, in the camera's frame; NaN where it told none.
    error: median distance of the seen keypoints from them, share of the diagonal of the keypoints'
        box; NaN where fewer than 4 points are both seen and told.
    """

    points: Float[Tensor, "*batch 137 3"]
    error: Float[Tensor, "*batch"]


def place(
    points: Float[Tensor, "batch 137 3"], keypoints: Keypoints, camera: Camera
) -> Placed:
    """Moves points [batch], which turn and stay as large as they are, onto the keypoints.

    A projection is linear in the translation: u (z + t_z) = x + t_x. Solved by least squares in
    units of the box, reweighted so that wrong limbs do not count.
    """
    told = points.isfinite().all(-1)
    use = told & (keypoints.confidence >= SEEN)
    weight = torch.where(use, keypoints.confidence, 0.0)
    rays = (keypoints.xy - camera.center[:, None]) / camera.focal[:, None]
    rays = torch.where(use[..., None], rays, 0.0)
    box = keypoints.box_diagonal(keypoints.confidence >= SEEN) / camera.focal.mean(-1)
    box = torch.where(box > 0, box, 1.0)  # as a tangent
    known = torch.where(told[..., None], points, 0.0)

    robust = weight
    transl = known.new_zeros(len(known), 3)
    distance = torch.zeros_like(weight)
    for _ in range(ROUNDS):
        transl = _translation(known, rays, robust)
        there = known + transl[:, None]
        projected = there[..., :2] / there[..., 2:].clamp(min=NEAREST)
        distance = (projected - rays).norm(dim=-1) / box[:, None]
        # Geman-McClure's weight
        robust = weight / (1 + (distance / OUTLIER).square()).square()
    distance = torch.where(use, distance, torch.nan)
    error = distance.nanquantile(0.5, -1)
    placed = points + transl[:, None]
    few = use.sum(-1) < LEAST_POINTS
    return Placed(placed, torch.where(few, torch.nan, error))


def _translation(
    points: Float[Tensor, "batch p 3"],
    rays: Float[Tensor, "batch p 2"],
    weight: Float[Tensor, "batch p"],
) -> Float[Tensor, "batch 3"]:
    """The translation t of least weighted |x + t_x - u (z + t_z)|^2, and so for y."""
    w = weight[..., None]
    total = w.sum((-1, -2)).clamp(min=RIDGE)
    missing = rays * points[..., 2:] - points[..., :2]  # t_xy - u t_z should be this
    mean_missing = (w * missing).sum(1) / total[:, None]
    mean_rays = (w * rays).sum(1) / total[:, None]
    # with t_xy at its best for each t_z, what is left is linear in t_z alone
    spread = rays - mean_rays[:, None]
    rest = missing - mean_missing[:, None]
    depth = -(w * spread * rest).sum((1, 2)) / (w * spread * spread).sum((1, 2)).clamp(min=1e-12)
    across = mean_missing + mean_rays * depth[:, None]
    return torch.cat([across, depth[:, None]], -1)
