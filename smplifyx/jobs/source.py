"""From keypoint files to the items of a job: who is fitted, who is there already, who is not and
why.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..body.loading.files import load_body
from ..core.choices import GenderSource
from ..core.messages import one_line, plain
from ..evidence.evidence import SavedEvidence, by_kind
from ..evidence.kinds import of_facts
from ..evidence.pose_estimate import PoseEstimate
from ..fitting.result import FitResult, Origin
from ..keypoints import Keypoints
from ..keypoints.layouts import trust
from ..parallel.prefetch import prefetch
from ..predictions.matching import Match
from ..predictions.table import PredictionError
from ..readers.folder import count_files, read_frames
from ..readers.frames import Frame, Note, Person
from ..readers.intrinsics import (
    CameraChoice,
    CameraOptions,
    IntrinsicsError,
    camera_and_notes,
    check_table,
    options_for,
)
from ..readers.reading import FrameReading
from ..readers.selection import Selection, select
from .batches import FitTask, Item
from .gender_order import GenderAsked, GenderOrder, order_of
from .job import JobConfig
from .notes import notes_cell
from .result_names import StemTable
from .starts import NamedStarts, StartTable
from .store import Store
from .summary import Row, RowStatus, row_of

LOG = logging.getLogger(__name__)
READ_AHEAD = 256  # people


@dataclass(frozen=True)
class Source:
    """The input of a job; `files` is how many keypoint files it has (frames, where each file is of
    one image). Its items can be taken once.
    """

    job: JobConfig
    frames: FrameReading
    cameras: CameraOptions
    selection: Selection
    files: int
    genders: GenderOrder
    named_starts: NamedStarts
    starts: StartTable | None = None

    def items(self, store: Store) -> Iterator[Item]:
        """One item per person, or per frame without people, in the order of the input; read ahead
        in a thread.
        """
        return prefetch(self._items(store), READ_AHEAD)

    @property
    def leftovers(self) -> tuple[Note, ...]:
        """What was given and not used, a note of each kind; whole after the last item."""
        table = self.cameras.cameras
        unused = () if table is None else table.leftovers()
        of_starts = () if self.starts is None else self.starts.leftovers()
        named = self.named_starts.leftovers()
        return (*self.frames.leftovers, *unused, *self.genders.leftovers, *of_starts, *named)

    def _items(self, store: Store) -> Iterator[Item]:
        stems = StemTable()
        for frame in self.frames:
            stem = stems.claim(frame.stem, frame.keypoint_file.name)
            camera, camera_notes = self._camera(frame)
            frame = self.genders.told(frame)
            frame = replace(frame, notes=(*frame.notes, *camera_notes))
            for note in _all_notes(frame):
                LOG.info("%s: %s", stem, note)
            *others, last = self._works(frame, camera, stem, store)
            for work in others:
                yield Item(work, frame=frame.stem)
            yield Item(last, ends_frame=True, frame=frame.stem)

    def _camera(self, frame: Frame) -> tuple[CameraChoice | str | None, Sequence[Note]]:
        """The camera of a frame, or why there is none, and what is to be told of it; None where
        nobody needs one.
        """
        if frame.problem is not None or not frame.people:
            return None, ()
        try:
            return camera_and_notes(frame, self.cameras)
        except IntrinsicsError as error:
            return str(error), ()
        except Exception as error:  # whatever is odd about an image costs no other
            LOG.exception("%s: its camera: %s", frame.stem, error)
            return in_words(error), ()

    def _works(
        self, frame: Frame, camera: CameraChoice | str | None, stem: str, store: Store
    ) -> list[FitTask | Row]:
        """Everybody in a frame, in order, or one line of the summary for a frame without people."""
        if frame.problem is not None:
            return [frame_row(frame, stem, None, RowStatus.UNREADABLE, frame.problem)]
        if camera is None:
            return [frame_row(frame, stem, None, RowStatus.NO_PEOPLE, "the file has no people")]
        if isinstance(camera, str):
            return [
                frame_row(frame, stem, person, RowStatus.UNREADABLE, camera)
                for person in frame.people
            ]
        LOG.info("%s: %s", stem, camera.note)

        _, reasons = select(frame.people, self.selection)  # by index, of those who are left out
        known: dict[int, Row] = {}  # by index
        tasks: list[FitTask] = []
        for person in frame.people:
            if person.index in reasons:
                status = RowStatus.UNREADABLE if person.problem else RowStatus.NOT_SELECTED
                known[person.index] = frame_row(frame, stem, person, status, reasons[person.index])
                continue
            try:
                whose = self.genders.asked(person)
                for note in whose.notes:
                    LOG.info("%s person %d: %s", stem, person.index, note)
                task = task_of(frame, stem, person, camera, self.job, whose)
                if person.start is not None:
                    told = self.named_starts.match(
                        person.start, frame, task.keypoints, camera.camera
                    )
                    task = _started(task, *told, "its own start is of somebody else")
                tasks.append(task)
            except PredictionError as error:
                reason = plain(str(error), limit=None)
                known[person.index] = frame_row(frame, stem, person, RowStatus.UNREADABLE, reason)
            except Exception as error:  # whatever is odd about a person costs no other
                LOG.exception("%s person %d: %s", stem, person.index, error)
                reason = in_words(error)
                known[person.index] = frame_row(frame, stem, person, RowStatus.UNREADABLE, reason)
        tasks = self._with_starts(frame, camera, tasks)
        if self.job.scene:
            tasks = of_one_form(tasks)
        # of a video, what decided a result is known when all is read
        selected = iter(tasks if self.job.video else self._without_done(tasks, store))
        return [known.get(person.index) or next(selected) for person in frame.people]

    def _with_starts(
        self, frame: Frame, camera: CameraChoice, tasks: list[FitTask]
    ) -> list[FitTask]:
        """The people of a frame with what networks predicted of them, and a note where a prediction
        is not of this person; those whose sidecar names a prediction have it already.
        """
        if self.starts is None:
            return tasks
        have_own = {person.index for person in frame.people if person.start is not None}
        others = [task for task in tasks if task.origin.person not in have_own]
        keypoints = [task.keypoints for task in others]
        told = iter(self.starts.matches(frame, keypoints, camera.camera))
        return [
            task
            if task.origin.person in have_own
            else _started(task, *next(told), "no prediction is of this person")
            for task in tasks
        ]

    def _without_done(self, tasks: Sequence[FitTask], store: Store) -> Sequence[FitTask | Row]:
        """The people of a frame, or the lines of an earlier run for those who are done. Where they
        are fitted together, all are done or nobody is.
        """
        works = [task_or_done(task, store) for task in tasks]
        some_left = any(isinstance(work, FitTask) for work in works)
        return tasks if self.job.scene and some_left else works


def open_source(job: JobConfig) -> Source:
    """The input of a job of one view.

    Raises KeypointError, IntrinsicsError, ValueError where files or options cannot be used.
    """
    given = CameraOptions(focal_px=job.focal, fov_degrees=job.fov, focal_35mm=job.focal_35mm)
    cameras = options_for(job.keypoints, job.cameras, given)
    selection = Selection(
        min_keypoints=job.min_keypoints, min_size_px=job.min_size, largest=job.largest
    )
    frames = read_frames(job.keypoints, job.images, job.recursive, job.read_options)
    if job.cameras is not None:
        # a reading of its own, since the first frame is taken
        check_table(cameras, read_frames(job.keypoints, job.images, job.recursive))
    starts = None if job.start is None else StartTable.read(job.start, load_body(job.model))
    files = count_files(job.keypoints, job.recursive)
    named = NamedStarts(job.model)
    return Source(job, frames, cameras, selection, files, order_of(job), named, starts)


def of_one_form(tasks: list[FitTask]) -> list[FitTask]:
    """People who are fitted together, all with the same kinds of evidence: where one of them has a
    prediction, nothing is told of those who have none.
    """
    has_start = [any(isinstance(one, PoseEstimate) for one in task.evidence) for task in tasks]
    if not any(has_start):
        return tasks
    nothing = PoseEstimate.nothing((), torch.zeros(()))
    return [
        task if has else replace(task, evidence=(*task.evidence, nothing))
        for task, has in zip(tasks, has_start, strict=True)
    ]


def _started(task: FitTask, match: Match, system: str, otherwise: str) -> FitTask:
    """A person with the prediction that is theirs; a note that begins with `otherwise` where none
    is.
    """
    origin = task.origin
    if match.estimate is None:
        why = "there is none near"
        if not math.isnan(match.error):
            why = f"the nearest is {100 * match.error:.0f} cm off"
        notes = [text for text in (origin.notes, f"{otherwise} ({why})") if text]
        return replace(task, origin=replace(origin, notes="; ".join(notes)))
    evidence = (*task.evidence, match.estimate)
    return replace(task, evidence=evidence, origin=replace(origin, start_source=system))


def frame_row(
    frame: Frame, stem: str, person: Person | None, status: RowStatus, reason: str
) -> Row:
    """The line of somebody who is not fitted, or (None) of a frame without people."""
    return Row(
        stem=stem,
        person=None if person is None else person.index,
        status=status,
        reason=reason,
        person_id="" if person is None else plain(person.id),
        photo=_photo(frame, stem),
        notes=_notes_cell(frame, person),
    )


def in_words(error: Exception) -> str:
    """An error that nobody foresaw, for a cell of the table."""
    return f"{type(error).__name__}: {one_line(error, limit=300)}"


def _photo(frame: Frame, stem: str) -> str:
    """The name of a frame's image as the input has it; where that is not known and the results are
    called otherwise, the frame's own name.
    """
    own_name = "" if stem == frame.stem else frame.stem
    return plain(frame.photo or own_name)


def _notes_cell(frame: Frame, person: Person | None) -> str:
    """What is to be told of a person and the person's image, for one cell of a table."""
    of_person = () if person is None else person.notes
    return notes_cell((*of_person, *frame.notes))


