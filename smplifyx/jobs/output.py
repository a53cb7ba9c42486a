"""What a job puts on the disk, in the order of the input, and who is told of it."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from ..core.messages import one_line
from ..fitting.quality import confident_body_points
from ..readers.frames import Note
from .batches import Failure, FitAnswer, FitTask, Item
from .notes import NoteTally, notes_of
from .progress import JobProgress
from .store import Store, StoreError, is_of_the_disk
from .summary import FITTED, Row, RowStatus, SummaryWriter, believed, row_of

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def telling_how_to_go_on() -> Iterator[None]:
    """An error of the disk within the block says where, and that nothing is lost."""
    try:
        yield
    except OSError as error:
        if not is_of_the_disk(error):
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise OSError(
            error.errno,
            f"{where}{error.strerror}; what is done is kept: the same command goes on where it was",
        ) from error


@runtime_checkable
class FrameSink(Protocol):
    """Takes the frames of a job, each as soon as everybody in it is on the disk."""

    def take(self, rows: Sequence[Row]) -> None:
        """The lines of the summary of one frame, in order; may make the job wait."""

    def finish(self, leftovers: Sequence[Note] = ()) -> None:
        """There are no more: waits for what is under way. leftovers: what of the input was given
        and not used.
        """

    def stop(self) -> None:
        """The job ends early: drops what can be dropped, makes nobody wait any more."""


class NoFrames:
    """Frames that nobody takes."""

    def take(self, rows: Sequence[Row]) -> None:
        """Nothing to do."""

    def finish(self, leftovers: Sequence[Note] = ()) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Nothing to do."""


NO_FRAMES = NoFrames()


class JobOutput:
    """Puts answers on the disk, in the order of the input.

    Then tells `progress` of them, and `frames` of each frame that is complete. counts: of the lines
    of the summary so far; notes: of the frames.
    """

    def __init__(
        self, store: Store, summary: SummaryWriter, progress: JobProgress, frames: FrameSink
    ) -> None:
        self._store = store
        self._summary = summary
        self._progress = progress
        self.frames = frames
        self._frame: list[Row] = []  # of the frame that is not complete yet
        self.counts: Counter[RowStatus] = Counter()
        self.notes = NoteTally()

    def write(self, chunk: Sequence[Item], answers: Iterable[FitAnswer]) -> None:
        """One file per new result, one line of the summary per item. answers: one for each person
        to fit, in order. Raises OSError where the disk refuses; a file that alone cannot be written
        costs only its person.
        """
        remaining = iter(answers)
        rows: list[Row] = []
        try:
            for item in chunk:
                if isinstance(item.work, FitTask):
                    rows.append(self.saved(item.work, next(remaining)))
                else:
                    rows.append(item.work)
        finally:
            # A chunk's results are all on the disk before its first line is; those that are there
            # have their lines also where a later one ends the job.
            for row in rows:
                self._summary.write(row)
        self.counts.update(row.status for row in rows)
        files = sum(item.ends_frame for item in chunk)
        people = sum(row.status in FITTED for row in rows)
        self._progress.advance(files, people)

        for item, row in zip(chunk, rows, strict=True):
            self._frame.append(row)
            if item.ends_frame:
                notes = [note for one in self._frame for note in notes_of(one.notes)]
                self.notes.add(row.stem, notes)
                self.frames.take(self._frame)
                self._frame = []

    def saved(self, person: FitTask, answer: FitAnswer) -> Row:
        """The line for a person, whose result is on the disk then, if there is one. Raises OSError
        where the disk refuses.
        """
        if isinstance(answer, Failure):
            return _failed(person, answer.reason)
        answer = believed(answer)
        try:
            answer.save(self._store.result(person.stem, person.origin.person))
        except (OSError, StoreError) as error:
            if is_of_the_disk(error):
                raise
            LOG.warning("%s person %d: %s", person.stem, person.origin.person, error)
            return _failed(person, f"its result cannot be written: {one_line(error, limit=300)}")
        return row_of(person.stem, answer)


def _failed(person: FitTask, reason: str) -> Row:
    """The line of a person without a result."""
    return Row(
        stem=person.stem,
        person=person.origin.person,
        status=RowStatus.FAILED,
        reason=reason,
        gender=person.gender.value,
        age=person.age.value,
        confident_keypoints=int(confident_body_points(person.keypoints)),
        focal=float(person.camera.focal.mean()),
        focal_source=person.origin.K_source,
        image_size_source=person.origin.image_size_source,
        person_id=person.origin.person_id,
        photo=person.origin.photo,
        notes=person.origin.notes,
        gender_source=person.origin.gender_source,
    )
