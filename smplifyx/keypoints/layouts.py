"""Detector layouts as tables: which source point feeds each canonical point, and how far it is to
be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ..core.choices import Detector, LayoutName, by_word
from . import names

__all__ = [
    "ABSENT", "LAYOUTS", "Layout", "LayoutName", "TrustRule",
    "detector_of", "to_canonical", "trust",
]  # fmt: skip

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
NAMED_NECK = TrustRule(
    "named_neck", "by its name alone nobody knows where on the neck it is", ("neck",), 0.5
)
NAMED_MID_HIP = TrustRule(
    "named_mid_hip", "by its name alone nobody knows how it was found", ("mid_hip",), 0.5
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
    or ABSENT; `detector`: whose idea it is of where they are.
    """

    name: LayoutName
    points: int
    source: tuple[int, ...]
    rules: tuple[TrustRule, ...] = ()
    detector: Detector = Detector.OPENPOSE

    @cached_property
    def picked(self) -> Int[np.ndarray, " 137"]:
        """The source index of each canonical point, the first one for those that are absent."""
        return np.maximum(np.asarray(self.source), 0)

    @cached_property
    def is_absent(self) -> Bool[np.ndarray, "137 1"]:
        """The canonical points without a source point."""
        return (np.asarray(self.source) == ABSENT)[:, None]

    @cached_property
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


@dataclass(frozen=True)
class _Parts:
    """Source points of hands (21, wrist first) and face (68, or 70 with pupils), where a layout has
    them.
    """

    left_hand: tuple[int, ...] = _absent(21)
    right_hand: tuple[int, ...] = _absent(21)
    face: tuple[int, ...] = _absent(70)


_BODY_ALONE = _Parts()


def _skeleton(body: tuple[int, ...], parts: _Parts = _BODY_ALONE) -> tuple[int, ...]:
    """The source of each of the 137; a face of 68 ends before the pupils."""
    pupils = _absent(70 - len(parts.face))
    return body + parts.left_hand + parts.right_hand + parts.face + pupils


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
_COCO_NECK_18 = (0, 17) + _COCO_17[2:]
# the feet follow the 17 in the order of BODY_25
_COCO_FEET = _COCO_17[:19] + _run(17, 6)
# 17 and 18 are the upper end of the neck and the top of the head
_BODY_25B = _COCO_17[:19] + _run(19, 6)
_COCO_25 = (
    0, 5, 7, 9, 11, 6, 8, 10,
    14, 13, 16, 18, 12, 15, 17,
    2, 1, 4, 3,
    19, 20, 21, 22, 23, 24,
)  # fmt: skip
# rtmlib's and DWPose's: a neck among the 17 makes 18, then the feet in the order of BODY_25
_OPENPOSE_134 = _COCO_18[:19] + _run(18, 6)
_HALPE = (
    0, 18, 6, 8, 10, 5, 7, 9,
    19, 12, 14, 16, 11, 13, 15,
    2, 1, 4, 3,
    20, 22, 24, 21, 23, 25,
)  # fmt: skip
# bottom and top of the head stand where COCO has the eyes
_POSETRACK_17 = (
    0, -1, 6, 8, 10, 5, 7, 9,
    -1, 12, 14, 16, 11, 13, 15,
    -1, -1, 4, 3,
    -1, -1, -1, -1, -1, -1,
)  # fmt: skip
_HUMAN36M_17 = (
    -1, 8, 14, 15, 16, 11, 12, 13,
    0, 1, 2, 3, 4, 5, 6,
    -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1,
)  # fmt: skip
_MPII_16 = (
    -1, 7, 12, 11, 10, 13, 14, 15,
    6, 2, 1, 0, 3, 4, 5,
    -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1,
)  # fmt: skip
_OPENPOSE_MPI_15 = (
    -1, 1, 2, 3, 4, 5, 6, 7,
    -1, 8, 9, 10, 11, 12, 13,
    -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1,
)  # fmt: skip
_CROWDPOSE_14 = (
    -1, 13, 1, 3, 5, 0, 2, 4,
    -1, 7, 9, 11, 6, 8, 10,
    -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1,
)  # fmt: skip
_LSP_14 = (
    -1, 12, 8, 7, 6, 9, 10, 11,
    -1, 2, 1, 0, 3, 4, 5,
    -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1,
)  # fmt: skip
_MEDIAPIPE = (
    0, -1, 12, 14, 16, 11, 13, 15,
    -1, 24, 26, 28, 23, 25, 27,
    5, 2, 8, 7,
    31, -1, 29, 32, -1, 30,
)  # fmt: skip
_MHR_70 = (
    0, 69, 6, 8, 41, 5, 7, 62,
    -1, 10, 12, 14, 9, 11, 13,
    2, 1, 4, 3,
    15, 16, 17, 18, 19, 20,
)  # fmt: skip


