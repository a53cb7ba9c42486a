"""Work in processes of their own, one core each: the threads of one process hinder each other."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ..core.threads import even, threads_at_once
from .halving import halved
from .launcher import Answer, Doing, Launcher, LaunchPlan, PendingAnswers, Task
from .spawning import check_begun
from .worker_process import Died, WorkerProcess

LOG = logging.getLogger(__name__)
# seconds that others must save to be begun: they take 5 s and more to load, and less may be ahead
LOADING = 15.0
BUSY = 1.5  # cores that threads of one process keep busy, however many they are
TRIES = 2  # processes that a task must have died in before it is given up


class Stopped(Exception):
    """The pool was stopped before the work was done."""


class ProcessPool(Launcher[Task, Answer]):
    """A launcher of `plan.workers` processes, one core and some 700 MB each.

    Without `plan.here` the processes begin at once. With it this process does the work, and the
    others are begun only when so much is left to do that they pay; they take over when one has
    loaded. A process that dies, for want of memory, say, costs nobody else: its tasks are tried
    again in new ones, by halves down to the one that kills it. In `submit` and in the answers
    ChildProcessError tells that no process can be begun, RuntimeError that the work itself raised
    an error, `Stopped` that the pool was stopped.

    Each process imports the script that began it, which should do so below
    `if __name__ == "__main__":` only. Raises RuntimeError where it does not.
    """

    def __init__(self, plan: LaunchPlan[Task, Answer]) -> None:
        check_begun()
        self._work = plan.work
        self._here = plan.here
        self._workers = [WorkerProcess(plan.work) for _ in range(plan.workers)]
        # Seconds that each second of one core's work takes less in the processes than here.
        self._gain = 1 / min(BUSY, threads_at_once()) - 1 / plan.workers
        self.capacity = 2 * plan.workers  # so nobody waits for the next

        # One thread for each worker and one for this process. A thread takes whoever is idle, has
        # it do its tasks, and puts it back. None stands for this process.
        self._threads = ThreadPoolExecutor(plan.workers + 1, thread_name_prefix="pool")
        self._idle: queue.SimpleQueue[WorkerProcess[Task, Answer] | None] = queue.SimpleQueue()
        self._loading: list[threading.Thread] = []
        self._joined = threading.Event()  # a process has loaded, and has taken over
        self._stopped = False
        if self._here is None:
            self._begin()
        else:
            self._idle.put(None)

    def submit(self, tasks: Sequence[Task], ahead: float = 0.0) -> PendingAnswers[Answer]:
        """Takes tasks in; the answers come in time."""
        largest = self._work.largest
        only_here = self._here is not None and not self._joined.is_set()
        if largest is None or only_here:  # here the work itself has threads for its parts
            parts = [slice(None)]
        else:
            parts = even(len(tasks), math.ceil(len(tasks) / largest))
        return PendingAnswers(
            tuple(self._threads.submit(self._done, tasks[part], ahead) for part in parts)
        )

    def close(self) -> None:
        """Waits until everything is done; leaves no process behind. An interruption stops it."""
        try:
            self._threads.shutdown()
        except BaseException:
            self.stop()
            raise
        self._stopped = True
        # All are told before the first is waited for.
        for worker in self._workers:
            worker.dismiss()
        for worker in self._workers:
            worker.end()
        self.stop()

    def stop(self) -> None:
        """Drops what is not done, kills the processes, waits for what this process does."""
        self._stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        # Killed before the threads are waited for: these wait for answers of the processes.
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown()
        for thread in self._loading:
            thread.join()

    def _begin(self) -> None:
        self._loading = [
            threading.Thread(target=self._join, args=(worker,), name="pool loads")
            for worker in self._workers
        ]
        for thread in self._loading:
            thread.start()

    def _join(self, worker: WorkerProcess[Task, Answer]) -> None:
        """Takes a process in when it has loaded.

        One that cannot load is left out where this process can do its work; else it is taken in
        all the same, and the tasks that it gets raise why.
        """
        try:
            worker.begin()
        except ChildProcessError as error:
            if self._here is not None:
                if not self._stopped:
                    LOG.warning("%s: %s go on without it", error, self._work.activity)
                return
        self._joined.set()
        self._idle.put(worker)

    def _done(self, tasks: Sequence[Task], ahead: float) -> Sequence[Answer]:
        """The answers, from whoever is idle first."""
        worker = self._idle.get()
        try:
            if self._stopped:
                raise Stopped("stopped")
            if worker is not None:
                return self._done_by(worker, tasks)
            # None is put in only with a `here`.
            assert self._here is not None
            return self._done_here(self._here, tasks, ahead)
        finally:
            # This process goes on only until another one is there.
            if worker is not None or not self._joined.is_set():
                self._idle.put(worker)

    def _done_here(
        self, here: Doing[Task, Answer], tasks: Sequence[Task], ahead: float
    ) -> Sequence[Answer]:
        """The answers from this process, which begins the others where they pay."""
        start = time.process_time()
        answers = here(tasks)
        spent = time.process_time() - start
        saved = spent * ahead * self._gain
        if saved > LOADING and not self._loading and not self._stopped:
            LOG.info(
                "%d processes are begun for the %s, to save about %.0f s",
                len(self._workers),
                self._work.activity,
                saved,
            )
            self._begin()
        return answers

    def _done_by(self, worker: WorkerProcess[Task, Answer], tasks: Sequence[Task]) -> list[Answer]:
        """The answers from a process; a death is halved down to the task that causes it."""

        def ask(some: Sequence[Task]) -> Sequence[Answer]:
            try:
                return worker.ask(some)
            except Died as death:
                if self._stopped:  # killed by `stop`: nothing is tried again
                    raise Stopped(str(death)) from death
                raise

        def tell(count: int, death: Exception) -> None:
            LOG.warning(
                "a process died over %d %s (%s): they are tried again",
                count,
                self._work.unit,
                death,
            )

        return halved(
            tasks,
            ask,
            self._work.give_up,
            catch=Died,
            cut=self._work.cut,
            tries=TRIES,
            on_retry=tell,
        )
