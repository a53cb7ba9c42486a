"""The streams of a command: what cannot be printed costs a line, never the work."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..core.messages import one_line
from .stopping import PROGRAM


class SteadyStream:
    """A stream that nothing can be wrong with: once it cannot be written, it is silent.

    `failure` tells why. Everything else is as the stream has it.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.failure: OSError | ValueError | None = None

    def write(self, text: str) -> int:
        """As a stream's; letters that its encoding lacks are written as escapes."""
        if self.failure is None:
            try:
                try:
                    self._stream.write(text)
                except UnicodeEncodeError as error:
                    self._stream.write(
                        text.encode(error.encoding, "backslashreplace").decode(error.encoding)
                    )
            except (OSError, ValueError) as error:
                self._fall_silent(error)
        return len(text)

    def flush(self) -> None:
        """As a stream's."""
        if self.failure is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._fall_silent(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _fall_silent(self, error: OSError | ValueError) -> None:
        self.failure = error
        # What the stream still holds would be tried again when Python ends, with a complaint.
        with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), self._stream.fileno())


@dataclass(frozen=True)
class Terminal:
    """Where a command prints."""

    out: SteadyStream
    err: SteadyStream

    def say(self, line: str) -> None:
        """A line on stdout."""
        self.out.write(f"{line}\n")
        self.out.flush()

    def complain(self, line: str) -> None:
        """A line on stderr."""
        self.err.write(f"{PROGRAM}: {line}\n")
        self.err.flush()

    @property
    def unsaid(self) -> str:
        """Why not all was printed; "" where it was, and where the reader had read enough."""
        self.out.flush()
        failure = self.out.failure
        if failure is None or isinstance(failure, BrokenPipeError):
            return ""
        return getattr(failure, "strerror", None) or one_line(failure)


@contextlib.contextmanager
def steady_terminal() -> Iterator[Terminal]:
    """The standard streams, steady for the time of the block; a closed one leads nowhere."""
    before = sys.stdin, sys.stdout, sys.stderr
    _fill_closed()
    with contextlib.ExitStack() as opened:

        def steady(stream: Any) -> SteadyStream:
            if stream is None:
                stream = opened.enter_context(open(os.devnull, "w", encoding="utf-8"))
            return SteadyStream(stream)

        terminal = Terminal(steady(sys.stdout), steady(sys.stderr))
        sys.stdout, sys.stderr = terminal.out, terminal.err
        try:
            yield terminal
        finally:
            terminal.out.flush()
            terminal.err.flush()
            sys.stdin, sys.stdout, sys.stderr = before


def _fill_closed() -> None:
    """Files that are opened later shall not take the place of a closed stream: whatever complains
    on number 2 would write into a result.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
