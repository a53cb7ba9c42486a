"""From keypoint files to the rows of a job: who is fitted, who is there already, who is not and
why.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ..camera import Camera
from ..core.choices import Age, Gender
from ..evidence.height import KnownHeight
from ..fitting.result import FitResult, Origin
from ..keypoints import Keypoints
from ..keypoints.layouts import trust
from ..parallel.prefetch import prefetch
from ..readers.folder import count_files, read_frames
from ..readers.frames import Frame, Person
from ..readers.intrinsics import CameraOptions, IntrinsicsError, camera_for, options_for
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
        for frame in read_frames(self.job.keypoints, self.job.images, self.job.recursive):
            stem = stems.claim(frame.stem, frame.keypoint_file.name)
            for note in frame.notes:
                LOG.info("%s: %s", stem, note)
            works = list(self._works(frame, stem, store))
            for index, work in enumerate(works):
                yield Item(work, ends_frame=index == len(works) - 1)

    def _works(self, frame: Frame, stem: str, store: Store) -> Iterator[FitTask | Row]:
        if frame.problem is not None or not frame.people:
            status = RowStatus.UNREADABLE if frame.problem else RowStatus.NO_PEOPLE
            yield Row(stem, None, status, frame.problem or "the file has no people")
            return
        _, reasons = select(frame.people, self.selection)
        try:
            camera, source, note = camera_for(frame, self.cameras)
        except IntrinsicsError as error:
            yield from (
                Row(stem, person.index, RowStatus.UNREADABLE, str(error)) for person in frame.people
            )
            return
        LOG.info("%s: %s", stem, note)
        tasks = [
            _fit_task(frame, stem, person, (camera, source.value), self.job)
            for person in frame.people
            if person.index not in reasons
        ]
        works = iter(self._but_done(tasks, store))
        for person in frame.people:
            if person.index in reasons:
                status = RowStatus.UNREADABLE if person.problem else RowStatus.NOT_SELECTED
                yield Row(stem, person.index, status, reasons[person.index])
            else:
                yield next(works)

    def _but_done(self, tasks: list[FitTask], store: Store) -> list[FitTask | Row]:
        """The people of a frame, or their rows of an earlier run; those fitted together are so all
        at once.
        """
        works = [_task_or_done(task, store) for task in tasks]
        return (
            tasks if self.job.scene and any(isinstance(work, FitTask) for work in works) else works
        )


def open_source(job: JobConfig) -> Source:
    """The input of a job.

    Raises KeypointError, IntrinsicsError, ValueError where files or options cannot be used.
    """
    given = CameraOptions(focal_px=job.focal, fov_degrees=job.fov, focal_35mm=job.focal_35mm)
    cameras = options_for(job.keypoints, job.cameras, given)
    selection = Selection(
        min_keypoints=job.min_keypoints, min_size_px=job.min_size, largest=job.largest
    )
    read_frames(job.keypoints, job.images, job.recursive)  # for its errors: reads nothing yet
    return Source(job, cameras, selection, count_files(job.keypoints, job.recursive))


def _fit_task(
    frame: Frame, stem: str, person: Person, seen_by: tuple[Camera, str], job: JobConfig
) -> FitTask:
    camera, K_source = seen_by
    origin = Origin(
        source=str(frame.keypoint_file.resolve()),
        image=str(frame.image.resolve()) if frame.image else "",
        person=person.index,
        K_source=K_source,
        image_size_source=frame.size_source.value,
    )
    gender = (person.gender or Gender.NEUTRAL) if job.gender is Gender.INPUT else job.gender
    age = person.age or job.age
    height = next((h for h in (person.height, job.height) if h is not None), math.nan)
    believed = trust(person.layout) if person.layout is not None else 1.0
    return FitTask(
        stem,
        Keypoints.from_array(person.keypoints, believed),
        camera,
        gender,
        origin,
        age,
        height,
    )


def _task_or_done(task: FitTask, store: Store) -> FitTask | Row:
    """The row of an earlier run, if its file is sound and was made from the same keypoints."""
    found = store.existing(task.stem, task.origin.person)
    if found is None or not _same_input(found, task):
        return task
    return row_of(task.stem, found)


def _same_input(found: FitResult, task: FitTask) -> bool:
    pairs = (
        (found.keypoints.xy, task.keypoints.xy),
        (found.keypoints.confidence, task.keypoints.confidence),
        (found.camera.image_size, task.camera.image_size),
    )
    if found.provenance.gender != task.gender.value or task.age.value not in (
        Age.AUTO.value,
        found.provenance.age,
    ):
        return False
    before = found.evidence[KnownHeight].metres
    height = torch.tensor(task.height).to(before)
    known = torch.allclose(before, height, rtol=0.0, equal_nan=True)
    return known and all(torch.equal(a, b.to(a)) for a, b in pairs)
