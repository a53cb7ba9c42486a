"""The least value of many lists of different length, quickly for many bodies side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Ragged:
    """Lists of numbers, the longest first: their first members, their second members as far as they
    have any, ...
    """

    columns: tuple[Int[Tensor, " _"], ...]
    place: Int[Tensor, " n"]  # of each list among them; behind them all for an empty one

    @classmethod
    def of(
        cls, number: Int[NDArray, " m"], span: Int[NDArray, "n 2"], device: torch.device
    ) -> Ragged:
        """The lists `number[start:stop]`."""
        size = span[:, 1] - span[:, 0]
        order = np.argsort(-size, kind="stable")
        start, size = span[order, 0], size[order]
        # the lists that have a member 0, 1, ...
        counts = np.searchsorted(-size, -np.arange(size.max(initial=0)))
        columns = (number[start[:count] + column] for column, count in enumerate(counts))
        place = np.argsort(order).clip(max=counts.max(initial=0))
        return cls(
            tuple(torch.as_tensor(c, device=device) for c in columns),
            torch.as_tensor(place, device=device),
        )

    def least(self, values: Float[Tensor, "k m b"]) -> Float[Tensor, "k n b"]:
        """The least of each list's values; infinite where a list is empty."""
        found = values.new_full((len(values), 1, values.shape[2]), torch.inf)
        if self.columns:
            found = torch.cat([values.index_select(1, self.columns[0]), found], 1)
        for column in self.columns[1:]:
            some = found[:, : len(column)]
            torch.minimum(some, values.index_select(1, column), out=some)
        return found.index_select(1, self.place)
