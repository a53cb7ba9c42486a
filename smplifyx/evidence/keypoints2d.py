"""From keypoints to what the terms compare with: gains, units and robust widths of each point, per
person.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from ..camera import Camera
from ..config import FitConfig, Part, PerPart, ReprojectionConfig, StageConfig, Unit
from ..keypoints import Keypoints, names
from ..terms.scene import Observation

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


def observe(
    keypoints: Keypoints,
    camera: Camera,
    config: FitConfig,
    stage: StageConfig,
    points: list[int],
    scale: Tensor,
) -> Observation:
    """What a stage sees of each person: the canonical `points`, no others.

    scale: pixels per metre [batch].
    """
    data = config.reprojection
    like = keypoints.xy
    factor = per_point(stage.part_weights)
    if stage.only:
        factor = factor * torch.tensor([float(name in stage.only) for name in names.POINT_NAMES])
    confidence = (
        (keypoints.confidence > 0).to(like) if stage.plain else seen_confidence(keypoints, data)
    )
    gain = confidence * keypoints.trust * factor.to(like)
    unit = scale[:, None] * per_point(data.sigma).to(like)
    if data.unit is Unit.IMAGE_HEIGHT:
        gain = gain * 1000.0 / camera.image_size[:, 1:]
        unit = torch.ones_like(unit)
    rho = per_point(data.outlier).to(like).expand_as(gain) * (PLAIN if stage.plain else 1.0)
    picked = (value[:, points] for value in (keypoints.xy, gain, unit, rho))
    nobody = torch.zeros(len(scale), 0, 0, dtype=torch.int64, device=scale.device)
    unknown = torch.full_like(scale, torch.nan)
    return Observation(
        camera, *picked, depth=torch.zeros_like(scale), height=unknown, candidates=nobody
    )


def stage_points(stage: StageConfig, known: Tensor) -> list[int]:
    """The canonical points a stage reads: those of its parts that the body has."""
    return [p for part in Part if part in stage.parts for p in PART_POINTS[part] if known[p]]
