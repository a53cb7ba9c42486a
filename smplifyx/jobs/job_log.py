"""The log of a job: one line for a message, whatever stands in it, and never a reason to stop."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from ..core.messages import plain

LONGEST_LINE = 2000  # characters
MOST_TRACEBACK = 60  # lines of one error; the last ones tell most
CONTINUED = "    | "  # before each line of a traceback, so that none looks like a message


class OneLineFormatter(logging.Formatter):
    """Time, level and message on one line of plain text; lines of a traceback follow, marked."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record, without a line break at its end."""
        message = plain(" ".join(record.getMessage().splitlines()), LONGEST_LINE)
        lines = [f"{self.formatTime(record)} {record.levelname} {message}"]
        # what a process of ours logged comes with its traceback as text
        traceback = record.exc_text or ""
        if record.exc_info and not traceback:
            traceback = self.formatException(record.exc_info)
        for line in traceback.splitlines()[-MOST_TRACEBACK:]:
            lines.append(CONTINUED + plain(line, LONGEST_LINE))
        return "\n".join(lines)


class LogFile(logging.FileHandler):
    """A log in UTF-8; what a full disk does not take is dropped, since the results come first."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where the file cannot be opened."""
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self.setFormatter(OneLineFormatter())

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's own name)
        """Says nothing: logging would print a traceback on the terminal for each message."""


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Everything that smplifyx logs goes to a file as well, for the time of the block."""
    logger = logging.getLogger("smplifyx")
    handler = LogFile(path)
    level = logger.level
    propagate = logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
        with contextlib.suppress(OSError):  # the rest of its buffer, on a full disk
            handler.close()
