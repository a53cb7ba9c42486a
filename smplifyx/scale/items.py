"""From keypoint files to the rows of a job: who is fitted, who is there already, who is not and why."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ..body.model import Gender
from ..camera import Camera
from ..intrinsics import CameraError, CameraOptions, camera_for
from ..keypoints import Keypoints
from ..keypoints.layouts import trust
from ..keypoints.people import Frame, KeypointError, Person
from ..keypoints.reading import count_frames, prefetch, read_frames
from ..keypoints.selection import Selection, select
from ..result import FitResult, Origin
from .batches import Item, Todo
from .job import JobConfig, JobGender
from .store import StemTable, Store
from .summary import Row, RowStatus, row_of

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """The input of a job; `files` is how many frames it has."""

    job: JobConfig
    cameras: CameraOptions
    files: int

    def items(self, store: Store) -> Iterator[Item]:
        """One item per person, or per frame without people, in the order of the input; read ahead in a thread."""
        return prefetch(self._items(store))

    def _items(self, store: Store) -> Iterator[Item]:
        stems = StemTable()
        for frame in read_frames(self.job.keypoints, self.job.images):
            stem = stems.claim(frame.stem, frame.keypoint_file.name)
            for note in frame.notes:
                LOG.info("%s: %s", stem, note)
            works = list(self._works(frame, stem, store))
            for index, work in enumerate(works):
                yield Item(work, ends_frame=index == len(works) - 1)

    def _works(self, frame: Frame, stem: str, store: Store) -> Iterator[Todo | Row]:
        if frame.problem is not None or not frame.people:
            status = RowStatus.UNREADABLE if frame.problem else RowStatus.NO_PEOPLE
            yield Row(stem, None, status, frame.problem or "the file has no people")
            return
        try:
            camera, K_source = camera_for(frame, self.cameras)
        except CameraError as error:
            yield from (Row(stem, person.index, RowStatus.UNREADABLE, str(error)) for person in frame.people)
            return
        job = self.job
        reasons = select(frame.people, Selection(job.min_points, job.min_size, job.largest))
        for person in frame.people:
            if person.problem is not None:
                yield Row(stem, person.index, RowStatus.UNREADABLE, person.problem)
            elif person.index in reasons:
                yield Row(stem, person.index, RowStatus.NOT_SELECTED, reasons[person.index])
            else:
                yield _todo_or_done(_todo(frame, stem, person, camera, K_source, job.gender), store)


def open_source(job: JobConfig) -> Source:
    """The input of a job. Raises KeypointError where its files, images or cameras are not there."""
    if job.images is not None and not job.images.is_dir():
        raise KeypointError(f"{job.images}: no such folder of images")
    if job.cameras is not None and not job.cameras.is_file():
        raise KeypointError(f"{job.cameras}: no such file of cameras")
    return Source(job, CameraOptions(job.focal, job.fov, job.cameras), count_frames(job.keypoints))


def _todo(frame: Frame, stem: str, person: Person, camera: Camera, K_source: str, whose: JobGender) -> Todo:
    origin = Origin(
        source=str(frame.keypoint_file.resolve()), image=str(frame.image.resolve()) if frame.image else "",
        person=person.index, K_source=K_source, image_size_source=frame.size_source.value,
    )  # fmt: skip
    gender = (person.gender or Gender.NEUTRAL.value) if whose is JobGender.INPUT else whose.value
    return Todo(stem, Keypoints.from_array(person.keypoints, trust(person.layout)), camera, Gender(gender), origin)


def _todo_or_done(todo: Todo, store: Store) -> Todo | Row:
    """The row of an earlier run, if its file is sound and was made from the same keypoints."""
    found = store.existing(todo.stem, todo.origin.person)
    if found is None or not _same_input(found, todo):
        return todo
    return row_of(todo.stem, found)


def _same_input(found: FitResult, todo: Todo) -> bool:
    pairs = (
        (found.keypoints.xy, todo.keypoints.xy),
        (found.keypoints.confidence, todo.keypoints.confidence),
        (found.camera.image_size, todo.camera.image_size),
    )
    return found.provenance.gender == todo.gender.value and all(torch.equal(a, b.to(a)) for a, b in pairs)
