"""Sums of J^T J and J^T r over residuals that see few of the unknowns each."""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.invariant_linalg import GRAM, gram, shared_matmul
from ..features.feature import Columns
from ..features.jacobian_blocks import ChoiceBlock, CoordinateBlock, SharedBlock, written_out
from .chain_rule import LinearPart


class NormalEquations:
    """Accumulates [J r]^T [J r] of the parts of an energy: r is one more column of J, J^T r the
    last of the sums.

    The order in which parts are added is part of the answer: sums round. Parts in which each
    residual sees one unknown alone wait for each other, so that their diagonals are added in one
    go.
    """

    def __init__(self, x: Float[Tensor, "batch dim"]) -> None:
        """For unknowns x, all sums zero."""
        self._batch, self._dim = x.shape
        columns = self._dim + 1
        self._width = columns + -columns % GRAM  # kernels keep to one kind of rounding at multiples
        self._sums = x.new_zeros(self._batch, self._width * self._width)
        self._waiting: list[tuple[Tensor, tuple[int, ...], CoordinateBlock]] = []

    def add(self, part: LinearPart) -> None:
        """Adds residuals and their slopes."""
        if not any(columns.at for columns in part.columns):
            return
        match part.columns:
            case (Columns(at, CoordinateBlock() as block),):
                self._waiting.append((part.values, at, block))
            case (Columns(at, ChoiceBlock() as block),):
                self._add_waiting()
                self._add_choice(part.values, at, block)
            case columns:
                self._add_waiting()
                self._add_matrices(part.values, columns)

    def gradient_and_hessian(
        self,
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim dim"]]:
        """J^T r and J^T J."""
        self._add_waiting()
        return self._square[:, : self._dim, self._dim], self._square[:, : self._dim, : self._dim]

    @property
    def _square(self) -> Float[Tensor, "batch width width"]:
        return self._sums.view(self._batch, self._width, self._width)

    def _add_matrices(self, values: Tensor, columns: tuple[Columns, ...]) -> None:
        """Slopes that are matrices, or can be written as such; everybody's or each person's."""
        at: tuple[int, ...] = ()
        for one in columns:
            at += one.at
        blocks = [written_out(one.block) for one in columns]
        slopes = [block.slope for block in blocks]
        if all(isinstance(block, SharedBlock) for block in blocks):
            self._add_shared(values, at, torch.cat(slopes, -1))
            return

        # [J r 0], zeros up to a width at which kernels keep to one kind of rounding
        each = [slope.expand(self._batch, -1, -1) for slope in slopes]
        missing = -(len(at) + 1) % GRAM
        gap = values.new_zeros(1).expand(*values.shape, missing)
        joined = torch.cat([*each, values[..., None], gap], -1)
        self._add_square(at, gram(joined, joined))

    def _add_square(self, at: tuple[int, ...], square: Tensor) -> None:
        """Adds a matrix between the unknowns `at` and, after them, the residual."""
        count = len(at)
        first, last = at[0], at[-1]
        if at == tuple(range(first, last + 1)):  # neighbours: one block, which is quicker
            own = slice(first, last + 1)
            self._square[:, own, own] += square[:, :count, :count]
            self._square[:, own, self._dim] += square[:, :count, count]
            return
        behind = square.shape[-1] - count  # the residual, and zeros that may go anywhere
        places = _places(at + (self._dim,) * behind, self._width, square.device)
        self._sums.index_add_(1, places, square.flatten(1))

    def _add_shared(self, values: Tensor, at: tuple[int, ...], slope: Float[Tensor, "r c"]) -> None:
        """Slopes are the same for all of the batch: one square serves everybody."""
        places = _places((*at, self._dim), self._width, slope.device)
        places = places.view(len(at) + 1, len(at) + 1)
        square = gram(slope[None], slope[None]).flatten(1)
        pulled = (values[..., None] * slope).sum(-2)  # J^T r of each person
        self._sums.index_add_(1, places[:-1, :-1].flatten(), square.expand(self._batch, -1))
        self._sums.index_add_(1, places[:-1, -1], pulled)

    def _add_choice(self, values: Tensor, at: tuple[int, ...], block: ChoiceBlock) -> None:
        """Slopes are one of few matrices, whose squares are known: the residual is multiplied with
        all of them.
        """
        constants = block.constants
        count = len(constants.squares)
        by_each = shared_matmul(values, constants.side_by_side).unflatten(1, (count, -1))
        by_own = by_each.take_along_dim(block.which[:, None, None], 1)[:, 0]
        pulled = by_own[:, : len(at)]  # behind them, zeros that fill the width of a product
        squares = constants.squares.index_select(0, block.which)
        own = slice(at[0], at[-1] + 1)  # of one block of unknowns: neighbours
        self._square[:, own, own].add_(squares, alpha=block.factor**2)
        self._square[:, own, self._dim].add_(pulled, alpha=block.factor)

    def _add_waiting(self) -> None:
        """Each residual sees one unknown alone: the matrix is diagonal."""
        if not self._waiting:
            return
        unknowns: list[int] = []
        for _, at, block in self._waiting:
            unknowns += [at[i] for i in block.at]
        values = torch.cat([values for values, _, _ in self._waiting], 1)
        slope = torch.cat([block.slope for _, _, block in self._waiting], 1)
        unknown = _index(tuple(unknowns), slope.device)
        self._sums.index_add_(1, unknown * (self._width + 1), slope * slope)
        self._sums.index_add_(1, unknown * self._width + self._dim, slope * values)
        self._waiting.clear()


@functools.lru_cache(maxsize=256)  # keyed by numbers, not by tensors
def _places(at: tuple[int, ...], width: int, device: torch.device) -> Tensor:
    """Where the entries of a matrix between these unknowns lie in the flattened sums."""
    index = _index(at, device)
    return (index[:, None] * width + index).flatten()


@functools.lru_cache(maxsize=256)  # keyed by numbers, not by tensors
def _index(at: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(at, device=device)
