"""Ctrl-C and the like: one line, at any moment.

Python raises them wherever the program is. While modules are imported that is nowhere: libraries
swallow it, break half loaded, or abort. So until the work begins the command ends at once, which
costs nothing; and later an import is finished first.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

PROGRAM = "smplifyx"
AGAIN = "run the same command again and it goes on where it was"
LINES = {signal.SIGINT: f"stopped; {AGAIN}", signal.SIGTERM: f"terminated; {AGAIN}"}
WAIT = 0.05  # seconds until an import is looked at again


class Interrupted(KeyboardInterrupt):
    """The command is asked to end, as by Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code = 128 + number
        self.line = LINES[signal.Signals(number)]


class Stopping:
    """What the command does when it is asked to end.

    The first time it ends in good order, from where the work is; the second time at once.
    """

    def __init__(self) -> None:
        self._at_work = False
        self._asked = False
        self._told = False  # in the line that `Interrupted` has
        self._looking_again = False

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Signals are heard in this block; those that were ignored before stay so."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are the main thread's
            return
        before = {number: signal.getsignal(number) for number in LINES}
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._hear)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def work_begins(self) -> None:
        """From here on there is something to end in good order."""
        self._at_work = True

    def tell(self, interrupted: Interrupted) -> str:
        """The line of the end, which is told once."""
        self._told = True
        return interrupted.line

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._looking_again:
            self._looking_again = False
        elif self._asked or not self._at_work:
            self._end_at_once(number)
        self._asked = True
        if _is_importing(frame):
            self._look_again(number)
        else:
            raise Interrupted(number)

    def _look_again(self, number: int) -> None:
        def again() -> None:
            self._looking_again = True
            _thread.interrupt_main(signal.Signals(number))

        timer = threading.Timer(WAIT, again)
        timer.daemon = True
        timer.start()

    def _end_at_once(self, number: int) -> None:
        """Without the rest of Python's end, which waits for threads and may complain."""
        if not self._told:
            line = f"{PROGRAM}: {LINES[signal.Signals(number)]}\n"
            with contextlib.suppress(OSError):
                os.write(2, line.encode())
        os._exit(128 + number)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether the main thread is inside an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
