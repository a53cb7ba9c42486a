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
from collections.abc import Sequence
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Generic

import torch

from .launcher import Answer, Task, Work
from .spawning import GUARD, beginning, settle, spawning

LOGGER = "smplifyx"  # what is logged under this name in the process is logged here
PAUSES = (1.0, 10.0)  # seconds between attempts to begin another after a death
PATIENCE = 10.0  # seconds for a process to end by itself


class Died(Exception):
    """A process died over its tasks; the message says how."""


class WorkerProcess(Generic[Task, Answer]):
    """A process of one core that does `work`; after a death a new one takes its place.

    Tensors travel as arrays: whatever lies beside them in memory stays behind. One thread may ask
    at a time; any may call `kill`.
    """

    def __init__(self, work: Work[Task, Answer]) -> None:
        self._work = work
        # None: not begun, or died. The pipe stays after a death, as a sign that there was a life.
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._loaded = False
        self._lock = threading.Lock()  # of whoever begins, buries or kills the process
        self._stopped = threading.Event()

    def begin(self) -> None:
        """Has a process and waits until it has loaded.

        Raises ChildProcessError where it cannot begin.
        """
        here, there = spawning().Pipe()
        self._start(there)
        there.close()  # the process has its own copy: when it dies, the pipe ends
        try:
            here.recv_bytes()
        except (EOFError, OSError) as error:
            here.close()
            how = f"{self._buried()} (a script of your own must begin pools and jobs below {GUARD})"
            raise self._not_begun(how) from error
        self._pipe = here
        self._loaded = True

    def _start(self, pipe: Connection) -> None:
        with self._lock, beginning():
            if self._stopped.is_set():
                raise ChildProcessError("stopped")
            self._loaded = False
            self._process = spawning().Process(target=_serve, args=(self._work, pipe), daemon=True)
            try:
                self._process.start()
            # no memory; or this process is a daemon itself, which may not begin any
            except (OSError, AssertionError) as error:
                self._process = None
                raise self._not_begun(str(error)) from error

    def _not_begun(self, how: str) -> ChildProcessError:
        return ChildProcessError(f"a process for {self._work.activity} could not begin: {how}")

    def ask(self, tasks: Sequence[Task]) -> Sequence[Answer]:
        """What the work makes of the tasks; an error of it is raised here as RuntimeError.

        Raises Died where the process dies over them, ChildProcessError where none can be begun.
        """
        if self._process is None:
            self._begin_again()
        pipe = self._pipe
        assert pipe is not None, "begin sets it, or raises"
        try:
            pipe.send_bytes(_packed(tasks))
            answers, fault, records = pipe.recv()
        except (EOFError, OSError) as error:
            pipe.close()
            raise Died(self._buried()) from error
        for record in records:
            logger = logging.getLogger(record.name)
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)
        if fault:
            raise RuntimeError(fault)
        return answers

    def _begin_again(self) -> None:
        """Begins the first process, or the next one after a death: with patience, since what killed
        it, want of memory, say, may kill the next too.
        """
        pauses = () if self._pipe is None else PAUSES
        for pause in pauses:
            try:
                return self.begin()
            except ChildProcessError:
                self._stopped.wait(pause)
        return self.begin()

    def dismiss(self) -> None:
        """Tells a process that has loaded that nobody will ask any more."""
        if self._loaded and self._pipe is not None:
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
            process = self._process
            assert process is not None, "only whoever begins or asks buries, one thread at a time"
            process.join(PATIENCE)
            process.kill()
            process.join()
            code = process.exitcode
            self._process = None
            self._loaded = False
        if code is None or code >= 0:
            return f"exit code {code}"
        guess = ", out of memory?" if code == -signal.SIGKILL else ""
        return f"killed by {signal.Signals(-code).name}{guess}"


def _serve(work: Work[Task, Answer], pipe: Connection) -> None:
    """The process: answers until nobody asks any more."""
    settle()
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    logger = logging.getLogger(LOGGER)
    logger.addHandler(QueueHandler(records))
    logger.setLevel(logging.INFO)
    logger.propagate = False
    do = work.load()
    pipe.send_bytes(b"loaded")
    while True:
        try:
            tasks = pipe.recv()
        except EOFError:
            return
        answers = None
        fault = ""
        try:
            answers = do(tasks)
        except Exception as error:  # whatever it is, this process can go on
            fault = f"{type(error).__name__}: {error}"
            logger.exception("an error in a process")
        told = [records.get() for _ in range(records.qsize())]
        pipe.send_bytes(_packed((answers, fault, told)))


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
