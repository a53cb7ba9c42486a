"""Numbers as files really hold them: from a JSON list to clean points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from .frames import Note

FARTHEST = 1e6  # pixels; a coordinate beyond this is garbage, not a point outside the image
NORMALISED = 1.5  # no person is this small in pixels; such coordinates are fractions of the image
FEWEST = 3  # points needed to tell that


@dataclass(frozen=True, eq=False)
class PartPoints:
    """(x px, y px, confidence 0..1) of one part of a person, zero where unseen; `notes` say what of
    it could not be used.
    """

    points: Float[np.ndarray, "points 3"]
    notes: tuple[Note, ...] = ()

    @classmethod
    def absent(cls, count: int, *notes: Note) -> PartPoints:
        """So many unseen points."""
        return cls(points=np.zeros((count, 3), np.float32), notes=notes)


def triplets(value: object) -> Float[np.ndarray, "points 3"] | None:
    """(x, y, confidence) of each point of a flat or nested JSON list, NaN where an entry is no
    number; None if not in threes.

    Numbers written as strings count as numbers.
    """
    if not isinstance(value, (list, tuple)):
        return None
    flat: list[object] = list(value)
    if value and all(isinstance(item, (list, tuple)) for item in value):
        flat = [number for item in value for number in item]
    if len(flat) % 3:
        return None
    return numbers(flat).reshape(-1, 3)


def numbers(values: Sequence[object]) -> Float[np.ndarray, " n"]:
    """Values as numbers, NaN where one is none; numbers written as strings count."""
    # numpy converts a clean list, strings of numbers included, many times quicker than a loop
    try:
        array = np.asarray(values, dtype=np.float64)
        if array.ndim == 1:
            return array
    except (TypeError, ValueError, OverflowError):
        pass  # something in the list is no number: look at each
    return np.array([number_or_nan(value) for value in values], dtype=np.float64)


def number_or_nan(value: object) -> float:
    """A JSON value as a number, read from a string where it is one; NaN for anything else."""
    if not isinstance(value, (int, float, str)):
        return float("nan")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")


def length_or_type(value: object) -> str:
    """What is there instead of a list of the right length, for a message."""
    return str(len(value)) if isinstance(value, list) else type(value).__name__


def clean(points: Float[np.ndarray, "points 3"], name: str) -> PartPoints:
    """Points with every unusable one set to zero; a note under `name` where some were not numbers.

    Unusable: not finite, farther than FARTHEST, confidence not above 0, or exactly at (0, 0), which
    is how many tools write a missing point.
    """
    usable = np.asarray((np.abs(points) < FARTHEST).all(-1))  # NaN is not near either
    placed = (points[:, 0] != 0) | (points[:, 1] != 0)
    seen = np.asarray(usable & (points[:, 2] > 0) & placed)
    kept = np.where(seen[:, None], points, 0.0)
    broken = len(usable) - int(np.count_nonzero(usable))
    notes: tuple[Note, ...] = ()
    if broken:
        notes = (
            Note(
                "points that are not finite numbers ignored", f"{name}: {broken} of {len(points)}"
            ),
        )
    return PartPoints(points=kept.astype(np.float32), notes=notes)


def looks_normalised(points: Float[np.ndarray, "points 3"]) -> bool:
    """Whether the seen points are fractions of the image rather than pixels."""
    seen: Bool[np.ndarray, " points"] = points[:, 2] > 0
    if np.count_nonzero(seen) < FEWEST:
        return False
    # unseen points are zero, where readers made them
    return float(np.abs(points[:, :2]).max()) <= NORMALISED
