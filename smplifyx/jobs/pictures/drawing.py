"""Frames drawn in the background of a job, or all those of an output folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from ...core.messages import one_line
from ...parallel.background_tasks import BackgroundTasks
from ...readers.frames import Note
from ..job_log import logging_to
from ..store import Store
from ..summary import FITTED, Row, RowStatus
from .files import frames
from .frame_pictures import FramePictures, Wanted
from .recorded_job import recorded_job
from .report_pages import report

LOG = logging.getLogger(__name__)


def _no_progress() -> None:
    """What is called after each frame where nobody wants to know."""


class Drawing:
    """Has the frames of a job drawn in the background; one that cannot be drawn is logged.

    It is what `run_job` calls a FrameSink.

    pictures: makes the pictures of one frame.
    advance: called after each frame.
    made, failed: how many frames with people have been drawn so far, and could not be.
    page: the first page of the report; None where it is not wanted, or not written yet.
    """

    def __init__(self, pictures: FramePictures, advance: Callable[[], None] = _no_progress) -> None:
        self._tasks = BackgroundTasks(pictures, self._told)
        self._advance = advance
        self._pictures = pictures
        self.made = 0
        self.failed = 0
        self.page: Path | None = None

    def take(self, rows: Sequence[Row]) -> None:
        """Draws a frame, given its lines of the summary, soon; waits while too many are waiting."""
        self._tasks.put(tuple(rows))

    def finish(self, leftovers: Sequence[Note] = ()) -> None:
        """Waits for the frames that were taken, and writes the report of all."""
        self._tasks.finish()
        if self._pictures.wanted.report:
            self.page = report(self._pictures.store, leftovers)

    def stop(self) -> None:
        """Drops the frames that are not begun."""
        self._tasks.stop()

    def _told(self, rows: tuple[Row, ...], answer: tuple[str, ...] | BaseException) -> None:
        """Counts and logs what became of a frame."""
        stem = rows[0].stem
        if isinstance(answer, BaseException):
            self.failed += 1
            said = one_line(answer, limit=None)
            LOG.warning("%s: not drawn: %s: %s", stem, type(answer).__name__, said)
        else:
            if any(row.status in FITTED for row in rows):
                self.made += 1
            for note in answer:
                LOG.warning("%s: %s", stem, note)
        self._advance()


def draw_all(store: Store, wanted: Wanted, advance: Callable[[], None]) -> Drawing:
    """Draws every frame of an output folder, and the report where it is wanted; returns how it
    went.

    advance: called after each frame. Raises StoreError, OSError where there is no finished job,
    FolderBusyError where another run writes to the folder.
    """
    job = recorded_job(store)
    pictures = FramePictures(store, wanted, job.model, job.kid_template)
    drawing = Drawing(pictures, advance)
    with store.writing(), logging_to(store.log):
        try:
            for rows in frames(store):
                for row in rows:
                    if row.status is RowStatus.UNREADABLE:
                        LOG.warning("%s: unreadable: %s", row.stem, row.reason)
                drawing.take(rows)
        except BaseException:
            drawing.stop()
            raise
        drawing.finish()
    return drawing


def count_frames(store: Store) -> int:
    """How many frames `draw_all` will go through."""
    return sum(1 for _ in frames(store))
