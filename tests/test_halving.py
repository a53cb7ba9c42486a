"""Work that fails is halved down to what it fails on, whatever kind of work it is."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from smplifyx.parallel.halving import halved, middle


class Poisoned(Exception):
    """What the work of these tests fails with."""


class Doubling:
    """Doubles numbers, fails on some, and remembers what it was asked."""

    def __init__(self, *bad: int) -> None:
        self._bad = set(bad)
        self.asked: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.asked.append(list(items))
        found = self._bad & set(items)
        if found:
            raise Poisoned(f"poisoned by {sorted(found)}")
        return [2 * item for item in items]


def minus(item: int, error: Exception) -> int:
    """The answer of those who are given up."""
    return -item


def test_what_does_not_fail_is_asked_once() -> None:
    work = Doubling()
    assert halved([1, 2, 3], work, minus) == [2, 4, 6] and work.asked == [[1, 2, 3]]
    assert halved([], Doubling(), minus) == []


@pytest.mark.parametrize("bad", [(1,), (8,), (3, 4), (1, 5, 8), tuple(range(1, 9))])
def test_only_the_culprits_are_given_up_and_the_order_stays(bad: tuple[int, ...]) -> None:
    items = list(range(1, 9))
    expected = [-item if item in bad else 2 * item for item in items]
    assert halved(items, Doubling(*bad), minus) == expected


def test_halves_are_tried_from_left_to_right() -> None:
    work = Doubling(4)
    assert halved([1, 2, 3, 4, 5], work, minus) == [2, 4, 6, -4, 10]
    assert work.asked == [[1, 2, 3, 4, 5], [1, 2], [3, 4, 5], [3], [4, 5], [4], [5]]


def test_failures_are_told_and_the_last_one_is_at_hand(caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[int, str]] = []

    def give_up(item: int, error: Exception) -> int:
        logging.getLogger("smplifyx").exception("given up: %s", error)
        return minus(item, error)

    answers = halved(
        [1, 2, 3],
        Doubling(3),
        give_up,
        on_retry=lambda count, error: told.append((count, str(error))),
    )
    assert answers == [2, 4, -3]
    assert told == [(3, "poisoned by [3]"), (2, "poisoned by [3]")]
    assert "given up: poisoned by [3]" in caplog.text and "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("items", "asked"), [([7], [[7], [7]]), ([6, 7], [[6, 7], [6], [7]])], ids=["alone", "two"]
)
def test_an_item_must_fail_so_often(items: list[int], asked: list[list[int]]) -> None:
    work = Doubling(7)
    assert halved(items, work, minus, tries=2)[-1] == -7 and work.asked == asked


def test_another_error_is_raised() -> None:
    with pytest.raises(Poisoned):
        halved([1, 2], Doubling(1), minus, catch=OSError)


def test_the_cut_is_a_choice() -> None:
    work = Doubling(1)
    assert halved([1, 2, 3], work, minus, cut=lambda items: len(items) - 1) == [-1, 4, 6]
    assert work.asked == [[1, 2, 3], [1, 2], [1], [2], [3]]


@pytest.mark.parametrize(("count", "position"), [(1, 0), (2, 1), (3, 1), (6, 3)])
def test_middle(count: int, position: int) -> None:
    assert middle(range(count)) == position


def test_a_failed_try_holds_nothing_while_the_next_runs() -> None:
    """The error's traceback would keep the memory of the work that failed for want of memory."""
    import sys

    def work(items: Sequence[int]) -> list[int]:
        assert sys.exc_info() == (None, None, None)
        if len(items) > 1:
            raise Poisoned
        return list(items)

    assert halved([1, 2, 3], work, minus) == [1, 2, 3]
