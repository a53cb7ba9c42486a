"""Evidence: 2D keypoints. From detections to gains, units and robust widths of each point, per person."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.model import BodyModel
from ..camera import Camera
from ..config import Part, PerPart, ReprojectionConfig, StageConfig, Unit
from ..core.bundle import Bundle, static
from ..features.fold import PointSet
from ..keypoints import Keypoints, names
from ..terms.reprojection import ObservedPoints, Reprojection
from ..terms.scene import WeightedTerm

MEASURED_BONES = (  # lengths that tell how many pixels a metre of the person takes
    ("left_shoulder", "right_shoulder"), ("neck", "mid_hip"), ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"), ("left_shoulder", "left_elbow"), ("right_shoulder", "right_elbow"),
    ("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"), ("left_hip", "left_knee"),
    ("right_hip", "right_knee"), ("left_knee", "left_ankle"), ("right_knee", "right_ankle"), ("nose", "neck"),
    ("left_ear", "right_ear"), ("left_eye", "right_eye"), ("left_hand_wrist", "left_middle_1"),
    ("right_hand_wrist", "right_middle_1"), ("face_right_eye_0", "face_left_eye_3"),
)  # fmt: skip
HEAD_HEIGHT = 0.25  # metres
PLAIN = 1e4  # on the robust width: as good as no robustness
HEAD = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
HIPS = ("mid_hip", "right_hip", "left_hip")
PART_POINTS = MappingProxyType({
    Part.BODY: range(names.BODY.start, names.BODY.stop),
    Part.HANDS: range(names.LEFT_HAND.start, names.RIGHT_HAND.stop),
    Part.CONTOUR: range(names.CONTOUR.start, names.CONTOUR.stop),
    Part.FACE: range(names.CONTOUR.stop, names.FACE.stop),
})  # fmt: skip


@lru_cache(maxsize=64)  # every stage of every batch asks
def per_point(values: PerPart) -> Float[Tensor, " 137"]:
    """A number for each of the 137 points from a number for each group."""
    out = torch.full((names.COUNT,), values.body)
    for part, value in (
        (Part.HANDS, values.hands),
        (Part.CONTOUR, values.contour),
        (Part.FACE, values.face),
    ):
        out[list(PART_POINTS[part])] = value
    for group, value in ((HEAD, values.head), (HIPS, values.hips), (("neck",), values.neck)):
        out[[names.POINT_INDEX[name] for name in group]] = value
    return out


def seen_confidence(keypoints: Keypoints, config: ReprojectionConfig) -> Float[Tensor, "batch 137"]:
    """Confidences with those that never count at 0."""
    confidence = torch.where(
        keypoints.confidence < config.min_confidence, 0.0, keypoints.confidence
    )
    ignored = [names.POINT_INDEX[name] for name in config.ignore]
    return confidence.index_fill(
        -1, torch.tensor(ignored, dtype=torch.long, device=confidence.device), 0.0
    )


def person_scale(
    keypoints: Keypoints, confidence: Float[Tensor, "batch 137"], rest: Float[Tensor, "137 3"]
) -> Float[Tensor, " batch"]:
    """Pixels per metre of each person: the second largest ratio of a seen bone to its length in the
    rest body.

    Bones look shorter than they are, seldom longer, so the largest ratios are the true ones; the
    very largest may be an outlier. Where no bone is seen: the points' box against the height of a
    head.
    """
    a, b = (
        torch.tensor([names.POINT_INDEX[pair[i]] for pair in MEASURED_BONES], device=rest.device)
        for i in (0, 1)
    )
    length = (rest[a] - rest[b]).norm(dim=-1)
    ratio = (keypoints.xy[:, a] - keypoints.xy[:, b]).norm(dim=-1) / length
    seen = (confidence[:, a] > 0) & (confidence[:, b] > 0) & length.isfinite()
    ratio = torch.where(seen, ratio, torch.zeros_like(ratio))
    best = ratio.sort(dim=-1, descending=True).values
    chosen = torch.where(best[:, 1] > 0, best[:, 1], best[:, 0])
    fallback = keypoints.box_diagonal(confidence > 0) / HEAD_HEIGHT
    return torch.where(chosen > 0, chosen, fallback).clamp(min=1e-3)


@dataclass(frozen=True)
class Keypoints2D(Bundle):
    """What a detector saw of each person in an image, and the camera that took it."""

    keypoints: Keypoints
    camera: Camera
    scale: Float[Tensor, "*batch"]  # pixels per metre of the person, see `person_scale`
    data: ReprojectionConfig = static(ReprojectionConfig())

    def points(self, stage: StageConfig, body: BodyModel) -> PointSet:
        """The canonical points of the stage's parts that the body has, part by part."""
        known = body.points.known
        wanted = [
            point
            for part in Part
            if part in stage.parts
            for point in PART_POINTS[part]
            if known[point]
        ]
        return PointSet(canonical=tuple(wanted))

    def observe(self, stage: StageConfig, points: PointSet) -> ObservedPoints:
        """Gains, units and robust widths of the stage's points.

        What is no keypoint of the stage's parts counts as unseen, whoever asked for it.
        """
        keypoints, data, like = self.keypoints, self.data, self.keypoints.xy
        factor = per_point(stage.part_weights)
        if stage.only:
            only = [float(name in stage.only) for name in names.POINT_NAMES]
            factor = factor * torch.tensor(only)
        if stage.plain:
            confidence = (keypoints.confidence > 0).to(like)
        else:
            confidence = seen_confidence(keypoints, data)
        gain = confidence * keypoints.trust * factor.to(like)
        unit = self.scale[:, None] * per_point(data.sigma).to(like)
        if data.unit is Unit.IMAGE_HEIGHT:
            gain = gain * 1000.0 / self.camera.image_size[:, 1:]
            unit = torch.ones_like(unit)
        rho = per_point(data.outlier).to(like).expand_as(gain) * (PLAIN if stage.plain else 1.0)

        at = list(points.canonical)
        unasked = _outside(stage.parts, at)
        if unasked:
            gain = gain.index_fill(1, torch.tensor(unasked, device=gain.device), 0.0)
        seen = ObservedPoints(
            self.camera, keypoints.xy[:, at], gain[:, at], unit[:, at], rho[:, at]
        )
        return _with_unseen(seen, len(points.surface))

    def terms(self, stage: StageConfig, body: BodyModel) -> tuple[WeightedTerm, ...]:
        """The data term."""
        if not stage.weights.reprojection:
            return ()
        term = Reprojection(self.data.per_coordinate)
        return (WeightedTerm("reprojection", stage.weights.reprojection, term),)


def _outside(parts: tuple[Part, ...], points: list[int]) -> list[int]:
    """Those of the points that are of none of the parts: other evidence asked for them."""
    inside = {point for part in parts for point in PART_POINTS[part]}
    return [point for point in points if point not in inside]


def _with_unseen(seen: ObservedPoints, count: int) -> ObservedPoints:
    """The same with `count` more points behind the others, which were not seen."""
    if not count:
        return seen

    def padded(values: Tensor, fill: float) -> Tensor:
        more = values.new_full((len(values), count, *values.shape[2:]), fill)
        return torch.cat([values, more], 1)

    return seen.replace(
        target=padded(seen.target, 0.0),
        gain=padded(seen.gain, 0.0),
        unit=padded(seen.unit, 1.0),
        rho=padded(seen.rho, 1.0),
    )
