"""Evidence: 2D keypoints of further calibrated cameras, taken at the same moment.

A person's own camera is the one in whose frame the body is; what it saw is `Keypoints2D`. Each
further one has rows of its own, of the same term and in the same units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from ..body.model import BodyModel
from ..camera import Camera
from ..config import ReprojectionConfig, StageConfig
from ..core.bundle import Bundle, static
from ..features.fold import PointSet
from ..keypoints import Keypoints
from ..terms.reprojection import Reprojection
from ..terms.reprojection_in_views import ObservedInViews, ReprojectionInViews
from ..terms.scene import WeightedTerm
from .keypoints2d import Keypoints2D, person_scale, seen_confidence


@dataclass(frozen=True)
class Views(Bundle):
    """What further cameras saw of each person [batch, views].

    keypoints: confidence 0 throughout in a view that has not seen the person.
    camera: of each view, pixels as `keypoints` has them: undistorted.
    rotation, translation: a point x in the frame of the person's own camera lies at `rotation x +
        translation` (metres) in the frame of the view.
    scale: pixels per metre of the person in each view, see `person_scale`.
    """

    keypoints: Keypoints
    camera: Camera
    rotation: Float[Tensor, "*batch views 3 3"]
    translation: Float[Tensor, "*batch views 3"]
    scale: Float[Tensor, "*batch views"]
    data: ReprojectionConfig = static(ReprojectionConfig())

    @classmethod
    def of(
        cls,
        keypoints: Keypoints,
        camera: Camera,
        rotation: Float[Tensor, "batch views 3 3"],
        translation: Float[Tensor, "batch views 3"],
        rest: Float[Tensor, "137 3"],
        data: ReprojectionConfig,
    ) -> Views:
        """rest: the canonical points of a body at rest, as `person_scale` takes them; data: the
        preset's.
        """
        flat = keypoints.map(lambda t: t.flatten(0, 1))
        scale = person_scale(flat, seen_confidence(flat, data), rest)
        shape = keypoints.confidence.shape[:2]
        return cls(keypoints, camera, rotation, translation, scale.unflatten(0, shape), data)

    def measured(self, confidence: Float[Tensor, "batch 137"]) -> Bool[Tensor, "batch 137"]:
        """The points that at least two cameras have seen, which so tell how deep they are.

        confidence: of the person's own camera, as `seen_confidence`.
        """
        flat = self.keypoints.map(lambda t: t.flatten(0, 1))
        of_views = seen_confidence(flat, self.data).unflatten(0, self.scale.shape)
        return (confidence > 0).long() + (of_views > 0).sum(1) >= 2

    def points(self, stage: StageConfig, body: BodyModel) -> PointSet:
        """Those that the person's own camera looks at."""
        return self._side_by_side().points(stage, body)

    def observe(self, stage: StageConfig, points: PointSet) -> ObservedInViews:
        """Gains, units and robust widths of the stage's points in each view."""
        shape = self.scale.shape
        seen = self._side_by_side().observe(stage, points)
        of_views = seen.map(lambda t: t.unflatten(0, shape))
        return ObservedInViews(of_views, self.rotation, self.translation)

    def terms(self, stage: StageConfig, body: BodyModel) -> Sequence[WeightedTerm]:
        """One term, with the weight of the person's own camera."""
        weight = stage.weights.reprojection
        if not weight:
            return ()
        return (
            WeightedTerm(
                "views", weight, ReprojectionInViews(Reprojection(self.data.per_coordinate))
            ),
        )

    def _side_by_side(self) -> Keypoints2D:
        """Everybody in every view as one batch of detections [batch x views]."""
        flat = Keypoints2D(self.keypoints, self.camera, self.scale, self.data)
        return flat.map(lambda t: t.flatten(0, 1))
