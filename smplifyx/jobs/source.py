"""From keypoint files to the items of a job: who is fitted, who is there already, who is not and
why.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..camera import Camera
from ..core.choices import Gender
from ..core.messages import one_line
from ..evidence.evidence import SavedEvidence, by_kind
from ..evidence.kinds import of_facts
from ..fitting.result import FitResult, Origin
from ..keypoints import Keypoints
from ..keypoints.layouts import trust
from ..parallel.prefetch import prefetch
from ..readers.folder import count_files, read_frames
from ..readers.frames import Frame, Person
from ..readers.intrinsics import (
    CameraOptions,
    CameraSource,
    IntrinsicsError,
    camera_for,
    options_for,
)
from ..readers.selection import Selection, select
from .batches import FitTask, Item
from .job import JobConfig
from .store import StemTable, Store
from .summary import Row, RowStatus, row_of

LOG = logging.getLogger(__name__)
READ_AHEAD = 256  # people


@dataclass(frozen=True)
class Source:
    """The input of a job; `files` is how many keypoint files it has (frames, where each file is of
    one image).
    """

    job: JobConfig
    cameras: CameraOptions
    selection: Selection
    files: int

    def items(self, store: Store) -> Iterator[Item]:
        """One item per person, or per frame without people, in the order of the input; read ahead
        in a thread.
        """
        return prefetch(self._items(store), READ_AHEAD)

    def _items(self, store: Store) -> Iterator[Item]:
        stems = StemTable()
        for frame in _frames(self.job):
            stem = stems.claim(frame.stem, frame.keypoint_file.name)
            for note in frame.notes:
                LOG.info("%s: %s", stem, note)
            try:
                works = self._works(frame, stem, store)
            except Exception as error:  # whatever is odd about an image costs no other
                LOG.exception("%s: %s", stem, error)
                works = [_unreadable(stem, person.index, error) for person in frame.people]
            *others, last = works
            for work in others:
                yield Item(work)
            yield Item(last, ends_frame=True)

    def _works(self, frame: Frame, stem: str, store: Store) -> list[FitTask | Row]:
        """Everybody in a frame, in order, or one line of the summary for a frame without people."""
        if frame.problem is not None:
            return [Row(stem, None, RowStatus.UNREADABLE, frame.problem)]
        if not frame.people:
            return [Row(stem, None, RowStatus.NO_PEOPLE, "the file has no people")]
        try:
            camera, camera_source, note = camera_for(frame, self.cameras)
        except IntrinsicsError as error:
            return [
                Row(stem, person.index, RowStatus.UNREADABLE, str(error)) for person in frame.people
            ]
        LOG.info("%s: %s", stem, note)

        _, reasons = select(frame.people, self.selection)  # by index, of those who are left out
        known: dict[int, Row] = {}  # by index
        tasks: list[FitTask] = []
        for person in frame.people:
            if person.index in reasons:
                status = RowStatus.UNREADABLE if person.problem else RowStatus.NOT_SELECTED
                known[person.index] = Row(stem, person.index, status, reasons[person.index])
                continue
            try:
                task = _fit_task(frame, stem, person, camera, camera_source, self.job)
            except Exception as error:  # whatever is odd about a person costs no other
                LOG.exception("%s person %d: %s", stem, person.index, error)
                known[person.index] = _unreadable(stem, person.index, error)
            else:
                tasks.append(task)
        selected = iter(self._without_done(tasks, store))
        return [known.get(person.index) or next(selected) for person in frame.people]

    def _without_done(self, tasks: Sequence[FitTask], store: Store) -> Sequence[FitTask | Row]:
        """The people of a frame, or the lines of an earlier run for those who are done. Where they
        are fitted together, all are done or nobody is.
        """
        works = [_task_or_done(task, store) for task in tasks]
        some_left = any(isinstance(work, FitTask) for work in works)
        return tasks if self.job.scene and some_left else works


def open_source(job: JobConfig) -> Source:
    """The input of a job.

    Raises KeypointError, IntrinsicsError, ValueError where files or options cannot be used.
    """
    given = CameraOptions(focal_px=job.focal, fov_degrees=job.fov, focal_35mm=job.focal_35mm)
    cameras = options_for(job.keypoints, job.cameras, given)
    selection = Selection(
        min_keypoints=job.min_keypoints, min_size_px=job.min_size, largest=job.largest
    )
    _frames(job)  # for its errors: reads nothing yet
    return Source(job, cameras, selection, count_files(job.keypoints, job.recursive))


def _unreadable(stem: str, person: int, error: Exception) -> Row:
    """The line of a person that an error keeps from being fitted."""
    reason = f"{type(error).__name__}: {one_line(error, limit=300)}"
    return Row(stem, person, RowStatus.UNREADABLE, reason)


def _frames(job: JobConfig) -> Iterator[Frame]:
    return read_frames(job.keypoints, job.images, job.recursive, job.read_options)


def _notes_of(frame: Frame, person: Person) -> str:
    """What is to be told of a person and the person's image, for one cell of a table."""
    return "; ".join(str(note) for note in (*person.notes, *frame.notes))


