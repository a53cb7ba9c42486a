"""Who is fitted: people chosen by evidence, by size, or the largest of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .people import Person

CONFIDENT = 0.3
FEWEST = 4  # points of any kind without which no fit is attempted


@dataclass(frozen=True)
class Selection:
    """Rules for leaving people out; the defaults keep everyone who can be fitted at all."""

    min_points: int = 0  # confident points, of body, hands and face together
    min_size: float = 0.0  # pixels: diagonal of the box around the seen points
    largest: int | None = None  # of each image


def select(people: Sequence[Person], rules: Selection) -> dict[int, str]:
    """Why each person who is left out is left out, by index; everyone else is kept."""
    reasons = {p.index: reason for p in people if (reason := _reason(p, rules)) is not None}
    if rules.largest is not None:
        left = sorted((p for p in people if p.index not in reasons), key=lambda p: (-box_diagonal(p.keypoints), p.index))
        reasons |= {p.index: f"not among the {rules.largest} largest of the image" for p in left[rules.largest :]}
    return reasons


def _reason(person: Person, rules: Selection) -> str | None:
    seen, confident = (int((person.keypoints[:, 2] > level).sum()) for level in (0.0, CONFIDENT))
    size = box_diagonal(person.keypoints)
    if seen < FEWEST:
        return f"{seen} seen keypoints, at least {FEWEST} are needed for a fit"
    if confident < rules.min_points:
        return f"{confident} confident keypoints, {rules.min_points} asked for"
    if size < rules.min_size:
        return f"{size:.0f} px large, {rules.min_size:.0f} px asked for"
    return None


def box_diagonal(keypoints: Float[np.ndarray, "137 3"]) -> float:
    """Diagonal in pixels of the box around the seen points; 0 for none."""
    seen = keypoints[keypoints[:, 2] > 0, :2]
    return float(np.linalg.norm(seen.max(0) - seen.min(0))) if len(seen) else 0.0