def _fingers_from_tips(wrist: int, first: int) -> tuple[int, ...]:
    """A hand whose five fingers, from `first` on, each go from the tip to the knuckle."""
    fingers: list[int] = []
    for tip in range(first, first + 20, 4):
        fingers += [tip + 3, tip + 2, tip + 1, tip]
    return (wrist, *fingers)


_DERIVED = (DERIVED_NECK, DERIVED_MID_HIP)
_LEARNED_BOTH = (LEARNED_NECK, LEARNED_MID_HIP)
_ALL = (
    Layout(LayoutName.BODY_25, 25, _skeleton(_BODY_25), _LEARNED_BOTH),
    Layout(LayoutName.BODY_25B, 25, _skeleton(_BODY_25B), _DERIVED, detector=Detector.COCO),
    Layout(
        LayoutName.BODY_135,
        135,
        # its hands have no wrist of their own: the body's is theirs
        _skeleton(
            _BODY_25B,
            _Parts(left_hand=(9, *_run(25, 20)), right_hand=(10, *_run(45, 20)), face=_run(65, 70)),
        ),
        _DERIVED,
        detector=Detector.COCO,
    ),
    Layout(LayoutName.COCO_19, 19, _skeleton(_COCO_19), _LEARNED_BOTH),
    Layout(LayoutName.COCO_18, 18, _skeleton(_COCO_18), (LEARNED_NECK, DERIVED_MID_HIP)),
    Layout(
        LayoutName.OPENPOSE_MPI_15,
        15,
        _skeleton(_OPENPOSE_MPI_15),
        (LEARNED_NECK, DERIVED_MID_HIP),
    ),
    Layout(
        LayoutName.OPENPOSE_134,
        134,
        _skeleton(
            _OPENPOSE_134,
            _Parts(left_hand=_run(92, 21), right_hand=_run(113, 21), face=_run(24, 68)),
        ),
        _DERIVED,  # a neck that was computed from the shoulders
        detector=Detector.COCO,
    ),
    Layout(LayoutName.OPENPOSE_137, 137, _run(0, 137), _LEARNED_BOTH),
    Layout(LayoutName.COCO_17, 17, _skeleton(_COCO_17), _DERIVED, detector=Detector.COCO),
    Layout(LayoutName.COCO_NECK_18, 18, _skeleton(_COCO_NECK_18), _DERIVED, detector=Detector.COCO),
    Layout(LayoutName.COCO_FEET_23, 23, _skeleton(_COCO_FEET), _DERIVED, detector=Detector.COCO),
    Layout(LayoutName.COCO_25, 25, _skeleton(_COCO_25), _LEARNED_BOTH),
    Layout(
        LayoutName.COCO_WHOLEBODY_133,
        133,
        _skeleton(
            _COCO_FEET, _Parts(left_hand=_run(91, 21), right_hand=_run(112, 21), face=_run(23, 68))
        ),
        _DERIVED,
        detector=Detector.COCO,
    ),
    Layout(
        LayoutName.HALPE_26,
        26,
        _skeleton(_HALPE),
        (FREE_NECK, LEARNED_MID_HIP),
        detector=Detector.HALPE,
    ),
    Layout(
        LayoutName.HALPE_136,
        136,
        _skeleton(
            _HALPE, _Parts(left_hand=_run(94, 21), right_hand=_run(115, 21), face=_run(26, 68))
        ),
        (FREE_NECK, LEARNED_MID_HIP),
        detector=Detector.HALPE,
    ),
    Layout(LayoutName.POSETRACK_17, 17, _skeleton(_POSETRACK_17), _DERIVED, detector=Detector.COCO),
    Layout(LayoutName.HUMAN36M_17, 17, _skeleton(_HUMAN36M_17), _LEARNED_BOTH),
    Layout(
        LayoutName.MPII_16,
        16,
        _skeleton(_MPII_16),
        (FREE_NECK, LEARNED_MID_HIP),
        detector=Detector.HALPE,
    ),
    Layout(
        LayoutName.CROWDPOSE_14,
        14,
        _skeleton(_CROWDPOSE_14),
        (FREE_NECK, DERIVED_MID_HIP),
        detector=Detector.HALPE,
    ),
    Layout(
        LayoutName.LSP_14,
        14,
        _skeleton(_LSP_14),
        (FREE_NECK, DERIVED_MID_HIP),
        detector=Detector.HALPE,
    ),
    Layout(
        LayoutName.MEDIAPIPE_33,
        33,
        _skeleton(_MEDIAPIPE),
        (DERIVED_NECK, DERIVED_MID_HIP, FOOT_INDEX),
        detector=Detector.MEDIAPIPE,
    ),
    # MediaPipe's 33 pose landmarks, then the 21 of its left and of its right hand.
    Layout(
        LayoutName.MEDIAPIPE_75,
        75,
        _skeleton(_MEDIAPIPE, _Parts(left_hand=_run(33, 21), right_hand=_run(54, 21))),
        (DERIVED_NECK, DERIVED_MID_HIP, FOOT_INDEX),
        detector=Detector.MEDIAPIPE,
    ),
    Layout(
        LayoutName.MHR_70,
        70,
        _skeleton(
            _MHR_70,
            _Parts(left_hand=_fingers_from_tips(62, 42), right_hand=_fingers_from_tips(41, 21)),
        ),
        (FREE_NECK, DERIVED_MID_HIP),
        detector=Detector.HALPE,
    ),
    # what a file's own names are worth is not known: neck and middle hip count as little as they
    # do in any layout, and each file has its own table
    Layout(LayoutName.NAMED, 0, _absent(names.COUNT), (NAMED_NECK, NAMED_MID_HIP)),
)
LAYOUTS = MappingProxyType({layout.name: layout for layout in _ALL})