def _all_notes(frame: Frame) -> tuple[Note, ...]:
    """What is to be told of an image and everybody in it."""
    of_people = [note for person in frame.people for note in person.notes]
    return (*frame.notes, *of_people)


def task_of(
    frame: Frame,
    stem: str,
    person: Person,
    camera: CameraChoice,
    job: JobConfig,
    whose: GenderAsked,
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
        K_source=camera.source.value,
        image_size_source=frame.size_source.value,
        person_id=plain(person.id),
        photo=_photo(frame, stem),
        notes=notes_cell((*person.notes, *whose.notes, *frame.notes)),
        doubt=plain(person.doubt or ""),
        K_guess=tuple(camera.camera.K.flatten().tolist()),
        age_asked=age.value,
        gender_source=whose.label.source.value,
        gender_probability=whose.label.probability,
    )
    facts = {**job.facts, **person.facts}
    confidence_scale = 1.0 if person.layout is None else trust(person.layout)
    return FitTask(
        stem=stem,
        keypoints=Keypoints.from_array(person.keypoints, confidence_scale),
        camera=camera.camera,
        gender=whose.label.gender,
        origin=origin,
        weighed=whose.label.source is GenderSource.EVIDENCE,
        age=age,
        detector=person.detector,
        evidence=of_facts(facts),
    )


