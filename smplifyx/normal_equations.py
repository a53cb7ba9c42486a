"""Sums of J^T J and J^T r over rows that see few of the unknowns each."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from .batching import GRAM, gram
from .chain import Part
from .terms.scene import Picked


class NormalEquations:
    """Accumulates [J r]^T [J r] of the parts of an energy: r is one more column of J, J^T r the last of the sums."""

    def __init__(self, x: Tensor) -> None:
        """For unknowns x [batch, dim], all zero."""
        self._batch, self._dim = x.shape
        self._width = self._dim + 1 + -(self._dim + 1) % GRAM
        self._sums = x.new_zeros(self._batch, self._width * self._width)

    def add(self, part: Part) -> None:
        """Adds rows and their slopes."""
        if not part.columns:
            return
        if len(part.columns) == 1 and isinstance(part.columns[0].slope, Picked):
            self._add_picked(part.rows, part.columns[0].at, part.columns[0].slope)
            return
        at = tuple(place for columns in part.columns for place in columns.at)
        slopes = [columns.dense for columns in part.columns]
        if all(slope.dim() == 2 for slope in slopes):
            self._add_shared(part.rows, at, torch.cat(slopes, -1))
            return
        slopes = [slope.expand(self._batch, -1, -1) for slope in slopes]
        gap = part.rows.new_zeros(1).expand(*part.rows.shape, -(len(at) + 1) % GRAM)
        joined = torch.cat([*slopes, part.rows[..., None], gap], -1)
        at = at + (self._dim,) * (1 + gap.shape[-1])
        places = _places(at, self._width, joined.device)
        self._sums.index_add_(1, places, gram(joined, joined).flatten(1))

    def gradient_and_hessian(self) -> tuple[Tensor, Tensor]:
        """[batch, dim] and [batch, dim, dim]."""
        sums = self._sums.view(self._batch, self._width, self._width)
        return sums[:, : self._dim, self._dim], sums[:, : self._dim, : self._dim]

    def _add_shared(self, rows: Tensor, at: tuple[int, ...], slope: Tensor) -> None:
        """Slopes [r, c] are the same for all of the batch."""
        places = _places((*at, self._dim), self._width, slope.device).view(len(at) + 1, -1)
        square = gram(slope[None], slope[None]).flatten(1)
        self._sums.index_add_(1, places[:-1, :-1].flatten(), square.expand(self._batch, -1))
        self._sums.index_add_(1, places[:-1, -1], (rows[..., None] * slope).sum(-2))

    def _add_picked(self, rows: Tensor, at: tuple[int, ...], picked: Picked) -> None:
        """Each row sees one unknown alone: the matrix is diagonal."""
        places = _places((*at, self._dim), self._width, rows.device).view(len(at) + 1, -1)[picked.at]
        self._sums.index_add_(1, places.gather(1, picked.at[:, None])[:, 0], picked.slope * picked.slope)
        self._sums.index_add_(1, places[:, -1], picked.slope * rows)


@functools.lru_cache(maxsize=256)
def _places(at: tuple[int, ...], width: int, device: torch.device) -> Tensor:
    """Where the entries of a matrix between these unknowns lie in the flattened sums."""
    index = torch.tensor(at, device=device)
    return (index[:, None] * width + index).flatten()
