"""Work done in this process, at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from .launcher import Answer, Launcher, LaunchPlan, PendingAnswers, Task


class InProcess(Launcher[Task, Answer]):
    """Does the work in the thread that submits it. `plan.workers` is not heeded."""

    capacity = 0

    def __init__(self, plan: LaunchPlan[Task, Answer]) -> None:
        self._do = plan.work.load() if plan.here is None else plan.here

    def submit(self, tasks: Sequence[Task], ahead: float = 0.0) -> PendingAnswers[Answer]:
        """Takes tasks in; their answers are there when this returns. Raises what the work does."""
        done: Future[Sequence[Answer]] = Future()
        done.set_result(self._do(tasks))
        return PendingAnswers((done,))

    def close(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Nothing to do."""
