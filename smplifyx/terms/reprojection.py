"""The data term: projected points against detected ones, robustly."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Float
from torch import Tensor

from ..camera import Camera
from ..core.bundle import Bundle
from ..features.jacobian_blocks import DenseBlock, PointBlock
from ..features.points import POINTS
from ..features.unknowns import FOCAL
from .scene import Jacobian, Residual, Scene

# of `Curvature.CORRECTED`: outliers bend the energy downwards, a solver needs it upwards
LEAST_SHRINK = 0.1


class Curvature(Enum):
    """How the energy is said to bend along and across an error; its gradient is exact in any case.

    The energy of the error e is f(|e|^2) with f(z) = rho^2 z / (z + rho^2), and s = rho / sqrt(z +
    rho^2) falls from 1 to 0 for outliers: f' = s^4, and f' + 2 z f'' = s^4 (4 s^2 - 3).
    """

    # s^4 both ways, iteratively reweighted least squares: never less than the energy's own
    REWEIGHTED = "reweighted"
    # s^4 across, s^4 (4 s^2 - 3) along, kept positive: the energy's own (Triggs et al. 2000)
    CORRECTED = "corrected"
    ROWS = "rows"  # s^2 across, s^6 along: Gauss-Newton on the residual s e


@dataclass(frozen=True)
class ObservedPoints(Bundle):
    """Where the points of a stage were seen, rows along the first axis.

    The data term's residual is `gain * GMoF((projected - target) / unit, rho)`; a gain of 0 means
    unseen.
    """

    camera: Camera
    target: Float[Tensor, "*batch p 2"]  # pixels
    gain: Float[Tensor, "*batch p"]
    unit: Float[Tensor, "*batch p"]  # pixels
    rho: Float[Tensor, "*batch p"]  # units


@dataclass(frozen=True, eq=False)
class BentErrors:
    """Errors as a solver needs them: residuals of the energy's exact gradient, and their slopes."""

    values: Float[Tensor, "*batch p 2"]
    by_points: Float[Tensor, "*batch p 2 3"]
    by_focal: Float[Tensor, "*batch p 2 1"]


@dataclass(frozen=True)
class Reprojection:
    """gain x GMoF of the distance between projection and detection (Geman-McClure, rho r / sqrt(r^2
    + rho^2)).
    """

    per_coordinate: bool = False  # x and y are two errors
    curvature: Curvature = Curvature.REWEIGHTED

    def __call__(self, scene: Scene) -> Residual:
        """Two residuals for each point of the stage."""
        seen: ObservedPoints = scene.observed[ObservedPoints]
        points = scene[POINTS]
        zoom = scene[FOCAL].exp()[:, None]
        error = error_of(seen, points, zoom)  # [batch, p, 2], in units
        squash = self.squash(seen, error)
        residual = seen.gain[..., None] * squash * error

        def jacobian() -> Jacobian:
            bent = self.bent(seen, points, zoom, error, squash)
            blocks = {
                POINTS: PointBlock(bent.by_points),
                FOCAL: DenseBlock(bent.by_focal.flatten(1, 2)),
            }
            return Jacobian(bent.values.flatten(1), blocks)

        return Residual(residual.flatten(1), jacobian)

    def squash(
        self, seen: ObservedPoints, error: Float[Tensor, "*batch p 2"]
    ) -> Float[Tensor, "*batch p k"]:
        """1 near the target, towards 0 far from it: of each error, or of each coordinate."""
        square = error * error
        if not self.per_coordinate:
            square = square.sum(-1, keepdim=True)
        rho = seen.rho[..., None]
        return rho / torch.sqrt(square + rho * rho)

    def bent(
        self,
        seen: ObservedPoints,
        points: Float[Tensor, "*batch p 3"],
        zoom: Tensor,
        error: Float[Tensor, "*batch p 2"],
        squash: Float[Tensor, "*batch p k"],
    ) -> BentErrors:
        """Residuals `pull e` with slopes `across de`, shrunk along e: pull x across x shrink =
        gain^2 s^4.

        zoom: the factor on the cameras' focal lengths, broadcast to the errors.
        """
        across, pull, shrink = self._bend(squash)
        gain = seen.gain[..., None]
        scale = gain * across / seen.unit[..., None] * zoom
        by_points = scale[..., None] * seen.camera.projection_jacobian(points)
        # a longer focal length moves every pixel away from the principal point
        offset = seen.camera.project(points) - seen.camera.center[..., None, :]
        by_focal = (scale * offset)[..., None]
        if shrink is not None:
            by_points = self._shrunk(by_points, error, shrink)
            by_focal = self._shrunk(by_focal, error, shrink)
        return BentErrors(gain * pull * error, by_points, by_focal)

    def _bend(self, squash: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """`across`, `pull` (both without the gain) and `shrink` (None: 1) of each error."""
        square = squash * squash
        if self.curvature is Curvature.ROWS:
            return squash, squash, square
        if self.curvature is Curvature.CORRECTED:
            shrink = (4 * square - 3).clamp_min(LEAST_SHRINK**2).sqrt()
            return square, square / shrink, shrink
        return square, square, None

    def _shrunk(self, slope: Tensor, error: Tensor, shrink: Tensor) -> Tensor:
        """Slopes [b, p, 2, d] of the errors, times `shrink` along them."""
        if self.per_coordinate:
            return slope * shrink[..., None]
        along = torch.nn.functional.normalize(error, dim=-1)[..., None]
        return slope - (1 - shrink)[..., None] * along * (along * slope).sum(-2, keepdim=True)


def error_of(
    seen: ObservedPoints, points: Float[Tensor, "*batch p 3"], zoom: Tensor
) -> Float[Tensor, "*batch p 2"]:
    """(projected - detected) / unit of points in the camera's frame.

    zoom: the factor on the cameras' focal lengths, broadcast to the errors.
    """
    center = seen.camera.center[..., None, :]
    pixels = (seen.camera.project(points) - center) * zoom + center
    return (pixels - seen.target) / seen.unit[..., None]
