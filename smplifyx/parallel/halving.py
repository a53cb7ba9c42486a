"""Work on many items at once, halved down to the item that it fails on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def middle(items: Sequence[object]) -> int:
    """Where a sequence is cut into halves; of one item, before it."""
    return len(items) // 2


def _say_nothing(count: int, error: Exception) -> None:
    """For callers that do not log a failure of several."""


def halved(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], Sequence[Answer]],
    give_up: Callable[[Item, Exception], Answer],
    *,
    catch: type[Exception] = Exception,
    cut: Callable[[Sequence[Item]], int] = middle,
    tries: int = 1,
    on_retry: Callable[[int, Exception], None] = _say_nothing,
) -> list[Answer]:
    """What `work` makes of all items, one answer each, in order; a failure costs one item only.

    work: done with all items at once. Where it raises `catch`, it is done again with either half,
    and so on, down to the items that it fails on. give_up: the answer for such an item, given the
    error. cut: where to part items that failed, 0 to len(items); after 0 all of them are tried once
    more. tries: how often `work` must have failed on an item, in company or alone, before it is
    given up. on_retry: told of each failure that is tried again, by how many items failed together
    and why. `give_up` and `on_retry` are called while the error is handled, so that
    `logging.exception` shows it. Other errors than `catch`, and those of `give_up` and `on_retry`,
    are raised.
    """
    answers: list[Answer] = []
    waiting = [(items, 1)]  # a stack of parts, and which try each is; the next part is the last
    while waiting:
        part, attempt = waiting.pop()
        try:
            answers += work(part)
            continue
        except catch as error:
            if len(part) == 1 and attempt >= tries:
                answers.append(give_up(part[0], error))
                continue
            on_retry(len(part), error)
        # Outside the except block, where nothing holds the error any more: its traceback would keep
        # all that the failed work had in memory.
        position = cut(part)
        for half in (part[position:], part[:position]):
            if half:
                waiting.append((half, attempt + 1))
    return answers
