"""Evidence: 2D keypoints. From detections to gains, units and robust widths of each point."""

from __future__ import annotations

from dataclasses import dataclass
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
    ("left_shoulder", "right_shoulder"),
    ("neck", "mid_hip"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("left_shoulder", "left_elbow"),
    ("right_shoulder", "right_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_elbow", "right_wrist"),
    ("left_hip", "left_knee"),
    ("right_hip", "right_knee"),
    ("left_knee", "left_ankle"),
    ("right_knee", "right_ankle"),
    ("nose", "neck"),
    ("left_ear", "right_ear"),
    ("left_eye", "right_eye"),
    ("left_hand_wrist", "left_middle_1"),
    ("right_hand_wrist", "right_middle_1"),
    ("face_right_eye_0", "face_left_eye_3"),
)
HEAD_HEIGHT = 0.25  # metres
PLAIN = 1e4  # on the robust width: as good as no robustness
HEAD = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
HIPS = ("mid_hip", "right_hip", "left_hip")
NECK = ("neck",)
PART_POINTS = MappingProxyType({
    Part.BODY: range(names.BODY.start, names.BODY.stop),
    Part.HANDS: range(names.LEFT_HAND.start, names.RIGHT_HAND.stop),
    Part.CONTOUR: range(names.CONTOUR.start, names.CONTOUR.stop),
    Part.FACE: range(names.CONTOUR.stop, names.FACE.stop),
})  # fmt: skip


def _group_of_points() -> list[str]:
    """The field of `PerPart` that holds the number of each of the 137 points."""
    groups = ["body"] * names.COUNT
    for part in (Part.HANDS, Part.CONTOUR, Part.FACE):
        for point in PART_POINTS[part]:
            groups[point] = part.value
    # these are points of the body that have a number of their own
    for group, members in {"head": HEAD, "hips": HIPS, "neck": NECK}.items():
        for name in members:
            groups[names.POINT_INDEX[name]] = group
    return groups


_GROUPS = tuple(PerPart.model_fields)
_GROUP_OF_POINT = torch.tensor([_GROUPS.index(group) for group in _group_of_points()])


def per_point(values: PerPart) -> Float[Tensor, " 137"]:
    """A number for each of the 137 points from a number for each group of them."""
    of_groups = torch.tensor([getattr(values, group) for group in _GROUPS], dtype=torch.float32)
    return of_groups[_GROUP_OF_POINT]


def seen_confidence(keypoints: Keypoints, config: ReprojectionConfig) -> Float[Tensor, "batch 137"]:
    """Confidences, 0 for points that do not count: too uncertain ones, and ignored ones."""
    too_uncertain = keypoints.confidence < config.min_confidence
    confidence = torch.where(too_uncertain, 0.0, keypoints.confidence)
    ignored = [names.POINT_INDEX[name] for name in config.ignore]
    index = torch.tensor(ignored, dtype=torch.long, device=confidence.device)
    return confidence.index_fill(-1, index, 0.0)


def person_scale(
    keypoints: Keypoints, confidence: Float[Tensor, "batch 137"], rest: Float[Tensor, "137 3"]
) -> Float[Tensor, " batch"]:
    """Pixels per metre of each person, from how long bones look.

    confidence: as `seen_confidence`; rest: the canonical points of a body at rest, metres, NaN for
    those it lacks. The scale is the second largest ratio of a seen bone to its length at rest:
    bones look shorter than they are, seldom longer, so the largest ratios are the true ones, and
    the very largest may be an outlier. Where no bone is seen: the points' box against the height of
    a head.
    """
    first = [names.POINT_INDEX[bone[0]] for bone in MEASURED_BONES]
    second = [names.POINT_INDEX[bone[1]] for bone in MEASURED_BONES]
    a = torch.tensor(first, device=rest.device)
    b = torch.tensor(second, device=rest.device)

    length = (rest[a] - rest[b]).norm(dim=-1)  # [bones], metres
    length_px = (keypoints.xy[:, a] - keypoints.xy[:, b]).norm(dim=-1)  # [batch, bones]
    ratio = length_px / length
    seen = (confidence[:, a] > 0) & (confidence[:, b] > 0) & length.isfinite()
    ratio = torch.where(seen, ratio, torch.zeros_like(ratio))

    largest = ratio.sort(dim=-1, descending=True).values
    chosen = torch.where(largest[:, 1] > 0, largest[:, 1], largest[:, 0])
    by_box = keypoints.box_diagonal(confidence > 0) / HEAD_HEIGHT
    return torch.where(chosen > 0, chosen, by_box).clamp(min=1e-3)


@dataclass(frozen=True)
class Keypoints2D(Bundle):
    """What a detector saw of each person in an image, and the camera that took it."""

    keypoints: Keypoints
    camera: Camera
    scale: Float[Tensor, "*batch"]  # pixels per metre of the person, see `person_scale`
    data: ReprojectionConfig = static(ReprojectionConfig())

    def points(self, stage: StageConfig, body: BodyModel) -> PointSet:
        """The canonical points of the stage's parts that the body has, part by part."""
        known = body.points.known.tolist()
        wanted: list[int] = []
        for part in Part:
            if part in stage.parts:
                wanted += [point for point in PART_POINTS[part] if known[point]]
        return PointSet(canonical=tuple(wanted))

    def observe(self, stage: StageConfig, points: PointSet) -> ObservedPoints:
        """Gains, units and robust widths of the stage's points.

        A residual is gain x robust((projected - detected) / unit), see `terms.reprojection`. What
        is no keypoint of the stage's parts counts as unseen, whoever asked for it.
        """
        keypoints = self.keypoints
        like = keypoints.xy  # dtype and device
        data = self.data

        # [137], then [batch, 137]: how much each point counts
        factor = per_point(stage.part_weights)
        if stage.only:
            only = [float(name in stage.only) for name in names.POINT_NAMES]
            factor = factor * torch.tensor(only)
        if stage.plain:
            confidence = (keypoints.confidence > 0).to(like)
        else:
            confidence = seen_confidence(keypoints, data)
        gain = confidence * keypoints.trust * factor.to(like)

        # [batch, 137]: one sigma of each point, in pixels at the person's own scale
        unit = self.scale[:, None] * per_point(data.sigma).to(like)
        if data.unit is Unit.IMAGE_HEIGHT:
            gain = gain * 1000.0 / self.camera.image_size[:, 1:]
            unit = torch.ones_like(unit)

        robust_width = per_point(data.outlier).to(like).expand_as(gain)
        rho = robust_width * (PLAIN if stage.plain else 1.0)

        # From the 137 points to those that the stage has folded.
        at = list(points.canonical)
        unasked = _outside(stage.parts, at)
        if unasked:
            gain = gain.index_fill(1, torch.tensor(unasked, device=gain.device), 0.0)
        seen = ObservedPoints(
            camera=self.camera,
            target=keypoints.xy[:, at],
            gain=gain[:, at],
            unit=unit[:, at],
            rho=rho[:, at],
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
