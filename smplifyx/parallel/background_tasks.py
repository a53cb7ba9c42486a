"""Work in other processes beside the main one: bounded, in any order, and a task that goes wrong
costs only itself.
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

from .spawning import cores, interrupts_blocked, settle, spawning

Task = TypeVar("Task")
Answer = TypeVar("Answer")
FEW = 24  # tasks that a thread of this process does: a new process takes seconds to load torch
WAITING = 48  # unfinished tasks; with more, whoever brings them waits
MOST = 8  # processes, of some 300 MB each


class BackgroundTasks(Generic[Task, Answer]):
    """Does tasks beside the caller: the first few in a thread, the others in as many processes as
    there are cores.

    work: what is done with a task; both must pickle, and `work` runs on one core. told: called once
    for every task, one call at a time, with the task and its answer, or the exception that it ended
    with; must not raise. A process that dies takes its tasks along: each is tried once more, alone.
    Memory does not grow with the number of tasks.
    """

    def __init__(
        self,
        work: Callable[[Task], Answer],
        told: Callable[[Task, Answer | BaseException], None],
        few: int = FEW,
    ) -> None:
        self._work, self._told, self._few = work, told, few
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._processes, self._alone = _processes(min(MOST, cores())), _processes(1)
        self._free = threading.Semaphore(WAITING)
        self._lock = threading.Lock()
        self._lost: list[Task] = []
        self._given, self._stopped = 0, False

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
            with interrupts_blocked():
                future = executor.submit(self._work, task)
        except BrokenExecutor:  # a process died since
            self._processes.shutdown()
            self._processes = _processes(min(MOST, cores()))
            return self._submit(self._processes, task)
        except RuntimeError:  # stopped meanwhile
            return self._free.release()
        return future.add_done_callback(partial(self._done, task))

    def _try_alone(self, task: Task) -> None:
        """Does a task that was lost with a process, in one where nothing else can be lost."""
        with interrupts_blocked():
            future = self._alone.submit(self._work, task)
        if isinstance(future.exception(), BrokenExecutor):
            self._alone = _processes(1)
        self._tell(task, future)

    def _done(self, task: Task, future: Future[Answer]) -> None:
        self._free.release()
        if future.cancelled():
            return
        if isinstance(future.exception(), BrokenExecutor) and len(self._lost) < WAITING:
            self._lost.append(task)
        else:
            self._tell(task, future)

    def _tell(self, task: Task, future: Future[Answer]) -> None:
        with self._lock:
            self._told(task, future.exception() or future.result())


def _processes(count: int) -> ProcessPoolExecutor:
    """Up to so many new processes, begun when they are needed."""
    return ProcessPoolExecutor(count, spawning(), initializer=settle)
