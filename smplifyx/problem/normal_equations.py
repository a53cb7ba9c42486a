"""Sums of J^T J and J^T r over rows that see few of the unknowns each."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ..core.invariant_linalg import COLUMNS, GRAM, gram, shared_matmul
from ..terms.scene import Chosen, Picked
from .jacobian import Part


class NormalEquations:
    """Accumulates [J r]^T [J r] of the parts of an energy: r is one more column of J, J^T r the
    last of the sums.
    """

    def __init__(self, x: Tensor) -> None:
        """For unknowns x [batch, dim], all zero."""
        self._batch, self._dim = x.shape
        self._width = self._dim + 1 + -(self._dim + 1) % GRAM
        self._sums = x.new_zeros(self._batch, self._width * self._width)
        # diagonal parts, for one sum of them all
        self._waiting: list[tuple[Tensor, tuple[int, ...], Picked]] = []

    def add(self, part: Part) -> None:
        """Adds rows and their slopes."""
        if not any(columns.at for columns in part.columns):
            return
        if len(part.columns) == 1 and isinstance(part.columns[0].slope, Picked):
            self._waiting.append((part.rows, part.columns[0].at, part.columns[0].slope))
            return
        self._add_waiting()
        if len(part.columns) == 1 and isinstance(part.columns[0].slope, Chosen):
            self._add_chosen(part.rows, part.columns[0].at, part.columns[0].slope)
            return
        at = tuple(place for columns in part.columns for place in columns.at)
        slopes = [columns.dense for columns in part.columns]
        if all(slope.dim() == 2 for slope in slopes):
            self._add_shared(part.rows, at, torch.cat(slopes, -1))
            return
        slopes = [slope.expand(self._batch, -1, -1) for slope in slopes]
        gap = part.rows.new_zeros(1).expand(*part.rows.shape, -(len(at) + 1) % GRAM)
        joined = torch.cat([*slopes, part.rows[..., None], gap], -1)
        self._add_square(at, gram(joined, joined))

    def gradient_and_hessian(self) -> tuple[Tensor, Tensor]:
        """[batch, dim] and [batch, dim, dim]."""
        self._add_waiting()
        return self._square[:, : self._dim, self._dim], self._square[:, : self._dim, : self._dim]

    @property
    def _square(self) -> Tensor:
        return self._sums.view(self._batch, self._width, self._width)

    def _add_square(self, at: tuple[int, ...], square: Tensor) -> None:
        """Adds a matrix between the unknowns `at` and, after them, the residual: blocks where these
        are neighbours.
        """
        count, own = len(at), slice(at[0], at[-1] + 1)
        if at == tuple(range(own.start, own.stop)):
            self._square[:, own, own] += square[:, :count, :count]
            self._square[:, own, self._dim] += square[:, :count, count]
        else:
            at = at + (self._dim,) * (square.shape[-1] - count)
            self._sums.index_add_(1, _places(at, self._width, square.device), square.flatten(1))

    def _add_shared(self, rows: Tensor, at: tuple[int, ...], slope: Tensor) -> None:
        """Slopes [r, c] are the same for all of the batch."""
        places = _places((*at, self._dim), self._width, slope.device).view(len(at) + 1, -1)
        square = gram(slope[None], slope[None]).flatten(1)
        self._sums.index_add_(1, places[:-1, :-1].flatten(), square.expand(self._batch, -1))
        self._sums.index_add_(1, places[:-1, -1], (rows[..., None] * slope).sum(-2))

    def _add_chosen(self, rows: Tensor, at: tuple[int, ...], slope: Chosen) -> None:
        """Slopes are one of few matrices, whose squares are known."""
        squares, joined = _of_matrices(slope.matrices)
        pulled = shared_matmul(rows, joined).unflatten(1, (len(squares), -1))
        pulled = pulled.take_along_dim(slope.which[:, None, None], 1)[:, 0, : len(at)]
        own = slice(at[0], at[-1] + 1)  # of one block: neighbours
        self._square[:, own, own].add_(squares.index_select(0, slope.which), alpha=slope.factor**2)
        self._square[:, own, self._dim].add_(pulled, alpha=slope.factor)

    def _add_waiting(self) -> None:
        """Each row sees one unknown alone: the matrix is diagonal."""
        if not self._waiting:
            return
        which = tuple((at, picked.at) for _, at, picked in self._waiting)
        diagonal, last = _diagonal_places(which, self._dim, self._width)
        rows = torch.cat([rows for rows, _, _ in self._waiting], 1)
        slope = torch.cat([picked.slope for _, _, picked in self._waiting], 1)
        self._sums.index_add_(1, diagonal, slope * slope)
        self._sums.index_add_(1, last, slope * rows)
        self._waiting.clear()


@functools.lru_cache(maxsize=256)
def _places(at: tuple[int, ...], width: int, device: torch.device) -> Tensor:
    """Where the entries of a matrix between these unknowns lie in the flattened sums."""
    index = torch.tensor(at, device=device)
    return (index[:, None] * width + index).flatten()


@functools.lru_cache(maxsize=16)  # tensors as keys: the constants of the terms, by identity
def _of_matrices(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """M^T M of each [k, d, d], and all side by side [r, k d] at a width that multiplies quickly."""
    wide = torch.nn.functional.pad(matrices, (0, -matrices.shape[-1] % COLUMNS))
    return gram(matrices, matrices).contiguous(), wide.transpose(0, 1).flatten(1).contiguous()


@functools.lru_cache(maxsize=256)  # tensors as keys: the constants of the terms, by identity
def _diagonal_places(
    which: tuple[tuple[tuple[int, ...], Tensor], ...], dim: int, width: int
) -> tuple[Tensor, Tensor]:
    """Where the squares and the gradient of rows that see the unknown at[picked] alone lie in the
    flattened sums.
    """
    unknown = torch.cat([picked.new_tensor(at)[picked] for at, picked in which])
    return unknown * (width + 1), unknown * width + dim
