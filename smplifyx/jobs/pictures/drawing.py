"""Frames drawn beside a job, or all those of an output folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from ...parallel.background_tasks import BackgroundTasks
from ..runner import FITTED, logging_to
from ..store import Store, read_record
from ..summary import Row
from .files import frames
from .frame_pictures import FramePictures, Wanted

LOG = logging.getLogger(__name__)


class Drawing:
    """Has the frames of a job drawn beside it (see `scale.runner.Frames`); one that cannot be drawn
    is logged.

    advance: called after each frame. made, failed: frames with people so far.
    """

    def __init__(self, artist: FramePictures, advance: Callable[[], None] = lambda: None) -> None:
        self._beside, self._advance = BackgroundTasks(artist, self._told), advance
        self.made, self.failed = 0, 0

    def take(self, rows: Sequence[Row]) -> None:
        """Draws a frame, given its rows, soon; waits while too many are waiting."""
        self._beside.put(tuple(rows))

    def finish(self) -> None:
        """Waits for the frames that were taken."""
        self._beside.finish()

    def stop(self) -> None:
        """Drops the frames that are not begun."""
        self._beside.stop()

    def _told(self, rows: tuple[Row, ...], answer: tuple[str, ...] | BaseException) -> None:
        if isinstance(answer, BaseException):
            self.failed += 1
            LOG.warning(
                "%s: not drawn: %s: %s",
                rows[0].stem,
                type(answer).__name__,
                " ".join(str(answer).split()),
            )
        else:
            self.made += any(row.status in FITTED for row in rows)
            for note in answer:
                LOG.warning("%s: %s", rows[0].stem, note)
        self._advance()


def draw_all(store: Store, wanted: Wanted, advance: Callable[[], None]) -> Drawing:
    """Draws every frame of an output folder; how it went.

    Raises StoreError, OSError where there is no finished job.
    """
    model, kid = (
        path and Path(path)
        for path in map(read_record(store)["job"].get, ("model", "kid_template"))
    )
    drawing = Drawing(FramePictures(store, wanted, model, kid), advance)
    with logging_to(store.log):
        try:
            for rows in frames(store):
                drawing.take(rows)
        except BaseException:
            drawing.stop()
            raise
        drawing.finish()
    return drawing


def count_frames(store: Store) -> int:
    """How many frames `draw_all` will go through."""
    return sum(1 for _ in frames(store))
