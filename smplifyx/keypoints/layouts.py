"""Detector layouts as tables: which source point feeds each canonical point, and how far it is to
be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..core.choices import LayoutName, by_word
from . import names

__all__ = ["ABSENT", "LAYOUTS", "Layout", "LayoutName", "TrustRule", "to_canonical", "trust"]

ABSENT = -1


@dataclass(frozen=True)
class TrustRule:
    """Why some points of a layout are worth less than the same points of another, and by what
    factor in 0..1.
    """

    name: str
    reason: str
    points: tuple[str, ...]
    factor: float


# A factor is relative to the width that a preset gives to the kind of point (hips, neck and contour
# are wide there for every layout, since no detector puts them where a body model does); 1 / sqrt(2)
# halves the point's energy.
_LEARNED = (
    "the detector learned it as the midpoint of two other points, "
    "so it tells little that they do not"
)
LEARNED_NECK = TrustRule("learned_neck", _LEARNED, ("neck",), 0.7)
LEARNED_MID_HIP = TrustRule("learned_mid_hip", _LEARNED, ("mid_hip",), 0.7)
DERIVED_NECK = TrustRule(
    "derived_neck", "the layout has no neck; the mean of the shoulders stands in", ("neck",), 0.5
)
DERIVED_MID_HIP = TrustRule(
    "derived_mid_hip",
    "the layout has no middle hip; the mean of the hips stands in",
    ("mid_hip",),
    0.5,
)
FREE_NECK = TrustRule(
    "free_neck", "annotated on the neck itself, above the middle of the shoulders", ("neck",), 0.5
)
FOOT_INDEX = TrustRule(
    "foot_index",
    "the tip of the foot stands in for the big toe",
    ("left_big_toe", "right_big_toe"),
    0.7,
)

# canonical point, and the two whose mean it is where a layout has none
MIDPOINTS = MappingProxyType({
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
})  # fmt: skip


class Midpoint(NamedTuple):
    """Canonical indices of a point and of the two whose mean it is."""

    target: int
    first: int
    second: int


@dataclass(frozen=True)
class Layout:
    """One skeleton: `points` source points, and for each of the 137 canonical ones its source index
    or ABSENT.
    """

    name: LayoutName
    points: int
    source: tuple[int, ...]
    rules: tuple[TrustRule, ...] = ()

    @property
    def midpoints(self) -> tuple[Midpoint, ...]:
        """The canonical points that the layout lacks and that are the mean of two it has."""
        found: list[Midpoint] = []
        for target, ends in MIDPOINTS.items():
            midpoint = Midpoint(*(names.POINT_INDEX[name] for name in (target, *ends)))
            has_target = self.source[midpoint.target] != ABSENT
            has_ends = ABSENT not in (self.source[midpoint.first], self.source[midpoint.second])
            if has_ends and not has_target:
                found.append(midpoint)
        return tuple(found)

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the canonical points that this layout can give, in canonical order."""
        made = {midpoint.target for midpoint in self.midpoints}
        found: list[str] = []
        for index, name in enumerate(names.POINT_NAMES):
            if self.source[index] != ABSENT or index in made:
                found.append(name)
        return tuple(found)


def _run(start: int, count: int) -> tuple[int, ...]:
    """Source points one after the other."""
    return tuple(range(start, start + count))


def _absent(count: int) -> tuple[int, ...]:
    """Canonical points that the layout does not have."""
    return (ABSENT,) * count


def _skeleton(
    body: tuple[int, ...],
    left_hand: int | None = None,
    right_hand: int | None = None,
    face: int | None = None,
) -> tuple[int, ...]:
    """A body table, then where each hand of 21 and the face of 68 begin; pupils are in none of
    these layouts.
    """
    left_points = _absent(21) if left_hand is None else _run(left_hand, 21)
    right_points = _absent(21) if right_hand is None else _run(right_hand, 21)
    face_points = _absent(68) if face is None else _run(face, 68)
    pupils = _absent(2)
    return body + left_points + right_points + face_points + pupils


