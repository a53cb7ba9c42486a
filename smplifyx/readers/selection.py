"""Who is worth fitting: evidence of each person, and rules that choose among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ..keypoints import names
from ..keypoints.boxes import astray_of_one
from ..keypoints.confidence import CONFIDENT, SEEN
from .frames import Person

# seen points without which no pose can be told: PnP needs three, and one more to choose its branch
FEWEST_POINTS = 4
SMALLEST_BOX = 2.0  # pixels; seen points closer together than this are one point


@dataclass(frozen=True)
class Selection:
    """Rules for choosing people; the default keeps everyone for whom a fit can be tried at all.

    `min_keypoints`: body keypoints (of 25) that must be more confident than `min_confidence`
    (0..1). `min_size_px`: diagonal that the box around the seen points must have. `largest`: keep
    this many of one frame, the largest first (None: all).
    """

    min_keypoints: int = 0
    min_confidence: float | int = CONFIDENT
    min_size_px: float | int = 0.0
    largest: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a rule that no person, or a number that no rule, could mean."""
        if not 0 <= self.min_keypoints <= 25:
            raise ValueError(f"min_keypoints: expected 0..25, got {self.min_keypoints}")
        if not 0 <= self.min_confidence < 1:
            raise ValueError(
                f"min_confidence: expected 0 or more, below 1, got {self.min_confidence}"
            )
        if not 0 <= self.min_size_px < np.inf:
            raise ValueError(f"min_size_px: expected 0 or more pixels, got {self.min_size_px}")
        if self.largest is not None and self.largest < 1:
            raise ValueError(f"largest: expected 1 or more, or none, got {self.largest}")


def seen_points(keypoints: Float[np.ndarray, "*batch 137 3"]) -> Int[np.ndarray, "*batch"]:
    """How many points of all parts were seen (confidence of at least SEEN)."""
    seen = keypoints[..., 2] >= SEEN
    return np.asarray(seen.sum(-1))


def confident_body_points(
    keypoints: Float[np.ndarray, "*batch 137 3"], confidence: float = CONFIDENT
) -> Int[np.ndarray, "*batch"]:
    """How many of the 25 body points are more confident than `confidence`."""
    confident = keypoints[..., names.BODY, 2] > confidence
    return np.asarray(confident.sum(-1))


def box_diagonal(keypoints: Float[np.ndarray, "137 3"]) -> float:
    """Diagonal in pixels of the box around the seen points (confidence of at least SEEN), stray
    ones left out (see `keypoints.boxes`); 0 where there is none.
    """
    xy = keypoints[:, :2]
    seen = keypoints[:, 2] >= SEEN
    within = xy[seen & ~astray_of_one(xy, seen)]
    if not len(within):
        return 0.0
    width, height = within.max(0) - within.min(0)
    return math.hypot(width, height)


def select(people: Sequence[Person], rules: Selection) -> tuple[tuple[Person, ...], dict[int, str]]:
    """Those of one frame to fit, in file order, and for every other person's index the reason in
    one line.
    """
    kept: list[Person] = []
    reasons: dict[int, str] = {}
    for person in people:
        reason = _reject(person, rules)
        if reason is None:
            kept.append(person)
        else:
            reasons[person.index] = reason
    if rules.largest is not None:
        ranked = sorted(kept, key=_largest_first)
        for person in ranked[rules.largest :]:
            reasons[person.index] = f"not among the {rules.largest} largest of the image"
    chosen = tuple(person for person in kept if person.index not in reasons)
    return chosen, dict(sorted(reasons.items()))


def _largest_first(person: Person) -> tuple[float, int]:
    return -box_diagonal(person.keypoints), person.index


def _reject(person: Person, rules: Selection) -> str | None:
    """Why the person is not to be fitted, None if it is."""
    if person.problem is not None:
        return person.problem
    seen = int(seen_points(person.keypoints))
    if not seen:
        return "no keypoints seen"
    if seen < FEWEST_POINTS:
        return f"{seen} keypoints seen, a fit needs {FEWEST_POINTS}"
    size = box_diagonal(person.keypoints)
    smallest = max(SMALLEST_BOX, rules.min_size_px)
    if size < smallest:
        return f"keypoint box of {size:.1f} px, below {smallest:g} px"
    confident = int(confident_body_points(person.keypoints, rules.min_confidence))
    if confident < rules.min_keypoints:
        return (
            f"{confident} body keypoints above {rules.min_confidence:g}, "
            f"{rules.min_keypoints} asked for"
        )
    return None
