"""The data term: projected points against detected ones, robustly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .scene import Observation, Rows, Scene, Slopes


@dataclass(frozen=True)
class Reprojection:
    """gain x GMoF of the distance between projection and detection (Geman-McClure, rho r / sqrt(r^2 + rho^2)).

    Slopes are those of iteratively reweighted least squares: the exact gradient, and a curvature that stays positive
    for outliers.
    """

    per_coordinate: bool = False

    def __call__(self, scene: Scene) -> Rows:
        seen = scene.observation
        error = _error(seen, scene["points"], scene["focal"])
        square = error * error if self.per_coordinate else (error * error).sum(-1, keepdim=True)
        rho = seen.rho[..., None]
        squash = rho / torch.sqrt(square + rho * rho)
        residual = (seen.gain[..., None] * squash * error).flatten(1)
        return Rows(residual, lambda: _slopes(scene, error, squash))


def _error(seen: Observation, points: Tensor, focal: Tensor) -> Tensor:
    """(projected - detected) / unit, [b, p, 2]."""
    center = seen.camera.center[:, None]
    pixels = (seen.camera.project(points) - center) * focal.exp()[:, None] + center
    return (pixels - seen.target) / seen.unit[..., None]


def _slopes(scene: Scene, error: Tensor, squash: Tensor) -> Slopes:
    seen, points, zoom = scene.observation, scene["points"], scene["focal"].exp()[:, None]
    weight = seen.gain[..., None] * squash * squash
    scale = weight / seen.unit[..., None] * zoom
    offset = seen.camera.project(points) - seen.camera.center[:, None]
    return Slopes(
        rows=(weight * error).flatten(1),
        wrt={
            "points": scale[..., None] * seen.camera.projection_jacobian(points),
            "focal": (scale * offset).flatten(1)[..., None],
        },
    )