def task_or_done(task: FitTask, store: Store) -> FitTask | Row:
    """The line of an earlier run, or who is to be fitted."""
    found = earlier_result(task, store)
    return task if found is None else row_of(task.stem, found)


def earlier_result(task: FitTask, store: Store) -> FitResult | None:
    """The result of an earlier run, if its file is sound and all that decided it is the same.

    What only describes the person, names and notes, may have changed: then the file is written
    again.
    """
    found = store.existing(task.stem, task.origin.person)
    if found is None or not same_input(found, task):
        return None
    if found.origin.doubt != task.origin.doubt:  # its status would be another
        return None
    origin = replace(task.origin, seconds=found.origin.seconds)
    if task.weighed:  # what was decided then
        origin = replace(
            origin,
            gender_probability=found.origin.gender_probability,
            gender_log_odds=found.origin.gender_log_odds,
        )
    if not _same_texts(found.origin, origin):
        found = found.replace(origin=origin)
        try:
            found.save(store.result(task.stem, task.origin.person))
        except OSError as error:  # the result is as good as before
            LOG.warning("%s: its texts stay as they were: %s", task.stem, error)
    return found


def _same_texts(one: Origin, other: Origin) -> bool:
    """Whether two origins say the same; seconds, which may be no number, do not count."""
    return replace(one, seconds=0.0) == replace(other, seconds=0.0)


def same_input(found: FitResult, task: FitTask) -> bool:
    """Whether a result was made from the evidence of the task, to the bit.

    Files of versions before 0.2 do not tell the camera as guessed, and so are made again.
    """
    before, now = found.origin, task.origin
    if before.age_asked != now.age_asked or before.track_sha256 != now.track_sha256:
        return False
    # with the same question the evidence comes to the same body
    was_weighed = before.gender_source == GenderSource.EVIDENCE.value
    if was_weighed != task.weighed:
        return False
    if not task.weighed and found.provenance.gender != task.gender.value:
        return False
    if found.provenance.detector != task.detector.value:
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
    known: set[type] = set()
    for kind, one in own.items():
        if isinstance(one, SavedEvidence) and one.to_arrays():
            known.add(kind)
    if not known <= found.evidence.keys():  # more than there was
        return False
    return all(_same_arrays(kind, old, own.get(kind)) for kind, old in found.evidence.items())


def _same_arrays(kind: type[SavedEvidence], old: SavedEvidence, new: object) -> bool:
    """Whether a file would keep the same of two pieces of evidence; None: nothing is known."""
    if not isinstance(new, SavedEvidence):
        new = kind.from_arrays({})
    before = old.to_arrays()
    now = new.to_arrays()
    if _shapes(before) != _shapes(now):  # another number of views, say
        return False
    return all(np.allclose(before[name], now[name], rtol=0.0, equal_nan=True) for name in before)


def _shapes(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}
