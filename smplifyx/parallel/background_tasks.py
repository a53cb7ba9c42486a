"""Single tasks in the background: bounded, in any order, and a task that goes wrong costs only
itself.
"""

from __future__ import annotations

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

from .spawning import beginning, cores, settle, spawning

Task = TypeVar("Task")
Answer = TypeVar("Answer")
FEW = 24  # tasks that a thread of this process does: a new process takes seconds to load torch
WAITING = 48  # unfinished tasks; with more, whoever brings them waits
MOST = 8  # processes, of some 300 MB each


class BackgroundTasks(Generic[Task, Answer]):
    """Does tasks in the background: the first few in a thread, the others in as many processes as
    there are cores.

    work: what is done with a task; both must pickle, and `work` runs on one core. told: called once
    for every task, one call at a time, with the task and its answer, or the exception that it ended
    with; must not raise. few: how many tasks the thread does, from 0. A process that dies takes its
    tasks along: each is tried once more, alone. Memory does not grow with the number of tasks.
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
        self._processes = _processes(min(MOST, cores()))
        self._alone = _processes(1)  # where nothing else can be lost
        self._free = threading.Semaphore(WAITING)
        self._telling = threading.Lock()
        self._lost: list[Task] = []  # with a process that died
        self._given = 0
        self._stopped = False

    def put(self, task: Task) -> None:
        """Takes a task in; waits while too many are unfinished. Once stopped, does nothing."""
        self._free.acquire()
        if self._stopped:
            self._free.release()
            return
        self._given += 1
        self._submit(self._thread if self._given <= self._few else self._processes, task)

    def finish(self) -> None:
        """Waits until everything is done; nothing may be put in afterwards.

        An interruption stops it.
        """
        try:
            self._thread.shutdown()
            self._processes.shutdown()
            for task in self._lost:
                self._try_alone(task)
        except BaseException:
            self.stop()
            raise
        self._alone.shutdown()

    def stop(self) -> None:
        """Drops what has not begun and waits for what has; whoever waits in `put` goes on."""
        self._stopped = True
        for executor in (self._thread, self._processes, self._alone):
            executor.shutdown(cancel_futures=True)

    def _submit(self, executor: Executor, task: Task) -> None:
        try:
            with beginning():
                future = executor.submit(self._work, task)
        except BrokenExecutor:  # a process died since
            self._processes.shutdown()
            self._processes = _processes(min(MOST, cores()))
            self._submit(self._processes, task)
        except RuntimeError:  # stopped meanwhile
            self._free.release()
        else:
            future.add_done_callback(partial(self._done, task))

    def _try_alone(self, task: Task) -> None:
        """Does a task that was lost with a process, in one where nothing else can be lost."""
        with beginning():
            future = self._alone.submit(self._work, task)
        if isinstance(future.exception(), BrokenExecutor):
            self._alone = _processes(1)
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