# Source index of each BODY_25 point, -1 for ABSENT. A table has four lines: nose, neck, right arm,
# left arm; middle hip, right leg, left leg; right eye, left eye, right ear, left ear; big toe,
# small toe and heel of the left foot, then of the right.
_BODY_25 = _run(0, 25)
_COCO_19 = _run(0, 19) + _absent(6)
_COCO_18 = (
    0, 1, 2, 3, 4, 5, 6, 7,
    -1, 8, 9, 10, 11, 12, 13,
    14, 15, 16, 17,
    -1, -1, -1, -1, -1, -1,
)  # fmt: skip
_COCO_17 = (
    0, -1, 6, 8, 10, 5, 7, 9,
    -1, 12, 14, 16, 11, 13, 15,
    2, 1, 4, 3,
    -1, -1, -1, -1, -1, -1,
)  # fmt: skip
# the feet follow the 17 in the order of BODY_25
_WHOLEBODY = _COCO_17[:19] + _run(17, 6)
_HALPE = (
    0, 18, 6, 8, 10, 5, 7, 9,
    19, 12, 14, 16, 11, 13, 15,
    2, 1, 4, 3,
    20, 22, 24, 21, 23, 25,
)  # fmt: skip
_MEDIAPIPE = (
    0, -1, 12, 14, 16, 11, 13, 15,
    -1, 24, 26, 28, 23, 25, 27,
    5, 2, 8, 7,
    31, -1, 29, 32, -1, 30,
)  # fmt: skip

_ALL = (
    Layout(LayoutName.BODY_25, 25, _skeleton(_BODY_25), (LEARNED_NECK, LEARNED_MID_HIP)),
    Layout(LayoutName.COCO_19, 19, _skeleton(_COCO_19), (LEARNED_NECK, LEARNED_MID_HIP)),
    Layout(LayoutName.COCO_18, 18, _skeleton(_COCO_18), (LEARNED_NECK, DERIVED_MID_HIP)),
    Layout(LayoutName.COCO_17, 17, _skeleton(_COCO_17), (DERIVED_NECK, DERIVED_MID_HIP)),
    Layout(
        LayoutName.COCO_WHOLEBODY_133,
        133,
        _skeleton(_WHOLEBODY, left_hand=91, right_hand=112, face=23),
        (DERIVED_NECK, DERIVED_MID_HIP),
    ),
    Layout(LayoutName.HALPE_26, 26, _skeleton(_HALPE), (FREE_NECK, LEARNED_MID_HIP)),
    Layout(
        LayoutName.HALPE_136,
        136,
        _skeleton(_HALPE, left_hand=94, right_hand=115, face=26),
        (FREE_NECK, LEARNED_MID_HIP),
    ),
    # MediaPipe's 33 pose landmarks, then the 21 of its left and of its right hand.
    Layout(
        LayoutName.MEDIAPIPE_75,
        75,
        _skeleton(_MEDIAPIPE, left_hand=33, right_hand=54),
        (DERIVED_NECK, DERIVED_MID_HIP, FOOT_INDEX),
    ),
)
LAYOUTS = MappingProxyType({layout.name: layout for layout in _ALL})


def to_canonical(
    points: Float[np.ndarray, "*batch source 3"], layout: LayoutName | str
) -> Float[np.ndarray, "*batch 137 3"]:
    """(x, y, confidence) of a detector's layout in the canonical order; what the layout lacks has
    confidence 0.

    A missing neck or middle hip is the mean of shoulders or hips, with the lesser of their
    confidences. The layout may be given by its word ("body_25"). Raises ValueError when the number
    of points is not the layout's.
    """
    table = LAYOUTS[by_word("layout", layout, LAYOUTS)]
    if points.shape[-2:] != (table.points, 3):
        raise ValueError(
            f"{table.name.value}: expected [..., {table.points}, 3], got {list(points.shape)}"
        )
    source = np.asarray(table.source)  # [137]
    absent = (source == ABSENT)[:, None]
    # absent points take the first source point for a moment: -1 would be the last
    picked = points[..., np.maximum(source, 0), :]
    canonical = np.where(absent, 0.0, picked).astype(np.float32)
    for midpoint in table.midpoints:
        first = canonical[..., midpoint.first, :]
        second = canonical[..., midpoint.second, :]
        canonical[..., midpoint.target, :] = _mean_of(first, second)
    return canonical


def _mean_of(
    first: Float[np.ndarray, "*batch 3"], second: Float[np.ndarray, "*batch 3"]
) -> Float[np.ndarray, "*batch 3"]:
    """Of two points (x, y, confidence), as sure as the less sure one; zero where one is unseen."""
    confidence = np.minimum(first[..., 2:], second[..., 2:])
    middle = (first[..., :2] + second[..., :2]) / 2
    xy = np.where(confidence > 0, middle, 0.0)
    return np.concatenate([xy, confidence], -1)


def trust(layout: LayoutName | str) -> Float[np.ndarray, " 137"]:
    """What each canonical point's confidence is to be multiplied with, 0..1: the product of the
    layout's rules.
    """
    factors = np.ones(names.COUNT, dtype=np.float32)
    for rule in LAYOUTS[by_word("layout", layout, LAYOUTS)].rules:
        concerned = [names.POINT_INDEX[point] for point in rule.points]
        factors[concerned] *= rule.factor
    return factors
