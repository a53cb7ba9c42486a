"""What every process has in common that this one begins: one core, deaf to Ctrl-C, gone when this
one is.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext

GUARD = '`if __name__ == "__main__":`'
# How the threads of OpenMP wait. Read once, when torch loads it.
WAIT_POLICY = ("OMP_WAIT_POLICY", "PASSIVE")
_BEGINNING = threading.Lock()


def spawning() -> SpawnContext:
    """How processes are begun: a fork would copy torch's threads half alive."""
    return multiprocessing.get_context("spawn")


def check_begun() -> None:
    """Raises RuntimeError in a process that still imports the script that began it: that would
    begin all anew in it.
    """
    # Private to multiprocessing, which looks at it for the same end; there is no other sign.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(f"a script that fits in several processes must do so below {GUARD}")


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def settle() -> None:
    """What a process does first that this one began: one core, deaf to Ctrl-C, and not there longer
    than the one that began it.
    """
    import cv2
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        watch = threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True)
        watch.start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)  # at once, whatever the other threads do


@contextlib.contextmanager
def beginning() -> Iterator[None]:
    """Processes begun in this block do not hear Ctrl-C while they load either (this one hears it
    afterwards), and their threads sleep while they wait.
    """
    # One block at a time: the environment is that of the whole process.
    with _BEGINNING, _interrupts_blocked():
        name, value = WAIT_POLICY
        free = name not in os.environ  # the user may have chosen
        os.environ.setdefault(name, value)
        try:
            yield
        finally:
            if free:
                del os.environ[name]


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
