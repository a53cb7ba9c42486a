"""What is said on the terminal: plain lines, on streams that may be closed, full, or not there.

Work is never lost for want of somebody to tell of it: what a stream does not take is dropped.
"""

from __future__ import annotations

import contextlib
import io
import os
from typing import Protocol, runtime_checkable

from .messages import plain


@runtime_checkable
class TextStream(Protocol):
    """What `sys.stdout` and `sys.stderr` are."""

    def write(self, text: str, /) -> int:
        """Takes text, or raises OSError or ValueError."""
        ...

    def flush(self) -> None:
        """Hands on what it was given."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        ...

    def fileno(self) -> int:
        """The number of its file."""
        ...


class Outlet(io.TextIOBase):
    """A text stream in front of another that may fail; characters that it lacks are escaped."""

    def __init__(self, stream: TextStream | None) -> None:
        """stream: None where the program was begun without one."""
        super().__init__()
        self._stream = stream

    @property
    def is_open(self) -> bool:
        """Whether there is a stream, and it has taken everything so far."""
        return self._stream is not None

    @property
    def encoding(self) -> str:
        """The name of the stream's encoding."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Writes the text, or drops it."""
        if self._stream is not None:
            safe = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
            try:
                self._stream.write(safe)
            except (OSError, ValueError):  # ValueError: closed by Python
                self._give_up()
        return len(text)

    def flush(self) -> None:
        """Has the stream take what was written."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._give_up()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        try:
            return self._stream is not None and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        """The number of the stream's file. Raises OSError where it has none."""
        if self._stream is None:
            raise OSError("no stream")
        return self._stream.fileno()

    def _give_up(self) -> None:
        """Lets the stream end in nothing: Python flushes it again at its end, and complains."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        with contextlib.suppress(OSError, ValueError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            os.close(nothing)


def tell(stream: TextStream | None, line: str) -> None:
    """Writes one line of plain text to a stream that may fail."""
    outlet = Outlet(stream)
    outlet.write(plain(line, limit=None) + "\n")
    outlet.flush()
