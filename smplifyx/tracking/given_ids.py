"""Which of the ids of an input can be believed: those that a tracker gave, not those that count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .frame_people import FramePeople, Seen

# statures that a person moves at once and in a second at most, the camera's turn included
JUMP, FASTEST = 0.3, 5.0
COMMON = 3  # points in common that tell whether somebody jumped


def believed_ids(
    frames: Sequence[FramePeople], seen: Sequence[Seen], fps: float, max_gap: float
) -> frozenset[str]:
    """Ids that name one person: at most once in a frame, in several frames, and without jumps.

    An annotation's own number is in one frame alone, and a place in the frame's list jumps from
    one person to another.
    """
    places: dict[str, list[tuple[int, int]]] = {}
    doubtful: set[str] = set()
    for number, frame in enumerate(frames):
        doubtful |= {name for name, count in Counter(frame.ids).items() if count > 1}
        for rank, person in enumerate(seen[number].index):
            name = frame.id_of(person)
            if name:
                places.setdefault(name, []).append((number, rank))
    for name, where in places.items():
        pairs = zip(where, where[1:], strict=False)
        if len(where) < 2 or any(_jumps(frames, seen, *pair, fps, max_gap) for pair in pairs):
            doubtful.add(name)
    return frozenset(places) - doubtful


def _jumps(
    frames: Sequence[FramePeople],
    seen: Sequence[Seen],
    before: tuple[int, int],
    after: tuple[int, int],
    fps: float,
    max_gap: float,
) -> bool:
    """Whether one person cannot be in both of these (frame, rank) places."""
    seconds = (frames[after[0]].frame - frames[before[0]].frame) / fps
    first, second = seen[before[0]], seen[after[0]]
    both = first.seen[before[1]] & second.seen[after[1]]
    if seconds > max_gap or both.sum() < COMMON:
        return False
    shift = np.median(second.xy[after[1], both] - first.xy[before[1], both], axis=0)
    stature = max(first.stature[before[1]], second.stature[after[1]])
    return bool(np.linalg.norm(shift) > (JUMP + FASTEST * seconds) * stature)
