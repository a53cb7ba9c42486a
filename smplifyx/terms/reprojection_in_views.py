"""The data term of further cameras: the points are moved into each camera's frame first."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.bundle import Bundle
from ..features.jacobian_blocks import PointBlock
from ..features.points import POINTS
from .reprojection import ObservedPoints, Reprojection, error_of
from .scene import Jacobian, Residual, Scene


@dataclass(frozen=True)
class ObservedInViews(Bundle):
    """Where the points of a stage were seen by further cameras, rows along the first axis.

    seen: [*batch, views]. A point x of the camera in whose frame the body is lies at `rotation x +
    translation` (metres) in the frame of each view.
    """

    seen: ObservedPoints
    rotation: Float[Tensor, "*batch views 3 3"]
    translation: Float[Tensor, "*batch views 3"]

    def moved(self, points: Float[Tensor, "*batch p 3"]) -> Float[Tensor, "*batch views p 3"]:
        """Points as each of the views has them."""
        # a sum over three axes, not a product of small matrices: that rounds by the batch
        turned = self.rotation[..., :, None, :, :] * points[..., None, :, None, :]
        return turned.sum(-1) + self.translation[..., None, :]


@dataclass(frozen=True)
class ReprojectionInViews:
    """What `Reprojection` is, once for each further camera.

    Their focal lengths are calibrated: the unknown one of the body's own camera leaves them alone.
    """

    of_one: Reprojection = Reprojection()

    def __call__(self, scene: Scene) -> Residual:
        """Two residuals for each point and view, those of a point side by side."""
        observed: ObservedInViews = scene.observed[ObservedInViews]
        seen = observed.seen
        points = observed.moved(scene[POINTS])  # [batch, views, p, 3]
        as_calibrated = torch.ones_like(points[..., :1])
        error = error_of(seen, points, as_calibrated)
        squash = self.of_one.squash(seen, error)
        residual = seen.gain[..., None] * squash * error  # [batch, views, p, 2]

        def jacobian() -> Jacobian:
            bent = self.of_one.bent(seen, points, as_calibrated, error, squash)
            # back to the frame in which the body is: slope^T R, a sum over the view's three axes
            rotation = observed.rotation[:, :, None, None]
            by_points = (bent.by_points[..., None] * rotation).sum(-2)  # [b, v, p, 2, 3]
            of_points = by_points.transpose(1, 2).flatten(2, 3)  # [b, p, 2 v, 3]
            return Jacobian(_by_point(bent.values), {POINTS: PointBlock(of_points)})

        return Residual(_by_point(residual), jacobian)


def _by_point(values: Float[Tensor, "batch views p 2"]) -> Float[Tensor, "batch r"]:
    """Residuals point by point, as a `PointBlock` has them."""
    return values.transpose(1, 2).flatten(1)