def _fit_task(
    frame: Frame,
    stem: str,
    person: Person,
    camera: Camera,
    camera_source: CameraSource,
    job: JobConfig,
) -> FitTask:
    """A person of a frame to fit; what the keypoint file says of them goes before what the job
    says.
    """
    assert frame.size_source is not None, "a frame with a camera has a size"
    age = person.age or job.age
    origin = Origin(
        source=str(frame.keypoint_file.resolve()),
        image=str(frame.image.resolve()) if frame.image else "",
        person=person.index,
        K_source=camera_source.value,
        image_size_source=frame.size_source.value,
        person_id=person.id,
        photo=frame.photo,
        notes=_notes_of(frame, person),
        K_guess=tuple(camera.K.flatten().tolist()),
        age_asked=age.value,
    )
    # The job's gender is for everybody, and INPUT leaves it to the file.
    if job.gender is Gender.INPUT:
        gender = person.gender or Gender.NEUTRAL
    else:
        gender = job.gender
    facts = {**job.facts, **person.facts}
    confidence_scale = 1.0 if person.layout is None else trust(person.layout)
    return FitTask(
        stem=stem,
        keypoints=Keypoints.from_array(person.keypoints, confidence_scale),
        camera=camera,
        gender=gender,
        origin=origin,
        age=age,
        evidence=of_facts(facts),
    )


def _task_or_done(task: FitTask, store: Store) -> FitTask | Row:
    """The line of an earlier run, if its file is sound and all that decided it is the same.

    What only describes the person, names and notes, may have changed: then the file is written
    again.
    """
    found = store.existing(task.stem, task.origin.person)
    if found is None or not _same_input(found, task):
        return task
    origin = replace(task.origin, seconds=found.origin.seconds)
    if not _same_texts(found.origin, origin):
        found = found.replace(origin=origin)
        try:
            found.save(store.result(task.stem, task.origin.person))
        except OSError as error:  # the result is as good as before
            LOG.warning("%s: its texts stay as they were: %s", task.stem, error)
    return row_of(task.stem, found)


def _same_texts(one: Origin, other: Origin) -> bool:
    """Whether two origins say the same; seconds, which may be no number, do not count."""
    return replace(one, seconds=0.0) == replace(other, seconds=0.0)


def _same_input(found: FitResult, task: FitTask) -> bool:
    """Whether a result was made from the evidence of the task, to the bit.

    Files of versions before 0.2 do not tell the camera as guessed, and so are made again.
    """
    before, now = found.origin, task.origin
    if found.provenance.gender != task.gender.value or before.age_asked != now.age_asked:
        return False
    if (before.K_guess, before.K_source) != (now.K_guess, now.K_source):
        return False
    pairs = [
        (found.keypoints.xy, task.keypoints.xy),
        (found.keypoints.confidence, task.keypoints.confidence),
        (found.keypoints.trust, task.keypoints.trust),
        (found.camera.image_size, task.camera.image_size),
    ]
    if not all(torch.equal(old, new.to(old)) for old, new in pairs):
        return False
    own = by_kind(task.evidence)
    return all(_same_arrays(kind, old, own.get(kind)) for kind, old in found.evidence.items())


def _same_arrays(kind: type[SavedEvidence], old: SavedEvidence, new: object) -> bool:
    """Whether a file would keep the same of two pieces of evidence; None: nothing is known."""
    if not isinstance(new, SavedEvidence):
        new = kind.from_arrays({})
    before = old.to_arrays()
    now = new.to_arrays()
    return all(
        np.allclose(before[name], now[name], rtol=0.0, equal_nan=True) for name in before | now
    )
