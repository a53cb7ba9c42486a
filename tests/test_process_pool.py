"""Launchers of any work: the same answers wherever it is done, and deaths that cost one task."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest

from smplifyx.parallel.halving import middle
from smplifyx.parallel.launch import LAUNCHERS, Place, launch
from smplifyx.parallel.launcher import Launcher, LaunchPlan
from smplifyx.parallel.process_pool import ProcessPool, Stopped

DEADLY = 13
GIVEN_UP = -1


@dataclass(frozen=True)
class Sums:
    """Doubles numbers; one of them is deadly, and negative ones raise an error."""

    largest: int | None = None
    activity: ClassVar[str] = "sums"
    unit: ClassVar[str] = "numbers"

    def load(self) -> Callable[[Sequence[int]], list[tuple[int, int]]]:
        return self._sums

    def _sums(self, tasks: Sequence[int]) -> list[tuple[int, int]]:
        if DEADLY in tasks:
            os.kill(os.getpid(), signal.SIGKILL)
        if min(tasks) < 0:
            raise ValueError("negative")
        return [(2 * task, len(tasks)) for task in tasks]

    def cut(self, tasks: Sequence[int]) -> int:
        return middle(tasks)

    def give_up(self, task: int, death: Exception) -> tuple[int, int]:
        return GIVEN_UP, task


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool[int, tuple[int, int]]]:
    """Two processes for all tests, which get three tasks at a time."""
    before = set(multiprocessing.active_children())
    with ProcessPool(LaunchPlan(Sums(largest=3), 2)) as pool:
        yield pool
    assert set(multiprocessing.active_children()) <= before


@pytest.mark.parametrize("place", list(Place))
def test_answers_are_the_same_wherever_the_work_is_done(place: Place) -> None:
    with launch(place, LaunchPlan(Sums(), 1)) as launcher:
        parts = [launcher.submit(tasks) for tasks in ([1, 2], [3], [4, 5, 6])]
        assert [part.result() for part in parts] == [
            [(2, 2), (4, 2)],
            [(6, 1)],
            [(8, 3), (10, 3), (12, 3)],
        ]


def test_every_place_has_a_launcher() -> None:
    assert set(LAUNCHERS) == set(Place)
    assert all(issubclass(kind, Launcher) for kind in LAUNCHERS.values())


def test_large_submissions_are_parted(pool: ProcessPool[int, tuple[int, int]]) -> None:
    assert pool.submit(range(7)).result() == [
        (2 * task, size) for task, size in enumerate([2, 2, 2, 2, 3, 3, 3])
    ]


def test_a_death_costs_the_deadly_task_alone(
    pool: ProcessPool[int, tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "smplifyx"):
        answers = pool.submit([11, 12, DEADLY]).result()
    assert [answer for answer, _ in answers] == [22, 24, GIVEN_UP]
    assert "a process died over 3 numbers (killed by SIGKILL, out of memory?)" in caplog.text
    assert "a process died over 2 numbers" in caplog.text


def test_an_error_of_the_work_is_raised_and_the_process_lives(
    pool: ProcessPool[int, tuple[int, int]],
) -> None:
    with pytest.raises(RuntimeError, match="ValueError: negative"):
        pool.submit([-1]).result()
    assert pool.submit([1]).result() == [(2, 1)]


def test_stopping_drops_what_is_not_begun() -> None:
    gate = threading.Event()

    def here(tasks: Sequence[int]) -> list[tuple[int, int]]:
        gate.wait(20)
        return [(task, 0) for task in tasks]

    pool = ProcessPool(LaunchPlan(Sums(), 2, here))
    pending = [pool.submit([task]) for task in range(6)]
    threading.Timer(0.2, gate.set).start()
    pool.stop()
    assert pending[0].result() == [(0, 0)]
    with pytest.raises(BaseException) as caught:  # CancelledError is no Exception
        pending[-1].result()
    assert isinstance(caught.value, Stopped) or not str(caught.value)
