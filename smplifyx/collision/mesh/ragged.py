"""Lists of different length: their ranges in one long array, and the least value of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Ragged:
    """n lists of numbers, stored by columns, the longest list first.

    Column c holds member c of every list that has one. With the longest list first these are the
    first lists, so a column lines up with the beginning of the columns before it.
    """

    columns: tuple[Int[Tensor, " _"], ...]
    place: Int[Tensor, " n"]  # of each list in this order; one behind all others for empty lists

    @classmethod
    def of(
        cls, number: Int[NDArray, " m"], span: Int[NDArray, "n 2"], device: torch.device
    ) -> Ragged:
        """The n lists `number[start:stop]`, for (start, stop) in `span`."""
        size = span[:, 1] - span[:, 0]
        longest_first = np.argsort(-size, kind="stable")
        start = span[longest_first, 0]
        size = size[longest_first]

        # how many lists have a member 0, 1, 2, ...
        counts = np.searchsorted(-size, -np.arange(size.max(initial=0)))
        columns = [number[start[:count] + column] for column, count in enumerate(counts)]

        place = np.argsort(longest_first)
        filled = counts.max(initial=0)
        return cls(
            columns=tuple(torch.as_tensor(column, device=device) for column in columns),
            place=torch.as_tensor(place.clip(max=filled), device=device),
        )

    def least(self, values: Float[Tensor, "k m batch"]) -> Float[Tensor, "k n batch"]:
        """The least of each list's values; infinite where a list is empty."""
        # [k, lists with members + 1, batch]; the last is the place of all empty lists
        found = values.new_full((len(values), 1, values.shape[2]), torch.inf)
        if self.columns:
            found = torch.cat([values.index_select(1, self.columns[0]), found], 1)
        for column in self.columns[1:]:
            having = found[:, : len(column)]
            torch.minimum(having, values.index_select(1, column), out=having)
        return found.index_select(1, self.place)


def ranges(sorted_numbers: Int[NDArray, " n"], count: int) -> Int[NDArray, "count 2"]:
    """Where each of 0..count - 1 starts and stops in a sorted list."""
    number = np.arange(count)
    return np.searchsorted(sorted_numbers, np.stack([number, number + 1], 1))


def expand_counts(counts: Int[Tensor, " n"]) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """Each number 0..n - 1 as often as counted, and for each of them 0, 1, 2, ..."""
    number = torch.repeat_interleave(counts)
    first = counts.cumsum(0) - counts
    offset = torch.arange(len(number), device=counts.device) - first.index_select(0, number)
    return number, offset


def expand_ranges(span: Int[Tensor, "n 2"]) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """Everything in n ranges (start, stop): which of them it is in, and its number."""
    start, stop = span.unbind(1)
    which, offset = expand_counts(stop - start)
    return which, start.index_select(0, which) + offset
