"""Independent pieces of work on several threads of a CPU, and who chooses how many threads."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Answer = TypeVar("Answer")
CHUNK = 512  # rows of one piece: bounds the memory of a batch of any size
CHUNK_GPU = 2**14
LEAST = 64  # rows that are worth a thread: fewer take as long on two threads as on one

# Torch's thread count is one number of the whole process, so the choice is one, too: the threads
# that may work at once while a block of `one_thread_per_operation` runs, else None.
_chosen: int | None = None
_CHOOSING = threading.Lock()


@contextlib.contextmanager
def one_thread_per_operation(device: torch.device) -> Iterator[int]:
    """For the time of the block torch has one thread per operation; gives how many threads may
    work side by side instead: as many as torch had.

    Small operations gain nothing from torch's own threads, and on a busy machine lose a factor of
    ten and more while these wait for one another. Whole pieces of work side by side do gain.
    Whoever launches fits enters this, and the outermost block alone changes torch's count and
    restores it: a block within a block, in whatever Python thread, gives the same number. On a
    device other than a CPU it changes nothing and gives 1.
    """
    global _chosen
    if device.type != "cpu":
        yield 1
        return
    with _CHOOSING:
        outermost = _chosen is None
        threads = torch.get_num_threads() if _chosen is None else _chosen
        if outermost:
            _chosen = threads
            torch.set_num_threads(1)
    try:
        yield threads
    finally:
        if outermost:
            with _CHOOSING:
                torch.set_num_threads(threads)
                _chosen = None


def threads_at_once() -> int:
    """How many threads this process may use: those of the surrounding `one_thread_per_operation`,
    else torch's (which heed OMP_NUM_THREADS).
    """
    return torch.get_num_threads() if _chosen is None else _chosen


def pieces(count: int, device: torch.device, threads: int) -> list[slice]:
    """`count` rows in as many even pieces as the device's memory and so many threads ask for."""
    if device.type == "cpu":
        rounds = -(-count // (CHUNK * threads))
        number = min(rounds * threads, count // LEAST)
    else:
        number = -(-count // CHUNK_GPU)
    return even(count, number)


def even(count: int, number: int) -> list[slice]:
    """`count` rows in `number` even pieces of at least one row; one piece where there are none."""
    number = max(min(number, count), 1)
    bounds = [count * i // number for i in range(number + 1)]
    return [slice(start, stop) for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]


def side_by_side(
    work: Callable[[slice], Answer], rows: Sequence[slice], threads: int
) -> list[Answer]:
    """The answers to all pieces, in order, as many at once as there are `threads`.

    threads: from the block of `one_thread_per_operation` in which this is called; 1: one piece
    after the other, in this thread. Changes no setting of the process. Raises the error of the
    first piece that has one.
    """
    if threads == 1:
        return [work(piece) for piece in rows]
    # Torch keeps its count by thread: this thread may still have an old one, where another thread
    # entered the block. Those of the pool are new.
    if len(rows) == 1 and torch.get_num_threads() == 1:
        return [work(rows[0])]
    # Asking for the count is what makes a new thread take over that of the process. Some operations
    # of linear algebra do not ask by themselves.
    with ThreadPoolExecutor(threads, initializer=torch.get_num_threads) as pool:
        return list(pool.map(work, rows))
