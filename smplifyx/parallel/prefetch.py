"""An iterator that runs ahead of its consumer in its own thread, by a bounded number of items."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _End:
    """The last thing in the queue: the source is exhausted, or raised `error`."""

    error: BaseException | None = None


def prefetch(items: Iterator[T], depth: int) -> Iterator[T]:
    """The same items in the same order, up to `depth` of them read ahead in a background thread.

    At most depth + 1 items exist besides the consumer's own. An exception of the source is raised
    here, after the items before it. Closing this generator, or dropping it, stops the thread and
    closes the source. Raises ValueError for a depth below 1, when the first item is asked for.
    """
    if depth < 1:
        raise ValueError(f"prefetch: depth should be at least 1, got {depth}")
    ready: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    stop = threading.Event()
    worker = threading.Thread(
        target=_read_ahead, args=(items, ready, stop), name="prefetch", daemon=True
    )
    worker.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                break
            yield item
            del item  # the consumer may be the only one to hold it
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        _release(worker, ready)


def _read_ahead(items: Iterator[T], ready: queue.Queue[T | _End], stop: threading.Event) -> None:
    end = _End()
    try:
        for item in items:
            ready.put(item)
            del item  # the queue and its consumer hold it
            if stop.is_set():
                break
    except BaseException as error:  # raised again in the consumer's thread
        end = _End(error)
    finally:
        close = getattr(items, "close", None)  # a generator has it, any other iterator need not
        if close is not None:
            close()
        ready.put(end)


def _release(worker: threading.Thread, ready: queue.Queue[T | _End]) -> None:
    """Takes what the worker still puts, so that it gets to see that it should stop."""
    while worker.is_alive():
        while not ready.empty():
            ready.get_nowait()
        worker.join(timeout=0.02)
