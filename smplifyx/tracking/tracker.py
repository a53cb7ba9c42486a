"""From the people of each frame to tracks: predict, match, correct, frame by frame; then the pieces
that belong together are joined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from .frame_people import FramePeople, Seen
from .given_ids import believed_ids
from .joining import joined
from .matching import STILL, camera_shift, pairs
from .motion import Motion
from .similarity import similarities
from .track import Track, renumbered

# Sums of confidences. Who is less sure than STRONG begins no track, but may continue one, as in
# ByteTrack (Zhang et al. 2022); who is less than WEAK is nobody.
STRONG, WEAK = 3.0, 1.0
# Frames that make a track sure. Others get whom the sure ones leave: they may be of a ghost.
SURE = 3
BY_ID = 2.0  # similarity of those whose ids are equal: more than any other


@dataclass(frozen=True)
class TrackRules:
    """What is known of a clip, and what a track must be.

    fps: frame numbers that pass in a second. max_gap: seconds that a person may be unseen and still
    be known again. min_frames: people seen in fewer frames are in no track.
    """

    fps: float = 30.0
    max_gap: float = 1.0
    min_frames: int = 1

    def __post_init__(self) -> None:
        """Raises ValueError, one line, for what no clip has."""
        if not 0 < self.fps < math.inf:
            raise ValueError(f"fps: expected a number above 0, got {self.fps}")
        if not 0 <= self.max_gap < math.inf:
            raise ValueError(f"max_gap: expected 0 seconds or more, got {self.max_gap}")
        if self.min_frames < 1:
            raise ValueError(f"min_frames: expected 1 or more, got {self.min_frames}")

    @property
    def memory(self) -> float:
        """Seconds between two frames with a person, at most; half a frame is for rounding."""
        return self.max_gap + 1.5 / self.fps


def track_people(
    frames: Sequence[FramePeople], rules: TrackRules | None = None
) -> tuple[Track, ...]:
    """Who is who in the frames of one clip, which follow one another in time.

    Numbers may be left out: such frames pass unseen. The order of the people within a frame does
    not matter. Raises ValueError where the frames' numbers do not rise.
    """
    rules = rules or TrackRules()
    for before, after in zip(frames, frames[1:], strict=False):
        if after.frame <= before.frame:
            raise ValueError(f"frame {after.frame} comes after frame {before.frame}")
    seen = [Seen.of(frame) for frame in frames]
    tracker = _Tracker(rules, believed_ids(frames, seen, rules.fps, rules.max_gap))
    for number, frame in enumerate(frames):
        tracker.look(number, frame, seen[number])
    pieces = [growing.track(number) for number, growing in enumerate(tracker.tracks)]
    tracks = joined(pieces, frames, rules.fps, rules.max_gap)
    return renumbered([track for track in tracks if len(track.frames) >= rules.min_frames])


@dataclass
class _Growing:
    """A track to which frames are added."""

    motion: Motion
    given_id: str
    frames: list[int] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    past: dict[float, Motion] = field(default_factory=dict)  # what was known, by the time

    def add(self, frame: int, person: int, score: float, memory: float) -> None:
        """The person of a frame. memory: seconds that the past is kept."""
        self.past[self.motion.at] = self.motion
        while self.motion.at - next(iter(self.past)) > memory:
            del self.past[next(iter(self.past))]
        self.frames.append(frame)
        self.people.append(person)
        self.scores.append(score)

    def track(self, number: int) -> Track:
        return Track(
            number, tuple(self.frames), tuple(self.people), tuple(self.scores), self.given_id
        )


@dataclass
class _Tracker:
    """Everybody who was seen so far."""

    rules: TrackRules
    believed: frozenset[str]
    tracks: list[_Growing] = field(default_factory=list)
    now: float = -math.inf  # seconds, of the last frame

    def look(self, number: int, people: FramePeople, seen: Seen) -> None:
        """Adds the people of the next frame to their tracks, and begins tracks of the others."""
        at = people.frame / self.rules.fps
        ids = [self._id(people.id_of(person)) for person in seen.index]
        there = [track for track in self.tracks if self._may_be_seen(track, at, ids)]
        self._turn(there, seen, at)
        taken = self._continued(there, seen, at, ids)
        for rank, person in enumerate(seen.index):
            xy, shown, stature = seen.xy[rank], seen.seen[rank], float(seen.stature[rank])
            if rank in taken:
                track, score = taken[rank]
                track.motion = track.motion.corrected(at, xy, shown, stature, score)
                track.given_id = track.given_id or ids[rank]
            elif self._begins(seen, rank, ids[rank]):
                track, score = _Growing(Motion.begun(at, xy, shown, stature), ids[rank]), 1.0
                self.tracks.append(track)
            else:
                continue
            track.add(number, person, score, self.rules.memory)
        self.now = at

    def _id(self, name: str) -> str:
        return name if name in self.believed else ""

    def _may_be_seen(self, track: _Growing, at: float, ids: Sequence[str]) -> bool:
        """Not yet too long gone; whom the input calls by name may come back whenever."""
        return self._is_known(track, at) or bool(track.given_id and track.given_id in ids)

    def _is_known(self, track: _Growing, at: float) -> bool:
        return at - track.motion.at <= self.rules.memory

    def _begins(self, seen: Seen, rank: int, name: str) -> bool:
        """Whether somebody of whom nothing was known is somebody."""
        is_sure = bool(name) or float(seen.strength[rank]) >= STRONG
        return is_sure and bool(seen.seen[rank].any())

    def _turn(self, there: Sequence[_Growing], seen: Seen, at: float) -> None:
        """Moves those of the last frame as the camera's turn since then does."""
        recent = [track for track in there if track.motion.at == self.now]
        predicted = [track.motion.predicted(at) for track in recent]

        def like(shift: Float[NDArray, " 2"]) -> Float[NDArray, "tracks people"]:
            return similarities(predicted, seen, at, self.rules.memory, shift)

        shift = camera_shift(predicted, seen, like)
        if shift is not STILL:
            for track in recent:
                track.motion = track.motion.turned(shift, at)

    def _predicted(self, track: _Growing, there: Sequence[_Growing], at: float) -> Motion:
        """Where a person should be seen. Who is out of sight goes on as before, and with the
        camera: as far off as the others are now from where they were going then. Where most do not
        agree, it is not the camera.
        """
        predicted = track.motion.predicted(at)
        if track.motion.at == self.now:
            return predicted
        surprises = [STILL]
        for other in there:
            then = other.past.get(track.motion.at)
            if then is not None and other.motion.at == self.now:
                expected = then.predicted(at).middle
                surprises.append(other.motion.predicted(at).middle - expected)
        return predicted.moved(np.median(surprises, axis=0))

    def _continued(
        self, there: Sequence[_Growing], seen: Seen, at: float, ids: Sequence[str]
    ) -> dict[int, tuple[_Growing, float]]:
        """The track of each who continues one, by rank, and how like they are: first who is sure,
        then the others.
        """
        similarity = self._similarity(there, seen, at, ids)
        named = np.array([bool(name) for name in ids], dtype=bool)
        strong = (seen.strength >= STRONG) | named
        weak = (seen.strength >= WEAK) & ~strong
        free = np.ones(len(there), dtype=bool)
        sure = np.array([len(track.frames) >= SURE for track in there], dtype=bool)
        found: dict[int, tuple[_Growing, float]] = {}
        for tracks, people in ((sure, strong), (sure, weak), (~sure, strong), (~sure, weak)):
            still = np.array([rank not in found for rank in range(len(ids))], dtype=bool)
            for row, rank in _pairs_of(similarity, tracks & free, people & still):
                found[rank] = (there[row], min(float(similarity[row, rank]), 1.0))
                free[row] = False
        return found

    def _similarity(
        self, there: Sequence[_Growing], seen: Seen, at: float, ids: Sequence[str]
    ) -> Float[NDArray, "tracks people"]:
        """How like those are who may be seen; ids have the last word."""
        predicted = [self._predicted(track, there, at) for track in there]
        similarity = similarities(predicted, seen, at, self.rules.memory)
        for row, track in enumerate(there):
            if not self._is_known(track, at):
                similarity[row] = 0.0
            for rank, name in enumerate(ids):
                if name and name == track.given_id:
                    similarity[row, rank] = BY_ID
                elif name and track.given_id:
                    similarity[row, rank] = 0.0
        return similarity


def _pairs_of(
    similarity: Float[NDArray, "tracks people"],
    tracks: Bool[NDArray, " tracks"],
    people: Bool[NDArray, " people"],
) -> list[tuple[int, int]]:
    """`pairs` among some of the tracks and some of the people."""
    rows, columns = np.flatnonzero(tracks), np.flatnonzero(people)
    found = pairs(similarity[np.ix_(rows, columns)])
    return [(int(rows[row]), int(columns[column])) for row, column in found]
