"""What tracking gives: in which frames a person is, and which of the frame's people it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .frame_people import FramePeople


@dataclass(frozen=True)
class Track:
    """One person through a clip.

    number: from 0, those who come first first, from left to right. frames: where in the clip, each
    the place of a frame in the sequence given (not its number). people: which person of each frame.
    scores: 0..1, how like the person was to the one predicted; 1 where a track begins, and for
    those whom the input names. given_id: what the input calls the person; "": it does not, or is
    not believed. joins: the places in `frames` at which an earlier piece was joined to a later one.
    """

    number: int
    frames: tuple[int, ...]
    people: tuple[int, ...]
    scores: tuple[float, ...]
    given_id: str = ""
    joins: tuple[int, ...] = ()

    @property
    def is_given_id(self) -> bool:
        """Whether the input says who it is."""
        return bool(self.given_id)

    def before(self, other: Track) -> Track:
        """This track with one that begins after it ends."""
        return replace(
            self,
            frames=self.frames + other.frames,
            people=self.people + other.people,
            scores=self.scores + other.scores,
            given_id=self.given_id or other.given_id,
            joins=(*self.joins, len(self.frames), *(len(self.frames) + at for at in other.joins)),
        )

    def part(self, start: int, stop: int) -> Track:
        """A piece, by places in `frames`."""
        return replace(
            self,
            frames=self.frames[start:stop],
            people=self.people[start:stop],
            scores=self.scores[start:stop],
            joins=tuple(at - start for at in self.joins if start < at < stop),
        )


def numbered(
    tracks: Sequence[Track], frames: Sequence[FramePeople]
) -> tuple[tuple[int | None, ...], ...]:
    """The number of the track of each person of each frame; None for those who are in none."""
    found: list[list[int | None]] = [[None] * len(frame.keypoints) for frame in frames]
    for track in tracks:
        for frame, person in zip(track.frames, track.people, strict=True):
            found[frame][person] = track.number
    return tuple(map(tuple, found))


def renumbered(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """The same tracks with numbers from 0 in their order."""
    return tuple(replace(track, number=number) for number, track in enumerate(tracks))
