"""From the names of frames to clips: whose numbers count on, and what is before and behind them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

# the last number of a name is the frame's; with more digits it is a date, a hash or a time stamp
_NUMBER = re.compile(r"(.*?)([0-9]{1,15})([^0-9]*)\Z", re.DOTALL)


@dataclass(frozen=True)
class FrameSequence:
    """The frames of one clip in order of time.

    name: what their names have in common, with * for the number. stems: the names. numbers: of the
    frames, which rise; those that are left out are frames that are missing.
    """

    name: str
    stems: tuple[str, ...]
    numbers: tuple[int, ...]

    @property
    def step(self) -> int:
        """By how much the numbers count on, where no frame is missing."""
        steps = [
            after - before for before, after in zip(self.numbers, self.numbers[1:], strict=False)
        ]
        return math.gcd(*steps) or 1


def sequences_of(stems: Iterable[str]) -> tuple[FrameSequence, ...]:
    """The clips that frames of these names are of, sorted by name.

    Frames are of one clip where their names differ in the last number alone, which tells their
    order: frame9 comes before frame10. A name without a number is a clip of its own, and so is one
    whose number is there already (frame9 and frame09).
    """
    clips: dict[tuple[str, int], dict[int, str]] = {}
    for stem in sorted(set(stems)):
        name, number = _parts(stem)
        again = 0
        while number in clips.setdefault((name, again), {}):
            again += 1
        clips[name, again][number] = stem
    return tuple(_sequence(name, clip) for (name, _), clip in sorted(clips.items()))


def _parts(stem: str) -> tuple[str, int]:
    """The name with * for its number, and the number."""
    match = _NUMBER.match(stem)
    if match is None:
        return stem, 0
    return f"{match[1]}*{match[3]}", int(match[2])


def _sequence(name: str, clip: dict[int, str]) -> FrameSequence:
    numbers = tuple(sorted(clip))
    return FrameSequence(name, tuple(clip[number] for number in numbers), numbers)
