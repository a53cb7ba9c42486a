"""One process that works for this one: tasks go in, answers come out, and a death is told apart
from an error.
"""

from __future__ import annotations

import io
import logging
import pickle
import queue
import signal
import threading
from collections.abc import Callable
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

import torch

from .spawning import GUARD, interrupts_blocked, settle, spawning

Task = TypeVar("Task")
Answer = TypeVar("Answer")
LOGGER = "smplifyx"  # what is logged under this name in the process is logged here
PAUSES = (1.0, 10.0)  # seconds between attempts to begin another after a death
PATIENCE = 10.0  # seconds for a process to end by itself


class Died(Exception):
    """A process died over its task; the message says how."""


class WorkerProcess(Generic[Task, Answer]):
    """A process of one core that does `work`, a task at a time; after a death a new one takes its
    place.

    work: what is done with a task; it, tasks and answers must pickle. Tensors travel as arrays,
    whatever lies beside them in memory stays behind. One thread may ask at a time; any may call
    `kill`.
    """

    def __init__(self, work: Callable[[Task], Answer]) -> None:
        self._work = work
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._lock = threading.Lock()
        self._loaded, self._stopped = False, threading.Event()

    def begin(self) -> None:
        """Has a process and waits until it has loaded.

        Raises ChildProcessError where it cannot begin.
        """
        here, there = spawning().Pipe()
        self._start(there)
        there.close()
        try:
            here.recv_bytes()
            self._pipe, self._loaded = here, True
        except (EOFError, OSError) as error:
            here.close()
            how = f"{self._buried()} (a script of your own must begin pools and jobs below {GUARD})"
            raise ChildProcessError(f"a process for fits could not begin: {how}") from error

    def _start(self, pipe: Connection) -> None:
        with self._lock, interrupts_blocked():
            if self._stopped.is_set():
                raise ChildProcessError("stopped")
            self._loaded = False
            self._process = spawning().Process(target=_serve, args=(self._work, pipe), daemon=True)
            try:
                self._process.start()
            # no memory; a daemon, which may not begin any
            except (OSError, AssertionError) as error:
                self._process = None
                raise ChildProcessError(f"a process for fits could not begin: {error}") from error

    def ask(self, task: Task) -> Answer:
        """What the work makes of the task; an error of it is raised here as RuntimeError.

        Raises Died where the process dies over it, ChildProcessError where none can be begun.
        """
        if self._process is None:
            self._begin_again()
        try:
            self._pipe.send_bytes(_packed(task))
            answer, fault, records = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._pipe.close()
            raise Died(self._buried()) from error
        for record in records:
            logger = logging.getLogger(record.name)
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)
        if fault:
            raise RuntimeError(fault)
        return answer

    def _begin_again(self) -> None:
        """After a death; what killed it, want of memory, say, may kill the next too."""
        for pause in PAUSES if self._pipe is not None else ():
            try:
                return self.begin()
            except ChildProcessError:
                self._stopped.wait(pause)
        return self.begin()

    def dismiss(self) -> None:
        """Tells a process that has loaded that nobody will ask any more."""
        if self._loaded:
            self._pipe.close()

    def end(self) -> None:
        """Waits for a dismissed process to end by itself; one that has not loaded is killed."""
        if self._loaded and self._process is not None:
            self._process.join(PATIENCE)
        self.kill()

    def kill(self) -> None:
        """Ends the process at once, also one that loads; whoever waits for its answer gets Died,
        and none is begun.
        """
        with self._lock:
            self._stopped.set()
            if self._process is not None:
                self._process.kill()
                self._process.join()

    def _buried(self) -> str:
        """How the process ended; the next task gets another."""
        with self._lock:
            self._process.join(PATIENCE)
            self._process.kill()
            self._process.join()
            code = self._process.exitcode
            self._process, self._loaded = None, False
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}" + ", out of memory?" * (
                code == -signal.SIGKILL
            )
        return f"exit code {code}"


def _serve(work: Callable[[Task], Answer], pipe: Connection) -> None:
    """The process: answers until nobody asks any more."""
    settle()
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    logging.getLogger(LOGGER).addHandler(QueueHandler(records))
    logging.getLogger(LOGGER).setLevel(logging.INFO)
    logging.getLogger(LOGGER).propagate = False
    pipe.send_bytes(b"loaded")
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        answer, fault = None, ""
        try:
            answer = work(task)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
            logging.getLogger(LOGGER).exception("an error in a process")
        pipe.send_bytes(_packed((answer, fault, [records.get() for _ in range(records.qsize())])))


class _Pickler(pickle.Pickler):
    """Pickles a tensor as an array of its own values: torch would open a file for it, or write its
    whole storage.
    """

    def reducer_override(self, value: object) -> object:
        if isinstance(value, torch.Tensor):
            return torch.from_numpy, (value.detach().numpy(),)
        return NotImplemented


def _packed(value: object) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, pickle.HIGHEST_PROTOCOL).dump(value)
    return stream.getvalue()
