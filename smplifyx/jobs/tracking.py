"""Who is who in a folder of keypoints, as a table: a line for every person of every frame."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ..core.messages import cell
from ..core.npz import replacing
from ..keypoints import names
from ..readers.folder import read_frames
from ..readers.frames import Frame
from ..tracking import FramePeople, Track, TrackRules, track_people
from ..tracking.sequences import sequences_of

TABLE = "tracked_people.csv"
COLUMNS = ("stem", "person", "track", "score", "id", "id_given", "notes")
UNTRACKED = "in too few frames, or too few points"


@dataclass(frozen=True)
class TrackedPerson:
    """One line of tracked_people.csv.

    stem: the frame's. person: the place in its file; None: the line is about the whole frame.
    track: the number, which no other clip of the folder has; None: in no track. score: 0..1, how
    like the person was to the one predicted. id: what the input calls them; id_given: whether the
    track goes by that. notes: gaps before, and why there is no track.
    """

    stem: str
    person: int | None
    track: int | None = None
    score: float | None = None
    id: str = ""
    id_given: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrackSummary:
    """What became of a folder: its clips, frames, people and tracks, and how many people are in no
    track.
    """

    clips: int
    frames: int
    people: int
    tracks: int
    untracked: int

    def __str__(self) -> str:
        return (
            f"{self.tracks} tracks of {self.people} people in {self.frames} frames of "
            f"{self.clips} clips; {self.untracked} in no track"
        )


@dataclass(frozen=True, eq=False)
class _ReadFrame:
    """What is kept of a frame: of each person the body points, the id, and what is wrong."""

    problem: str
    body: Float[NDArray, "people 25 3"]
    ids: tuple[str, ...]
    problems: tuple[str, ...]

    @classmethod
    def of(cls, frame: Frame) -> _ReadFrame:
        body = [person.keypoints[names.BODY] for person in frame.people]
        return cls(
            problem=frame.problem or "",
            body=np.stack(body) if body else np.zeros((0, 25, 3), np.float32),
            ids=tuple(person.id for person in frame.people),
            problems=tuple(person.problem or "" for person in frame.people),
        )

    def people(self, number: int) -> FramePeople:
        """As the tracker takes them."""
        keypoints = np.zeros((len(self.body), names.COUNT, 3), np.float32)
        keypoints[:, names.BODY] = self.body
        return FramePeople(number, keypoints, self.ids)


def track_folder(
    source: Path,
    out: Path,
    rules: TrackRules | None = None,
    advance: Callable[[], None] = lambda: None,
) -> TrackSummary:
    """Tracks everybody in a folder or file of keypoints and writes `out/tracked_people.csv`, whole
    or not at all.

    Frames whose names differ in the last number alone are one clip (`tracking.sequences`), each
    tracked by itself. advance: called after each frame. Raises KeypointError where there is nothing
    to read, OSError where the table cannot be written.
    """
    rules = rules or TrackRules()
    frames: dict[str, _ReadFrame] = {}
    for frame in read_frames(source):
        frames[frame.stem] = _ReadFrame.of(frame)
        advance()
    clips = sequences_of(frames)
    lines: list[TrackedPerson] = []
    tracks = 0
    for clip in clips:
        read = [frames[stem] for stem in clip.stems]
        people = [one.people(number) for one, number in zip(read, clip.numbers, strict=True)]
        found = track_people(people, rules)
        lines += _lines(clip.stems, read, _places(found, people, rules.fps, tracks))
        tracks += len(found)
    write_table(out / TABLE, lines)
    seen = [line for line in lines if line.person is not None]
    return TrackSummary(
        clips=len(clips),
        frames=len(frames),
        people=len(seen),
        tracks=tracks,
        untracked=sum(line.track is None for line in seen),
    )


def write_table(path: Path, lines: Sequence[TrackedPerson]) -> None:
    """Writes the table; makes the folder. Raises OSError where that cannot be."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(COLUMNS)
        for line in lines:
            table.writerow(_cells(line))


def _cells(line: TrackedPerson) -> list[str]:
    return [
        cell(line.stem),
        "" if line.person is None else str(line.person),
        "" if line.track is None else str(line.track),
        "" if line.score is None else f"{line.score:.3f}",
        cell(line.id),
        "yes" if line.id_given else "no",
        cell("; ".join(line.notes)),
    ]


@dataclass(frozen=True)
class _Place:
    """What a track says of one of its frames."""

    track: int
    score: float
    is_given_id: bool
    notes: tuple[str, ...]


def _places(
    tracks: Sequence[Track], people: Sequence[FramePeople], fps: float, first: int
) -> Mapping[tuple[int, int], _Place]:
    """By the place of the frame in its clip, and of the person in the frame; the tracks are
    numbered from `first`.
    """
    found: dict[tuple[int, int], _Place] = {}
    for track in tracks:
        for at, frame in enumerate(track.frames):
            notes: list[str] = []
            if at:
                missing = people[frame].frame - people[track.frames[at - 1]].frame - 1
                if missing:
                    notes.append(f"unseen for {missing} frames, {missing / fps:.2f} s")
            if at in track.joins:
                notes.append("joined to the piece before by place and shape")
            found[frame, track.people[at]] = _Place(
                first + track.number, track.scores[at], track.is_given_id, tuple(notes)
            )
    return found


def _lines(
    stems: Sequence[str], frames: Sequence[_ReadFrame], places: Mapping[tuple[int, int], _Place]
) -> list[TrackedPerson]:
    """A line for each person of a clip, and one for each frame that could not be read."""
    found: list[TrackedPerson] = []
    for number, (stem, frame) in enumerate(zip(stems, frames, strict=True)):
        if frame.problem:
            found.append(TrackedPerson(stem, None, notes=(frame.problem,)))
        for person, (name, problem) in enumerate(zip(frame.ids, frame.problems, strict=True)):
            place = places.get((number, person))
            if place is None:
                why = problem or UNTRACKED
                found.append(TrackedPerson(stem, person, id=name, notes=(why,)))
                continue
            found.append(
                TrackedPerson(
                    stem=stem,
                    person=person,
                    track=place.track,
                    score=place.score,
                    id=name,
                    id_given=place.is_given_id,
                    notes=place.notes,
                )
            )
    return found
