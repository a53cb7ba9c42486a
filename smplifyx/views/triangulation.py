"""Points in space from where several cameras saw them, the cameras that are wrong left out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .calibrated_camera import CameraRig

FEWEST = 2  # cameras
ROUNDS = 3  # of weights by depth: what is minimised becomes the distance in the image
NEAREST = 0.05  # metres ahead of a camera
# of the matrix of a point, whose rows are in units of the image plane: less is a point that cameras
# see along one line
LEAST_DETERMINANT = 1e-6


@dataclass(frozen=True, eq=False)
class Triangulated:
    """Points in space [*batch, n], NaN for those that fewer than two cameras agree on.

    error: of each camera that was used, pixels from where it saw the point; NaN for others.
    used: by which cameras a point is told.
    """

    points: Float[Tensor, "*batch n 3"]
    error: Float[Tensor, "*batch cameras n"]
    used: Bool[Tensor, "*batch cameras n"]


def triangulate(
    rig: CameraRig,
    xy: Float[Tensor, "*batch cameras n 2"],
    weight: Float[Tensor, "*batch cameras n"],
    within: Float[Tensor, "*some cameras 1"],
) -> Triangulated:
    """Points [n] of people seen by the cameras of a rig [cameras or *batch cameras].

    xy: undistorted pixels; weight: confidence, 0 for an unseen point; within: pixels that each
    camera may be off.

    A point is the weighted least-squares answer of its cameras (direct linear transform, weighted
    by depth so that distances in the image count; Hartley and Sturm 1997). While one of more than
    two cameras is farther off than that, the camera goes without which the others agree best.
    """
    used = (weight > 0) & xy.isfinite().all(-1)
    cameras = xy.shape[-3]
    points, error = _solved(rig, xy, weight, used)
    for _ in range(cameras - FEWEST):
        off = (error / within).nan_to_num(posinf=torch.inf).amax(-2)  # [*batch, n]
        doubtful = (off > 1) & (used.sum(-2) > FEWEST)
        if not bool(doubtful.any()):
            break
        tries, left = [], []
        for camera in range(cameras):
            fewer = used.clone()
            fewer[..., camera, :] = False
            _, of_fewer = _solved(rig, xy, weight, fewer)
            # a camera that does not see the point is no camera to leave out
            was_used = used[..., camera, :]
            worst = (of_fewer / within).nan_to_num(posinf=torch.inf).amax(-2)
            tries.append(torch.where(was_used, worst, torch.inf))
            left.append(fewer)
        best = torch.stack(tries).argmin(0)  # [*batch, n]
        index = best[None, ..., None, :].expand(1, *used.shape)
        without_worst = torch.stack(left).gather(0, index)[0]
        used = torch.where(doubtful[..., None, :], without_worst, used)
        points, error = _solved(rig, xy, weight, used)
    off = (error / within).nan_to_num(posinf=torch.inf).amax(-2)
    agreed = (used.sum(-2) >= FEWEST) & points.isfinite().all(-1) & (off <= 1)
    nan = torch.full_like(points, torch.nan)
    used = used & agreed[..., None, :]
    return Triangulated(
        torch.where(agreed[..., None], points, nan),
        torch.where(used, error, torch.nan),
        used,
    )


def _solved(
    rig: CameraRig, xy: Tensor, weight: Tensor, used: Bool[Tensor, "*batch cameras n"]
) -> tuple[Float[Tensor, "*batch n 3"], Float[Tensor, "*batch cameras n"]]:
    """The points by these cameras alone, and how far each of the cameras is off, pixels; NaN for
    others. A point behind one of them, or that they do not tell, is infinitely far off.
    """
    rays = rig.rays(xy)
    rotation = rig.rotation[..., None, :, :]  # [*cameras, 1, 3, 3]
    translation = rig.translation[..., None, :]
    # (u r3 - r1) x + (u t3 - t1) = 0, and the same of v and r2: [*batch, cameras, n, 2, 3]
    rows = rays[..., None] * rotation[..., 2:, :] - rotation[..., :2, :]
    offsets = rays * translation[..., 2:] - translation[..., :2]
    believed = torch.where(used, weight, 0.0)
    depth = torch.ones_like(believed)
    points = rays.new_zeros(())
    known = used
    for _ in range(ROUNDS):
        by_depth = (believed / depth.square())[..., None, None]
        # sums over cameras and coordinates: no small products, whose rounding depends on the batch
        outer = rows[..., :, None] * rows[..., None, :]
        matrix = (by_depth[..., None] * outer).sum((-5, -3))
        right = -(by_depth * rows * offsets[..., None]).sum((-4, -2))
        points, known = _least_squares(matrix, right)
        there = _moved(rig, points)
        depth = there[..., 2].clamp(min=NEAREST)
    there = _moved(rig, points)
    pixels = rig.camera.project(there)
    error = (pixels - xy).norm(dim=-1)
    ahead = (there[..., 2] > NEAREST) & known[..., None, :]
    error = torch.where(ahead, error, torch.inf)
    return points, torch.where(used, error, torch.nan)


def _moved(rig: CameraRig, points: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*b cameras n 3"]:
    """Points of the world as each camera has them."""
    turned = rig.rotation[..., None, :, :] * points[..., None, :, None, :]
    return turned.sum(-1) + rig.translation[..., None, :]


def _least_squares(
    matrix: Float[Tensor, "*batch 3 3"], right: Float[Tensor, "*batch 3"]
) -> tuple[Float[Tensor, "*batch 3"], Bool[Tensor, "*batch"]]:
    """matrix^-1 right for symmetric matrices, by their cofactors; and which of them have one."""
    size = matrix.diagonal(dim1=-2, dim2=-1).sum(-1).clamp(min=1e-30)
    unit = matrix / size[..., None, None]
    a, b, c = unit.unbind(-2)
    cofactors = torch.stack(
        [
            torch.linalg.cross(b, c),
            torch.linalg.cross(c, a),
            torch.linalg.cross(a, b),
        ],
        -1,
    )
    determinant = (a * cofactors[..., 0]).sum(-1)
    known = determinant > LEAST_DETERMINANT
    safe = torch.where(known, determinant, 1.0)
    product = (cofactors * (right / size[..., None])[..., None, :]).sum(-1)
    return product / safe[..., None], known
