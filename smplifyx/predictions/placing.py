"""Where predicted points stand before the camera: by the keypoints, whatever the network's camera.

A network's own translation belongs to a crop, a guessed focal length and a body of its own; what it
knows are directions and lengths within the person. The keypoints say where that person is, and how
the whole body is turned within what the network is usually off by.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..camera import Camera
from ..core import rotations
from ..core.bundle import Bundle
from ..core.invariant_linalg import gram
from ..keypoints import Keypoints, names
from ..keypoints.confidence import SEEN

ROUNDS = 12  # of reweighting
OUTLIER = 0.08  # of the box: a keypoint this far off counts a quarter
LEAST_POINTS = 4
NEAREST = 0.1  # metres
TURN_SD = 0.25  # radians: how far whole bodies are turned wrongly
POINT_SD = 0.03  # of the box, of a point that is told right
QUANTILE = 0.75
LEVER = 0.25  # metres: from the middle of a body to its limbs
LARGEST_STEP = 0.3  # radians
RIDGE = 1e-6
ROOT = names.POINT_INDEX["mid_hip"]


@dataclass(frozen=True)
class Placed(Bundle):
    """Predicted points before the camera.

    points: metres of the network's own, in the camera's frame; NaN where it told none.
    error: metres at the person: three of four seen body keypoints lie nearer to the points, and the
        turn that it took counts at LEVER; NaN where fewer than 4 points are both seen and told.
    """

    points: Float[Tensor, "*batch 137 3"]
    error: Float[Tensor, "*batch"]


def place(points: Float[Tensor, "batch 137 3"], keypoints: Keypoints, camera: Camera) -> Placed:
    """Moves points [batch] onto the body's keypoints, and turns them a little; they stay as large
    as they are.

    Gauss-Newton over turn and translation, reweighted so that wrong limbs do not count (Geman-
    McClure), begun with the best translation, which is linear: u (z + t_z) = x + t_x.
    """
    body = torch.zeros_like(keypoints.confidence, dtype=torch.bool)
    body[:, names.BODY] = True
    told = points.isfinite().all(-1)
    use = told & body & (keypoints.confidence >= SEEN)
    weight = torch.where(use, keypoints.confidence, 0.0)
    rays = (keypoints.xy - camera.center[:, None]) / camera.focal[:, None]
    rays = torch.where(use[..., None], rays, 0.0)
    box = keypoints.box_diagonal(keypoints.confidence >= SEEN) / camera.focal.mean(-1)
    box = torch.where(box > 0, box, 1.0)  # as a tangent

    origin = _middle(points, told)
    about = torch.where(told[..., None], points - origin[:, None], 0.0)
    identity = torch.eye(3, dtype=points.dtype, device=points.device)
    turn = identity.expand(len(points), 3, 3)
    transl = _translation(about, rays, weight)
    for _ in range(ROUNDS):
        step = _step(about, turn, transl, rays, weight, box)
        turn = rotations.exp(step[:, :3].clamp(-LARGEST_STEP, LARGEST_STEP)) @ turn
        transl = transl + step[:, 3:]

    there = _turned(about, turn) + transl[:, None]
    distance = _residual(there, rays, box).norm(dim=-1) * (box * transl[:, 2])[:, None]
    apart = torch.where(use, distance, torch.nan).nanquantile(QUANTILE, -1)
    turned_by = LEVER * rotations.log(turn).norm(dim=-1)
    error = (apart.square() + turned_by.square()).sqrt()
    few = use.sum(-1) < LEAST_POINTS
    return Placed(
        torch.where(told[..., None], there, torch.nan), torch.where(few, torch.nan, error)
    )


def _middle(points: Tensor, told: Tensor) -> Float[Tensor, "batch 3"]:
    """The root where it is told, else the mean of what is."""
    known = torch.where(told[..., None], points, 0.0)
    mean = known.sum(1) / told.sum(-1, keepdim=True).clamp(min=1)
    return torch.where(told[:, ROOT, None], known[:, ROOT], mean)


def _turned(points: Tensor, turn: Tensor) -> Tensor:
    return (points[..., None, :] * turn[:, None]).sum(-1)


def _residual(there: Tensor, rays: Tensor, box: Tensor) -> Float[Tensor, "batch p 2"]:
    """Projected less seen, in boxes."""
    projected = there[..., :2] / there[..., 2:].clamp(min=NEAREST)
    return (projected - rays) / box[:, None, None]


def _step(
    about: Tensor, turn: Tensor, transl: Tensor, rays: Tensor, weight: Tensor, box: Tensor
) -> Float[Tensor, "batch 6"]:
    """A Gauss-Newton step of turn (left of the present one, radians) and translation (metres)."""
    turned = _turned(about, turn)
    there = turned + transl[:, None]
    error = _residual(there, rays, box)
    robust = weight / (1 + (error.norm(dim=-1) / OUTLIER).square()).square()

    depth = there[..., 2].clamp(min=NEAREST)
    zero = torch.zeros_like(depth)
    along_x = torch.stack([1 / depth, zero, -there[..., 0] / depth.square()], -1)
    along_y = torch.stack([zero, 1 / depth, -there[..., 1] / depth.square()], -1)
    by_transl = torch.stack([along_x, along_y], -2) / box[:, None, None, None]
    by_turn = -(by_transl @ rotations.skew(turned))
    slopes = torch.cat([by_turn, by_transl], -1)  # [batch, p, 2, 6]

    root = robust.sqrt()[..., None]
    weighted = (slopes * root[..., None]).flatten(1, 2)
    residual = (error * root).flatten(1)[..., None]
    hessian = gram(weighted, weighted)
    gradient = gram(weighted, residual)[..., 0]
    # the whole body is turned by TURN_SD at most, as points are off by POINT_SD
    belief = (POINT_SD / TURN_SD) ** 2
    identity = torch.eye(6, dtype=hessian.dtype, device=hessian.device)
    free = torch.zeros(6, dtype=hessian.dtype, device=hessian.device)
    held = free.index_fill(0, torch.arange(3, device=free.device), belief)
    hessian = hessian + identity * (held + RIDGE)
    gradient = gradient + torch.nn.functional.pad(belief * rotations.log(turn), (0, 3))
    return -torch.linalg.solve(hessian, gradient)


def _translation(
    points: Float[Tensor, "batch p 3"],
    rays: Float[Tensor, "batch p 2"],
    weight: Float[Tensor, "batch p"],
) -> Float[Tensor, "batch 3"]:
    """The translation t of least weighted |x + t_x - u (z + t_z)|^2, and so for y."""
    w = weight[..., None]
    total = weight.sum(-1, keepdim=True).clamp(min=RIDGE)
    missing = rays * points[..., 2:] - points[..., :2]  # t_xy - u t_z should be this
    mean_missing = (w * missing).sum(1) / total
    mean_rays = (w * rays).sum(1) / total
    # with t_xy at its best for each t_z, what is left is linear in t_z alone
    spread = rays - mean_rays[:, None]
    rest = missing - mean_missing[:, None]
    depth = -(w * spread * rest).sum((1, 2)) / (w * spread * spread).sum((1, 2)).clamp(min=1e-12)
    depth = depth.clamp(min=NEAREST)
    across = mean_missing + mean_rays * depth[:, None]
    return torch.cat([across, depth[:, None]], -1)
