"""What every process beside the main one has in common: one core, deaf to Ctrl-C, gone when the
main one is.
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


def spawning() -> SpawnContext:
    """How processes are begun: a fork would copy torch's threads half alive."""
    return multiprocessing.get_context("spawn")


def check_begun() -> None:
    """Raises RuntimeError in a process that still imports the script that began it: that would
    begin all anew in it.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(f"a script that fits in several processes must do so below {GUARD}")


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def settle() -> None:
    """What a process beside does first: one core, deaf to Ctrl-C, and not there longer than the one
    that began it.
    """
    import cv2
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Processes begun in this block do not hear Ctrl-C while they load either; this one hears it
    afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
