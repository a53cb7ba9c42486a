"""Numbers as files really hold them: from a JSON list to clean points."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

FARTHEST = 1e6  # pixels; a coordinate beyond this is garbage, not a point outside the image
NORMALISED = 1.5  # no person is this small in pixels; such coordinates are fractions of the image
FEWEST = 3  # points needed to tell that


def triplets(value: object) -> Float[np.ndarray, "points 3"] | None:
    """(x, y, confidence) rows from a flat or nested JSON list, NaN where an entry is no number;
    None if not in threes.

    Numbers written as strings count as numbers.
    """
    if not isinstance(value, (list, tuple)):
        return None
    nested = bool(value) and all(isinstance(item, (list, tuple)) for item in value)
    flat = [number for item in value for number in item] if nested else value
    if len(flat) % 3:
        return None
    return _numbers(flat).reshape(-1, 3)


def _numbers(values: list[object]) -> Float[np.ndarray, " n"]:
    try:
        array = np.asarray(values, dtype=np.float64)
        if array.ndim == 1:
            return array
    except (TypeError, ValueError, OverflowError):
        pass  # something in the list is no number: look at each
    return np.array([_number(v) for v in values], dtype=np.float64)


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, (int, float, str)) else float("nan")
    except (ValueError, OverflowError):
        return float("nan")


def clean(points: Float[np.ndarray, "points 3"]) -> tuple[Float[np.ndarray, "points 3"], int]:
    """Points with every unusable one set to zero and confidences at most 1, and how many were not
    numbers.

    Unusable: not finite, farther than FARTHEST, confidence not above 0, or exactly at (0, 0), which
    is how many tools write a missing point.
    """
    finite = np.isfinite(points).all(-1) & (np.abs(np.nan_to_num(points)) < FARTHEST).all(-1)
    safe = np.where(finite[:, None], points, 0.0)
    seen = finite & (safe[:, 2] > 0) & (safe[:, :2] != 0).any(-1)
    kept = np.where(seen[:, None], safe, 0.0)
    kept[:, 2] = kept[:, 2].clip(max=1.0)
    return kept.astype(np.float32), int((~finite).sum())


def looks_normalised(points: Float[np.ndarray, "points 3"]) -> bool:
    """Whether the seen points are fractions of the image rather than pixels."""
    seen: Bool[np.ndarray, " points"] = points[:, 2] > 0
    return int(seen.sum()) >= FEWEST and float(np.abs(points[seen, :2]).max()) <= NORMALISED
