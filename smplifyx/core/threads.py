"""Independent pieces of work side by side on the cores of a CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Answer = TypeVar("Answer")
CHUNK = 512  # rows of one piece: bounds the memory of a batch of any size
CHUNK_GPU = 2**14
LEAST = 64  # rows that are worth a thread: fewer take as long on two threads as on one


def pieces(count: int, device: torch.device) -> list[slice]:
    """`count` rows in as many even pieces as the device's memory and cores ask for."""
    if device.type == "cpu":
        threads = torch.get_num_threads()
        rounds = -(-count // (CHUNK * threads))
        number = min(rounds * threads, count // LEAST)
    else:
        number = -(-count // CHUNK_GPU)
    return even(count, number)


def even(count: int, number: int) -> list[slice]:
    """`count` rows in `number` even pieces of at least one row; in one piece where there are none."""
    number = max(min(number, count), 1)
    bounds = [count * i // number for i in range(number + 1)]
    return [slice(start, stop) for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]


def side_by_side(
    work: Callable[[slice], Answer], rows: Sequence[slice], device: torch.device
) -> list[Answer]:
    """The answers to all pieces, in order; on a CPU as many at once as torch has threads, each with
    one of its own.

    Small operations gain nothing from torch's own threads, and on a busy machine lose a factor of
    ten and more while these wait for one another: whole pieces of work side by side do gain. While
    it runs, the process has one torch thread per operation.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        return [work(piece) for piece in rows]
    torch.set_num_threads(1)
    try:
        if len(rows) == 1:
            return [work(rows[0])]
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, rows))
    finally:
        torch.set_num_threads(threads)
