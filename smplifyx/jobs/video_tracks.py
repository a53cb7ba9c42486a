"""From the people of a video's frames to tracks: who is who, and a row for every frame in which
somebody is, seen or not.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch

from ..core.choices import Age, BodyGender, Detector, GenderSource
from ..evidence.evidence import SavedEvidence
from ..evidence.kinds import of_facts
from ..fitting.result import Origin
from ..keypoints import Keypoints, names
from ..tracking import FramePeople, Track, TrackRules, track_people
from ..tracking.sequences import FrameSequence, sequences_of
from .batches import FitTask, Item
from .source import of_one_form
from .tracking import UNTRACKED, TrackedPerson

Value = TypeVar("Value")
LEAST_FRAMES = 3  # of a track: fewer do not show how somebody moves
FILLED = "nobody saw the person in this frame: filled from the frames around it"


@dataclass(frozen=True, eq=False)
class TrackRow:
    """A person in one frame of a track.

    frame: its number. item: where in the input; None: the person was not seen there, and `task` has
    no keypoints.
    """

    frame: int
    task: FitTask
    item: int | None = None


@dataclass(frozen=True, eq=False)
class VideoTrack:
    """One person of a video: a row for every frame from the first to the last, all with the same
    gender, age, detector and kinds of evidence.

    number: no other track of the job has it. clip: the name of the frames' sequence. fps: rows in a
    second.
    """

    number: int
    clip: str
    fps: float
    rows: tuple[TrackRow, ...]

    @property
    def seen(self) -> list[TrackRow]:
        """The rows of frames in which somebody saw the person."""
        return [row for row in self.rows if row.item is not None]

    @property
    def kind(self) -> tuple[BodyGender, Age, Detector, float]:
        """What tracks share that are fitted together."""
        first = self.rows[0].task
        return first.gender, first.age, first.detector, self.fps


@dataclass(frozen=True, eq=False)
class VideoPeople:
    """Who is who in a video.

    tracks: in the order in which their people come. table: a line for each person to fit.
    """

    tracks: tuple[VideoTrack, ...]
    table: tuple[TrackedPerson, ...]

    @cached_property
    def on_tracks(self) -> frozenset[int]:
        """The items of everybody who is on a track."""
        return frozenset(
            row.item for track in self.tracks for row in track.seen if row.item is not None
        )


def people_of_video(items: Sequence[Item], fps: float) -> VideoPeople:
    """Tracks the people to fit; frames whose names differ in the last number alone are one clip.

    fps: frame numbers that pass in a second.
    """
    frames = _frames(items)
    tracks: list[VideoTrack] = []
    places: dict[int, tuple[int, Track, int]] = {}
    for clip in sequences_of(frames):
        for track in _tracked(clip, frames, items, fps):
            number = len(tracks)
            own = [
                frames[clip.stems[at]][person]
                for at, person in zip(track.frames, track.people, strict=True)
            ]
            numbers = [clip.numbers[at] for at in track.frames]
            for at, item in enumerate(own):
                places[item] = (number, track, at)
            rows = tuple(_rows(dict(zip(numbers, own, strict=True)), clip.step, items))
            tracks.append(_decided(VideoTrack(number, clip.name, fps / clip.step, rows)))
    return VideoPeople(tuple(tracks), tuple(_table(items, places)))


def _frames(items: Sequence[Item]) -> dict[str, list[int]]:
    """The items of the people to fit by the name of their frame, which no other frame has."""
    stems: dict[str, str] = {}
    found: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        stem = item.work.stem
        # a name that two frames have is no name: the results' is
        name = item.frame if stems.setdefault(item.frame, stem) == stem else stem
        people = found.setdefault(name, [])
        if isinstance(item.work, FitTask):
            people.append(number)
    return found


def _tracked(
    clip: FrameSequence, frames: Mapping[str, list[int]], items: Sequence[Item], fps: float
) -> Iterator[Track]:
    """The tracks of a clip without long gaps: who comes back after those begins another."""
    people: list[FramePeople] = []
    for stem, number in zip(clip.stems, clip.numbers, strict=True):
        tasks = [_task(items[item]) for item in frames[stem]]
        people.append(_frame_people(number, tasks))
    rules = TrackRules(fps)
    longest = rules.max_gap * fps + 1
    for track in track_people(people, rules):
        numbers = np.array([clip.numbers[at] for at in track.frames])
        long_gaps = np.flatnonzero(np.diff(numbers) > longest)
        starts = [0, *(long_gaps + 1).tolist()]
        stops = [*starts[1:], len(numbers)]
        for start, stop in zip(starts, stops, strict=True):
            if stop - start >= LEAST_FRAMES:
                yield track.part(start, stop)


def _frame_people(number: int, tasks: Sequence[FitTask]) -> FramePeople:
    """The people of a frame as the tracker takes them."""
    keypoints = np.zeros((len(tasks), names.COUNT, 3), np.float32)
    for person, task in enumerate(tasks):
        keypoints[person] = task.keypoints.to_array().numpy()
    ids = tuple(task.origin.person_id for task in tasks)
    return FramePeople(number, keypoints, ids)


def _rows(own: Mapping[int, int], step: int, items: Sequence[Item]) -> Iterator[TrackRow]:
    """A row for each frame, given the items by their frames' numbers; unseen ones as the person was
    before.
    """
    first, last = min(own), max(own)
    before = _task(items[own[first]])
    for frame in range(first, last + 1, step):
        if frame in own:
            before = _task(items[own[frame]])
            yield TrackRow(frame, before, own[frame])
        else:
            yield TrackRow(frame, _unseen(before))


def _unseen(before: FitTask) -> FitTask:
    """The same person, of whom nothing is known but the camera."""
    origin = Origin(
        K_source=before.origin.K_source,
        image_size_source=before.origin.image_size_source,
        K_guess=before.origin.K_guess,
        notes=FILLED,
    )
    nobody = Keypoints.from_array(torch.zeros(names.COUNT, 3))
    return replace(before, stem="", keypoints=nobody, origin=origin, evidence=of_facts({}))


def _decided(track: VideoTrack) -> VideoTrack:
    """With one gender, age, detector and the same kinds of evidence: what most of the frames say
    that say anything.
    """
    seen = [row.task for row in track.seen]
    gender, source = _most_said_gender(seen)
    age = _most([task.age for task in seen if task.age is not Age.AUTO] or [Age.AUTO])
    detector = _most([task.detector for task in seen])
    tasks: list[FitTask] = []
    for row in track.rows:
        origin = replace(row.task.origin, age_asked=age.value, track=track.number)
        if row.task.gender is not gender or row.item is None:
            origin = replace(origin, gender_source=source, gender_probability=None)
        task = replace(row.task, gender=gender, age=age, detector=detector, origin=origin)
        tasks.append(task)
    tasks = of_one_form(tasks)
    sha256 = _sha256(track.fps, tasks)
    rows: list[TrackRow] = []
    for row, task in zip(track.rows, tasks, strict=True):
        told = replace(task, origin=replace(task.origin, track_sha256=sha256))
        rows.append(replace(row, task=told))
    return replace(track, rows=tuple(rows))


def _most_said_gender(tasks: Sequence[FitTask]) -> tuple[BodyGender, str]:
    """The gender of most frames that have a label, and whose the label is."""
    everybody: list[tuple[BodyGender, str]] = [
        (task.gender, task.origin.gender_source) for task in tasks
    ]
    labelled = [one for one in everybody if one[1] != GenderSource.DEFAULT.value]
    return _most(labelled or everybody)


def _most(values: Sequence[Value]) -> Value:
    """The most frequent one; of several, the first."""
    return Counter(values).most_common(1)[0][0]


def _sha256(fps: float, tasks: Sequence[FitTask]) -> str:
    """A hash of all that decides the results of a track, besides what the job's record has."""
    first = tasks[0]
    found = hashlib.sha256()
    found.update(f"{fps!r} {first.gender.value} {first.age.value} {first.detector.value}".encode())
    for task in tasks:
        arrays = [
            task.keypoints.to_array().numpy(),
            task.keypoints.trust.numpy(),
            task.camera.K.numpy(),
            task.camera.image_size.numpy(),
        ]
        for evidence in task.evidence:
            if isinstance(evidence, SavedEvidence):
                arrays += [array for _, array in sorted(evidence.to_arrays().items())]
        for array in arrays:
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _table(
    items: Sequence[Item], places: Mapping[int, tuple[int, Track, int]]
) -> Iterator[TrackedPerson]:
    """A line for each person to fit, in the order of the input."""
    for number, item in enumerate(items):
        if not isinstance(item.work, FitTask):
            continue
        stem, origin = item.work.stem, item.work.origin
        if number not in places:
            yield TrackedPerson(stem, origin.person, id=origin.person_id, notes=(UNTRACKED,))
            continue
        track, found, at = places[number]
        yield TrackedPerson(
            stem=stem,
            person=origin.person,
            track=track,
            score=found.scores[at],
            id=origin.person_id,
            id_given=found.is_given_id,
        )


def _task(item: Item) -> FitTask:
    assert isinstance(item.work, FitTask), "only people to fit are tracked"
    return item.work