def to_canonical(
    points: Float[np.ndarray, "*batch source 3"], layout: LayoutName | Layout | str
) -> Float[np.ndarray, "*batch 137 3"]:
    """(x, y, confidence) of a detector's layout in the canonical order; what the layout lacks has
    confidence 0.

    A missing neck or middle hip is the mean of shoulders or hips, with the lesser of their
    confidences. The layout may be given by its word ("body_25"). Raises ValueError when the number
    of points is not the layout's.
    """
    table = layout if isinstance(layout, Layout) else LAYOUTS[by_word("layout", layout, LAYOUTS)]
    if points.shape[-2:] != (table.points, 3):
        raise ValueError(
            f"{table.name.value}: expected [..., {table.points}, 3], got {list(points.shape)}"
        )
    # absent points take the first source point for a moment: -1 would be the last
    picked = points[..., table.picked, :]
    canonical = np.where(table.is_absent, np.float32(0), picked).astype(np.float32, copy=False)
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


def detector_of(layout: LayoutName | str | None) -> Detector:
    """Whose idea of where points are a layout has; OpenPose's for none."""
    if layout is None:
        return Detector.OPENPOSE
    return LAYOUTS[by_word("layout", layout, LAYOUTS)].detector


def trust(layout: LayoutName | str) -> Float[np.ndarray, " 137"]:
    """What each canonical point's confidence is to be multiplied with, 0..1: the product of the
    layout's rules.
    """
    factors = np.ones(names.COUNT, dtype=np.float32)
    for rule in LAYOUTS[by_word("layout", layout, LAYOUTS)].rules:
        concerned = [names.POINT_INDEX[point] for point in rule.points]
        factors[concerned] *= rule.factor
    return factors
