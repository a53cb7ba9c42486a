"""Who is worth fitting: evidence of each person, and rules that choose among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ..keypoints import names
from .frames import Person

SEEN = 0.1  # a confidence below this counts as not seen: such points only blur a fit
CONFIDENT = 0.3  # a confidence above this counts as evidence
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
        _require(0 <= self.min_keypoints <= 25, "min_keypoints", "0..25", self.min_keypoints)
        _require(
            0 <= self.min_confidence < 1,
            "min_confidence",
            "0 or more, below 1",
            self.min_confidence,
        )
        _require(
            0 <= self.min_size_px < np.inf, "min_size_px", "0 or more pixels", self.min_size_px
        )
        _require(
            self.largest is None or self.largest >= 1, "largest", "1 or more, or none", self.largest
        )


def _require(valid: bool, field: str, allowed: str, value: object) -> None:
    if not valid:
        raise ValueError(f"{field}: expected {allowed}, got {value}")


def seen_points(keypoints: Float[np.ndarray, "*batch 137 3"]) -> Int[np.ndarray, "*batch"]:
    """How many points of all parts were seen (confidence of at least SEEN)."""
    return np.asarray((keypoints[..., 2] >= SEEN).sum(-1))


def confident_body_points(
    keypoints: Float[np.ndarray, "*batch 137 3"], confidence: float = CONFIDENT
) -> Int[np.ndarray, "*batch"]:
    """How many of the 25 body points are more confident than `confidence`."""
    return np.asarray((keypoints[..., names.BODY, 2] > confidence).sum(-1))


def box_diagonal(keypoints: Float[np.ndarray, "*batch 137 3"]) -> Float[np.ndarray, "*batch"]:
    """Diagonal in pixels of the box around the seen points (confidence of at least SEEN); 0 where
    there is none.
    """
    seen = keypoints[..., 2:] >= SEEN
    low = np.where(seen, keypoints[..., :2], np.inf).min(-2)
    high = np.where(seen, keypoints[..., :2], -np.inf).max(-2)
    extent = np.where(seen.any(-2), high - low, 0.0)
    return np.asarray(np.hypot(extent[..., 0], extent[..., 1]))


def select(people: Sequence[Person], rules: Selection) -> tuple[tuple[Person, ...], dict[int, str]]:
    """Those of one frame to fit, in file order, and for every other person's index the reason in
    one line.
    """
    reasons = {p.index: reason for p in people if (reason := _reject(p, rules)) is not None}
    kept = [p for p in people if p.index not in reasons]
    if rules.largest is not None:
        ranked = sorted(kept, key=lambda p: (-float(box_diagonal(p.keypoints)), p.index))
        reasons |= {
            p.index: f"not among the {rules.largest} largest of the image"
            for p in ranked[rules.largest :]
        }
    return tuple(p for p in kept if p.index not in reasons), dict(sorted(reasons.items()))


def _reject(person: Person, rules: Selection) -> str | None:
    if person.problem is not None:
        return person.problem
    seen, size = int(seen_points(person.keypoints)), float(box_diagonal(person.keypoints))
    if seen < FEWEST_POINTS:
        return (
            f"{seen} keypoints seen, a fit needs {FEWEST_POINTS}" if seen else "no keypoints seen"
        )
    if size < max(SMALLEST_BOX, rules.min_size_px):
        return f"keypoint box of {size:.1f} px, below {max(SMALLEST_BOX, rules.min_size_px):g} px"
    body = int(confident_body_points(person.keypoints, rules.min_confidence))
    if body < rules.min_keypoints:
        return (
            f"{body} body keypoints above {rules.min_confidence:g}, {rules.min_keypoints} asked for"
        )
    return None
