"""Who of a frame continues which track, and how far the camera has turned meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from .frame_people import Seen
from .motion import Motion

SAME = 0.15  # similarity from which a person may be the one who was predicted
GOOD = 0.5  # mean similarity below which the camera is suspected to have turned
MOST_TRIED = 100  # shifts of the camera
ALIKE = 1.5  # times that one stature may be another, of one person
STILL = np.zeros(2)

Like = Callable[[Float[NDArray, " 2"]], Float[NDArray, "tracks people"]]


def pairs(
    similarity: Float[NDArray, "tracks people"], least: float = SAME
) -> tuple[tuple[int, int], ...]:
    """The tracks and people, each in at most one pair, whose similarities together are largest;
    none of less than `least`.
    """
    usable = np.where(similarity >= least, similarity, 0.0)
    rows, columns = linear_sum_assignment(usable, maximize=True)
    found = zip(rows.tolist(), columns.tolist(), strict=True)
    return tuple((row, column) for row, column in found if usable[row, column] > 0)


def camera_shift(predicted: Sequence[Motion], seen: Seen, like: Like) -> Float[NDArray, " 2"]:
    """By how many pixels everybody is elsewhere than predicted, because the camera turned.

    predicted: those who were there a frame ago. like: their similarities, where all are shifted by
    so much. Zero where the predictions are good as they are, and for fewer than two people: one
    who jumps may be another.
    """
    expected = min(len(predicted), len(seen.index))
    best = _total(like(STILL))
    if expected < 2 or best >= GOOD * expected:
        return STILL
    found = STILL
    for shift in _shifts(predicted, seen):
        similarity = like(shift)
        total = _total(similarity)
        if total > best and len(pairs(similarity)) >= 2:
            best, found = total, shift
    return found


def _total(similarity: Float[NDArray, "tracks people"]) -> float:
    return sum(float(similarity[pair]) for pair in pairs(similarity))


def _shifts(predicted: Sequence[Motion], seen: Seen) -> list[Float[NDArray, " 2"]]:
    """From each who was predicted to each who is seen and about as large, the smallest first."""
    found: list[Float[NDArray, " 2"]] = []
    for motion in predicted:
        for person, stature in enumerate(seen.stature):
            both = np.isfinite(motion.seen_at) & seen.seen[person]
            smaller, larger = sorted((motion.stature, float(stature)))
            if both.any() and larger <= ALIKE * smaller:
                offsets = seen.xy[person, both] - motion.xy[both]
                found.append(np.median(offsets, axis=0))
    found.sort(key=_smallest_first)
    return found[:MOST_TRIED]


def _smallest_first(shift: Float[NDArray, " 2"]) -> tuple[float, float, float]:
    x, y = shift.tolist()
    return float(np.hypot(x, y)), x, y
