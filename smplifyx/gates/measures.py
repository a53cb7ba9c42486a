"""What gates measure of a part of a person, each in one unit and without knowing the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from ..fitting.quality import box_diagonal, far_share
from ..keypoints import names
from .expected_error import load_person_errors
from .facts import GateFacts, GatePart

ROOT = names.POINT_INDEX["mid_hip"]
BODY_JOINTS = tuple(point for point in range(names.BODY.stop) if point != ROOT)
LIMBS = tuple(
    names.POINT_INDEX[f"{side}_{joint}"]
    for side in ("left", "right")
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)
SPIN_IGNORES = tuple(names.POINT_INDEX[name] for name in ("neck", "right_hip", "left_hip"))
CROP_MARGIN = 1.2  # of the side of the box around a person, to that of the crop that peers take
SPIN_CROP, HMR2_CROP = 224.0, 256.0  # pixels
ROBUST_SIGMA = 100.0  # pixels of the crop, of the peers' Geman-McClure


class Measure(str, Enum):
    """The names of measures in gate files; they end in their units."""

    POINTS = "points"
    LIMB_JOINTS = "limb_joints"
    RESIDUAL = "residual_percent"
    FAR_SHARE = "far_share"
    HELD_OUT = "held_out_percent"
    JOINT_SD = "joint_sd_mm"
    EXPECTED_ERROR = "expected_error_mm"
    POSE_PRIOR = "pose_prior_energy"
    BONE_DEPTH = "bone_depth_energy"
    ENERGY_GAP = "energy_gap"
    LARGEST_BETA = "largest_beta"
    SHAPE_SD = "shape_sd"
    STATURE = "stature_m"
    STATURE_SD = "stature_sd_m"
    SHAPE_DETERMINED = "shape_determined"
    BEYOND_LIMITS = "beyond_limits_deg"
    PENETRATION = "penetration_mm"
    KEPT_START = "kept_start"
    STATUS = "status"
    SPIN_LOSS = "spin_loss"
    HMR2_LOSS = "hmr2_loss"
    EFT_LOSS = "eft_loss"


# of people, of a part, of the points that are seen with at least so much confidence
Measuring = Callable[[GateFacts, GatePart, float], Tensor]


@dataclass(frozen=True)
class MeasureKind:
    """One measure.

    what: in a reason, before its value. unit: after it. of: [*batch] values, NaN where the result
    does not tell. parts: of which it can be asked.
    """

    what: str
    unit: str
    of: Measuring
    parts: tuple[GatePart, ...] = tuple(GatePart)


def measured(
    measure: Measure, facts: GateFacts, part: GatePart, confidence: float
) -> Float[Tensor, "*batch"]:
    """A measure of a part; points below that confidence count as unseen."""
    return MEASURES[measure].of(facts, part, confidence)


def _points(facts: GateFacts, part: GatePart, confidence: float) -> Tensor:
    seen = facts.keypoints.confidence[..., names.PARTS[part.value]] >= confidence
    return seen.sum(-1).to(facts.status.dtype)


def _limb_joints(facts: GateFacts, part: GatePart, confidence: float) -> Tensor:
    seen = facts.keypoints.confidence[..., list(LIMBS)] >= confidence
    return seen.sum(-1).to(facts.status.dtype)


def _residual(facts: GateFacts, part: GatePart, confidence: float) -> Tensor:
    at = names.PARTS[part.value]
    distance = _distance(facts)[..., at]
    seen = facts.keypoints.confidence[..., at] >= confidence
    median = torch.where(seen, distance, torch.nan).nanquantile(0.5, -1)
    return 100 * median / box_diagonal(facts.keypoints)


def _held_out(facts: GateFacts, part: GatePart, confidence: float) -> Tensor:
    """The mean, since one limb that nobody else bears out is what it shall see."""
    return 100 * facts.held_out.nanmean(-1) / box_diagonal(facts.keypoints)


def _joint_sd(facts: GateFacts, part: GatePart, confidence: float) -> Tensor:
    at = BODY_JOINTS if part is GatePart.BODY else range(67)[names.PARTS[part.value]]
    return 1000 * facts.variance[..., list(at)].clamp(min=0).sqrt().nanmean(-1)


def _expected_error(facts: GateFacts, part: GatePart, confidence: float) -> Tensor:
    card = load_person_errors().body
    error = torch.full_like(facts.status, card.scale_mm)
    for name, power in card.powers.items():
        error = error * (1 + measured(Measure(name), facts, part, confidence)) ** power
    return error


def _distance(facts: GateFacts) -> Float[Tensor, "*batch 137"]:
    """Of the keypoints from the fitted points, pixels."""
    return (facts.keypoints.xy - facts.points2d).norm(dim=-1)


def _crop_error(facts: GateFacts, crop: float) -> tuple[Tensor, Tensor]:
    """Errors (x, y) [*batch, 25, 2] of the body's points in pixels of a square crop of that side,
    and their confidences; 0 for points that the body lacks.
    """
    at = names.BODY
    xy, confidence = facts.keypoints.xy[..., at, :], facts.keypoints.confidence[..., at]
    seen = (confidence > 0)[..., None]
    low = torch.where(seen, xy, torch.inf).amin(-2)
    high = torch.where(seen, xy, -torch.inf).amax(-2)
    side = CROP_MARGIN * (high - low).amax(-1)
    error = (facts.points2d[..., at, :] - xy) * (crop / side)[..., None, None]
    return error.nan_to_num(), confidence


def _robust(error: Tensor) -> Tensor:
    square, sigma = error.square(), ROBUST_SIGMA**2
    return (sigma * square / (sigma + square)).sum(-1)


def _spin_loss(facts: GateFacts, part: GatePart, confidence: float) -> Tensor:
    error, weight = _crop_error(facts, SPIN_CROP)
    weight = weight.index_fill(-1, torch.tensor(SPIN_IGNORES), 0.0)
    return (weight.square() * _robust(error)).mean(-1)


def _hmr2_loss(facts: GateFacts, part: GatePart, confidence: float) -> Tensor:
    error, weight = _crop_error(facts, HMR2_CROP)
    return (weight.square() * _robust(error)).sum(-1)


def _eft_loss(facts: GateFacts, part: GatePart, confidence: float) -> Tensor:
    error, weight = _crop_error(facts, 2.0)  # the crop from -1 to 1
    return (weight[..., None] * error.square()).flatten(-2).mean(-1)


def _fact(pick: Callable[[GateFacts], Tensor]) -> Measuring:
    """A measure that is a fact of the whole person."""
    return lambda facts, part, confidence: pick(facts).to(facts.status.dtype)


_BODY = (GatePart.BODY,)
_HANDS = (GatePart.LEFT_HAND, GatePart.RIGHT_HAND)
_WITH_POINTS = (*_BODY, *_HANDS, GatePart.FACE)
MEASURES = MappingProxyType({
    Measure.POINTS: MeasureKind("keypoints seen", "", _points, _WITH_POINTS),
    Measure.LIMB_JOINTS: MeasureKind("of the 12 joints of the limbs seen", "", _limb_joints, _BODY),
    Measure.RESIDUAL: MeasureKind("keypoints lie off by", "%", _residual, _WITH_POINTS),
    Measure.FAR_SHARE: MeasureKind(
        "share of keypoints far off",
        "",
        _fact(lambda facts: far_share(facts.keypoints, facts.points2d)),
        _BODY,
    ),
    Measure.HELD_OUT: MeasureKind("keypoints held out lie off by", "%", _held_out, _BODY),
    Measure.JOINT_SD: MeasureKind("joints unsure by", "mm", _joint_sd, (*_BODY, *_HANDS)),
    Measure.EXPECTED_ERROR: MeasureKind("error expected", "mm", _expected_error, _BODY),
    Measure.POSE_PRIOR: MeasureKind(
        "energy of the pose", "", _fact(lambda facts: facts.energies["pose_prior"].clamp(min=0))
    ),
    Measure.BONE_DEPTH: MeasureKind(
        "energy of bones' depths", "", _fact(lambda facts: facts.energies["bone_depth"])
    ),
    Measure.ENERGY_GAP: MeasureKind(
        "energy to the next body", "", _fact(lambda facts: facts.gap)
    ),
    Measure.LARGEST_BETA: MeasureKind("largest beta", "", _fact(lambda facts: facts.largest_beta)),
    Measure.SHAPE_SD: MeasureKind("shape of", "sd", _fact(lambda facts: facts.shape_sd)),
    Measure.STATURE: MeasureKind("stature of", "m", _fact(lambda facts: facts.stature)),
    Measure.STATURE_SD: MeasureKind(
        "stature unsure by", "m", _fact(lambda facts: facts.stature_sd)
    ),
    Measure.SHAPE_DETERMINED: MeasureKind(
        "share of the shape determined", "", _fact(lambda facts: facts.shape_determined)
    ),
    Measure.BEYOND_LIMITS: MeasureKind(
        "a joint beyond its range by", "degrees", _fact(lambda facts: facts.beyond_limits)
    ),
    Measure.PENETRATION: MeasureKind(
        "body inside itself by", "mm", _fact(lambda facts: facts.penetration_mm)
    ),
    Measure.KEPT_START: MeasureKind(
        "the prediction was better than the fit:", "", _fact(lambda facts: facts.kept_start)
    ),
    Measure.STATUS: MeasureKind("status", "", _fact(lambda facts: facts.status)),
    Measure.SPIN_LOSS: MeasureKind("loss of SPIN", "", _spin_loss, _BODY),
    Measure.HMR2_LOSS: MeasureKind("loss of 4D-Humans", "", _hmr2_loss, _BODY),
    Measure.EFT_LOSS: MeasureKind("loss of EFT", "", _eft_loss, _BODY),
})  # fmt: skip
