"""Evidence: 2D keypoints of further calibrated cameras, taken at the same moment.

A person's own camera is the one in whose frame the body is; what it saw is `Keypoints2D`. Each
further one has rows of its own, of the same term and in the same units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body.model import BodyModel
from ..camera import Camera
from ..config import ReprojectionConfig, StageConfig
from ..core.bundle import Bundle, static
from ..features.fold import PointSet
from ..keypoints import Keypoints, names
from ..terms.reprojection import Reprojection
from ..terms.reprojection_in_views import ObservedInViews, ReprojectionInViews
from ..terms.scene import WeightedTerm
from .keypoints2d import Keypoints2D, person_scale, seen_confidence

# of each view, in a result file
_SHAPES = MappingProxyType(
    {
        "view_keypoints": (names.COUNT, 3),
        "view_keypoint_trust": (names.COUNT,),
        "view_K": (3, 3),
        "view_image_size": (2,),
        "view_rotation": (3, 3),
        "view_translation": (3,),
    }
)


@dataclass(frozen=True)
class Views(Bundle):
    """What further cameras saw of each person [batch, views].

    keypoints: confidence 0 throughout in a view that has not seen the person.
    camera: of each view, pixels as `keypoints` has them: undistorted.
    rotation, translation: a point x in the frame of the person's own camera lies at `rotation x +
        translation` (metres) in the frame of the view.
    T_world_camera: of the person's own camera, what a result tells of the world; it decides
        nothing.
    scale: pixels per metre of the person in each view, which a fit measures itself against its body
        (`measured_against`); data: of the preset, likewise.
    """

    keypoints: Keypoints
    camera: Camera
    rotation: Float[Tensor, "*batch views 3 3"]
    translation: Float[Tensor, "*batch views 3"]
    T_world_camera: Float[Tensor, "*batch 4 4"]
    scale: Float[Tensor, "*batch views"] | None = None
    data: ReprojectionConfig = static(ReprojectionConfig())

    @classmethod
    def facts(cls) -> tuple[str, ...]:
        """None: cameras have a file of their own."""
        return ()

    @classmethod
    def from_facts(cls, facts: Mapping[str, object]) -> Views:
        """Nothing is told of anybody by word."""
        return cls.from_arrays({})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As a result file keeps it; nothing where there are no further views."""
        if not self.keypoints.confidence.shape[-2]:
            return {}
        tensors = {
            "keypoints": self.keypoints.to_array(),
            "keypoint_trust": self.keypoints.trust,
            "K": self.camera.K,
            "image_size": self.camera.image_size,
            "rotation": self.rotation,
            "translation": self.translation,
        }
        arrays = {f"view_{key}": tensor.cpu().numpy() for key, tensor in tensors.items()}
        return arrays | {"T_world_camera": self.T_world_camera.cpu().numpy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Views:
        """From a result file; no views where it has none. Raises ValueError for odd ones."""
        shapes = _SHAPES
        if "view_keypoints" not in arrays:
            arrays = {key: np.zeros((0, *shape), np.float32) for key, shape in shapes.items()}
            arrays["T_world_camera"] = np.eye(4, dtype=np.float32)
        count = len(np.atleast_1d(arrays["view_keypoints"]))
        expected = {key: (count, *shape) for key, shape in shapes.items()}
        expected["T_world_camera"] = (4, 4)
        found: dict[str, Tensor] = {}
        for key, shape in expected.items():
            array = np.array(arrays.get(key))
            if array.shape != shape or array.dtype.kind != "f":
                raise ValueError(f"{key}: expected numbers {list(shape)}, got {list(array.shape)}")
            found[key] = torch.from_numpy(array)
        return cls(
            Keypoints.from_array(found["view_keypoints"], found["view_keypoint_trust"]),
            Camera(found["view_K"], found["view_image_size"]),
            found["view_rotation"],
            found["view_translation"],
            found["T_world_camera"],
        )

    def measured_against(self, rest: Float[Tensor, "137 3"], data: ReprojectionConfig) -> Views:
        """The same [batch] with each person's scale in each view.

        rest: the canonical points of a body at rest, as `person_scale` takes them.
        """
        flat = self.keypoints.map(lambda t: t.flatten(0, 1))
        scale = person_scale(flat, seen_confidence(flat, data), rest)
        return self.replace(
            scale=scale.unflatten(0, self.keypoints.confidence.shape[:2]), data=data
        )

    def measured(self, confidence: Float[Tensor, "batch 137"]) -> Bool[Tensor, "batch 137"]:
        """The points that at least two cameras have seen, which so tell how deep they are.

        confidence: of the person's own camera, as `seen_confidence`.
        """
        flat = self.keypoints.map(lambda t: t.flatten(0, 1))
        shape = self.keypoints.confidence.shape[:2]
        of_views = seen_confidence(flat, self.data).unflatten(0, shape)
        return (confidence > 0).long() + (of_views > 0).sum(1) >= 2

    def points(self, stage: StageConfig, body: BodyModel) -> PointSet:
        """Those that the person's own camera looks at."""
        return self._side_by_side().points(stage, body)

    def observe(self, stage: StageConfig, points: PointSet) -> ObservedInViews:
        """Gains, units and robust widths of the stage's points in each view."""
        shape = self.keypoints.confidence.shape[:2]
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
        assert self.scale is not None, "a fit measures it, see `FitBatch.of`"
        flat = Keypoints2D(self.keypoints, self.camera, self.scale, self.data)
        return flat.map(lambda t: t.flatten(0, 1))
