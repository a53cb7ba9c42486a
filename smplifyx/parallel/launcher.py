"""What launches work on tasks, here or elsewhere, and what such work must say of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Generic, Protocol, TypeVar, runtime_checkable

Task = TypeVar("Task")
Answer = TypeVar("Answer")
AnyLauncher = TypeVar("AnyLauncher", bound="Launcher")
TaskIn = TypeVar("TaskIn", contravariant=True)
AnswerOut = TypeVar("AnswerOut", covariant=True)

Doing = Callable[[Sequence[Task]], Sequence[Answer]]  # tasks to their answers, in order


@runtime_checkable
class Work(Protocol[TaskIn, AnswerOut]):
    """Work on a sequence of tasks; it pickles, as do tasks and answers, and is small.

    An error that a task causes should be its answer. What is raised fails all tasks of a call.
    activity, unit: what messages call the work ("fits") and several of its tasks ("people").
    """

    activity: ClassVar[str]
    unit: ClassVar[str]

    @property
    def largest(self) -> int | None:
        """How many tasks one process gets at once; None: what is submitted stays together."""
        ...

    def load(self) -> Callable[[Sequence[TaskIn]], Sequence[AnswerOut]]:
        """Called once in the process that shall do the work; gives what does it, which need not
        pickle and may keep what it has loaded.
        """
        ...

    def cut(self, tasks: Sequence[TaskIn], /) -> int:
        """Where tasks are parted that a process died over (see `halving.halved`)."""
        ...

    def give_up(self, task: TaskIn, death: Exception, /) -> AnswerOut:
        """The answer for a task over which processes die; says so in the log."""
        ...


@dataclass(frozen=True)
class LaunchPlan(Generic[Task, Answer]):
    """What a launcher is made from.

    workers: how many processes (or the like) there may be, from 1. here: does the same work in this
    process, with what is loaded already. With it a launcher need not begin others for little work.
    """

    work: Work[Task, Answer]
    workers: int = 1
    here: Doing[Task, Answer] | None = None


@dataclass(frozen=True)
class PendingAnswers(Generic[Answer]):
    """Answers that are being worked out, in parts."""

    parts: tuple[Future[Sequence[Answer]], ...]

    def result(self) -> list[Answer]:
        """Waits for them, and raises what kept them from coming."""
        return [answer for part in self.parts for answer in part.result()]


class Launcher(ABC, Generic[Task, Answer]):
    """Takes tasks in and has them done; to be closed, best as a context manager.

    No answer depends on which launcher it is. capacity: how many submissions may be unfinished
    before whoever submits should wait; 0: none is, when `submit` returns.
    """

    capacity: int

    @abstractmethod
    def __init__(self, plan: LaunchPlan[Task, Answer]) -> None:
        """A launcher of that work."""

    @abstractmethod
    def submit(self, tasks: Sequence[Task], ahead: float = 0.0) -> PendingAnswers[Answer]:
        """Takes tasks in. ahead: how many times as much is yet to come, from 0."""

    @abstractmethod
    def close(self) -> None:
        """Waits until everything is done; leaves no process behind."""

    @abstractmethod
    def stop(self) -> None:
        """Drops what is not done, ends other processes, waits for what this process does."""

    def __enter__(self: AnyLauncher) -> AnyLauncher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.stop()
