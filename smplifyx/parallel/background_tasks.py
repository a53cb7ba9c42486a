"""Single tasks in the background: bounded, in any order, and a task that goes wrong costs only
itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from functools import partial
from typing import Generic, TypeVar

from ..core.messages import one_line
from .spawning import beginning, cores, settle, spawning

LOG = logging.getLogger(__name__)
Task = TypeVar("Task")
Answer = TypeVar("Answer")
FEW = 24  # tasks that a thread of this process does: a new process takes seconds to load torch
WAITING = 48  # unfinished tasks; with more, whoever brings them waits
MOST = 8  # processes, of some 300 MB each
TRIES = 2  # of a task over which a process died, in one of its own
# what the system says where it has no room for processes, or for the semaphores of their queues
NO_PROCESSES = (OSError, NotImplementedError)


class BackgroundTasks(Generic[Task, Answer]):
    """Does tasks in the background: the first few in a thread, the others in as many processes as
    there are cores.

    work: what is done with a task; both must pickle, and `work` runs on one core. told: called once
    for every task, one call at a time, with the task and its answer, or the exception that it ended
    with; must not raise. few: how many tasks the thread does, from 0. A process that dies takes its
    tasks along: each is tried again, alone, up to TRIES times. Where no process can be begun, for
    want of memory or of room in /dev/shm, the thread does everything. Memory does not grow with the
    number of tasks.
    """

    def __init__(
        self,
        work: Callable[[Task], Answer],
        told: Callable[[Task, Answer | BaseException], None],
        few: int = FEW,
    ) -> None:
        self._work = work
        self._told = told
        self._few = few
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="background")
        # Begun when they are needed: most jobs are small, and some machines have no room for them.
        self._processes: ProcessPoolExecutor | None = None
        self._alone: ProcessPoolExecutor | None = None  # where nothing else can be lost
        self._free = threading.Semaphore(WAITING)
        self._telling = threading.Lock()
        self._lost: list[Task] = []  # with a process that died
        self._given = 0
        self._only_here = False
        self._stopped = False

    def put(self, task: Task) -> None:
        """Takes a task in; waits while too many are unfinished. Once stopped, does nothing."""
        self._free.acquire()
        if self._stopped:
            self._free.release()
            return
        self._given += 1
        is_here = self._given <= self._few or self._only_here
        if is_here or not self._submit_to_processes(task):
            self._submit(self._thread, task)

    def finish(self) -> None:
        """Waits until everything is done; nothing may be put in afterwards.

        An interruption stops it.
        """
        try:
            self._thread.shutdown()
            if self._processes is not None:
                self._processes.shutdown()
            for task in self._lost:
                self._try_alone(task)
        except BaseException:
            self.stop()
            raise
        if self._alone is not None:
            self._alone.shutdown()

    def stop(self) -> None:
        """Drops what has not begun and waits for what has; whoever waits in `put` goes on."""
        self._stopped = True
        for executor in (self._thread, self._processes, self._alone):
            if executor is not None:
                executor.shutdown(cancel_futures=True)

    def _submit_to_processes(self, task: Task) -> bool:
        """Whether there are processes that have taken the task."""
        try:
            if self._processes is None:
                self._processes = _processes(min(MOST, cores()))
            self._submit(self._processes, task)
        except BrokenExecutor:  # a process died since
            assert self._processes is not None, "something broke"
            self._processes.shutdown()
            self._processes = None
            return self._submit_to_processes(task)
        except NO_PROCESSES as error:
            self._only_here = True
            LOG.warning(
                "no processes can be begun (%s; is there room in /dev/shm and memory?): "
                "what they should do is done in this one",
                one_line(error),
            )
            return False
        return True

    def _submit(self, executor: Executor, task: Task) -> None:
        """Raises BrokenExecutor, and what keeps processes from being begun."""
        try:
            with beginning():
                future = executor.submit(self._work, task)
        except (BrokenExecutor, *NO_PROCESSES):
            raise
        except RuntimeError:  # stopped meanwhile
            self._free.release()
        else:
            future.add_done_callback(partial(self._done, task))

    def _try_alone(self, task: Task) -> None:
        """Does a task that was lost with a process, in one where nothing else can be lost."""
        future: Future[Answer] = Future()
        for _ in range(TRIES):
            try:
                if self._alone is None:
                    self._alone = _processes(1)
                with beginning():
                    future = self._alone.submit(self._work, task)
            except NO_PROCESSES as error:  # not here: it may end this process, too
                future = Future()
                future.set_exception(error)
                break
            if not isinstance(future.exception(), BrokenExecutor):
                break
            self._alone = None
        self._tell(task, future)

    def _done(self, task: Task, future: Future[Answer]) -> None:
        self._free.release()
        if future.cancelled():
            return
        died = isinstance(future.exception(), BrokenExecutor)
        if died and len(self._lost) < WAITING:  # else they could be as many as there are tasks
            self._lost.append(task)
        else:
            self._tell(task, future)

    def _tell(self, task: Task, future: Future[Answer]) -> None:
        with self._telling:
            self._told(task, future.exception() or future.result())


def _processes(count: int) -> ProcessPoolExecutor:
    """Up to so many new processes, begun when they are needed."""
    return ProcessPoolExecutor(count, spawning(), initializer=settle)
