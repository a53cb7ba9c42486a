"""Evidence: where points of a person are in space, as rows of the energy.

Points of the body's surface, canonical points, or both, in the camera's frame: what another body
model, a scanner or several cameras tell. They are measurements with normal errors, so a wrong one
is not let go: who gives points looks after those first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.model import BodyModel
from ..config import StageConfig
from ..core.bundle import Bundle, static
from ..features.fold import PointSet
from ..features.jacobian_blocks import PointBlock
from ..features.points import POINTS
from ..terms.scene import Jacobian, Residual, Scene, WeightedTerm


@dataclass(frozen=True)
class ObservedPoints3D(Bundle):
    """Where the points of a stage were seen.

    gain: 1 / sd of each point; 0 for points of which nothing is told.
    """

    places: Float[Tensor, "*batch p 3"]  # metres, camera frame
    gain: Float[Tensor, "*batch p"]


@dataclass(frozen=True)
class Keypoints3D(Bundle):
    """Where some points of each person are [batch], with standard deviations.

    places: metres, in the camera's frame, in the order of `of`; NaN where one is not known.
    sd: metres, of each coordinate; larger than 0, inf for a point that does not count.
    of: which points of the body they are. Each once.
    """

    places: Float[Tensor, "*batch p 3"]
    sd: Float[Tensor, "*batch p"]
    of: PointSet = static(PointSet())

    def points(self, stage: StageConfig, body: BodyModel) -> PointSet:
        """All of them, in every stage that weighs them."""
        return self.of if stage.weights.keypoints3d else PointSet()

    def observe(self, stage: StageConfig, points: PointSet) -> ObservedPoints3D:
        """Those of the stage, in its order; points that others asked for have a gain of 0."""
        # canonical points come first in both sets
        own = {point: place for place, point in enumerate((*self.of.canonical, *self.of.surface))}
        unknown = len(own)  # the number of one point more, of which nothing is told
        at = [own.get(point, unknown) for point in (*points.canonical, *points.surface)]
        knows = self.places.isfinite().all(-1) & (self.sd > 0)
        gain = torch.where(knows, 1 / self.sd, 0.0)
        places = torch.where(knows[..., None], self.places, 0.0)
        index = torch.tensor(at, dtype=torch.long, device=places.device)
        pad = torch.nn.functional.pad
        return ObservedPoints3D(
            pad(places, (0, 0, 0, 1)).index_select(-2, index),
            pad(gain, (0, 1)).index_select(-1, index),
        )

    def terms(self, stage: StageConfig, body: BodyModel) -> tuple[WeightedTerm, ...]:
        """One term."""
        weight = stage.weights.keypoints3d
        return (WeightedTerm("keypoints3d", weight, DistanceInSpace()),) if weight else ()


@dataclass(frozen=True)
class DistanceInSpace:
    """Each point less where it was seen, in standard deviations."""

    def __call__(self, scene: Scene) -> Residual:
        """Three residuals for each point of the stage."""
        seen: ObservedPoints3D = scene.observed[ObservedPoints3D]
        gain = seen.gain[..., None]
        residual = (gain * (scene[POINTS] - seen.places)).flatten(1)

        def jacobian() -> Jacobian:
            axes = torch.eye(3, dtype=gain.dtype, device=gain.device)
            return Jacobian(residual, {POINTS: PointBlock(gain[..., None] * axes)})

        return Residual(residual, jacobian)
