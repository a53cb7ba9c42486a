"""Arithmetic whose answer for a row does not depend on the other rows of its batch, to the last
bit.

Matrix libraries pick another kernel, so another rounding, for few rows or odd addresses; a fit
amplifies such bits. The padding here keeps them to one kernel.
"""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

ROWS, COLUMNS, GRAM, EACH = 8, 16, 4, 16


def shared_matmul(
    x: Float[Tensor, "batch n"], matrix: Float[Tensor, "n m"]
) -> Float[Tensor, "batch m"]:
    """x @ matrix for a matrix that all rows share; quickest when m is a multiple of 16."""
    count, width = len(x), matrix.shape[1]
    if width % COLUMNS:
        matrix = torch.nn.functional.pad(matrix, (0, -width % COLUMNS))
    padded = torch.nn.functional.pad(x, (0, 0, 0, -count % ROWS))
    return (padded @ matrix)[:count, :width]


def each_matmul(
    x: Float[Tensor, "batch n k c"], matrices: Float[Tensor, "n c m"]
) -> Float[Tensor, "batch n k m"]:
    """x @ matrices for n matrices that all rows share: n large products, not many small ones."""
    batch, n, k, _ = x.shape
    rows = x.transpose(0, 1).reshape(n, batch * k, -1)
    padded = torch.nn.functional.pad(rows, (0, 0, 0, -len(rows[0]) % EACH))
    return torch.bmm(padded, matrices)[:, : batch * k].view(n, batch, k, -1).transpose(0, 1)


def whole_rows(count: int, device: torch.device) -> Int[Tensor, " rows"]:
    """0 to count - 1, the last once more until there are as many as one kernel takes; for products
    that others make.
    """
    return torch.arange(count + -count % ROWS, device=device).clamp(max=count - 1)


def gram(
    left: Float[Tensor, "batch r a"], right: Float[Tensor, "batch r b"]
) -> Float[Tensor, "batch a b"]:
    """left^T right of each row of the batch."""
    a, b = left.shape[-1], right.shape[-1]
    product = torch.bmm(_widen(left).mT, _widen(right))
    return product[:, :a, :b]


@functools.lru_cache(maxsize=256)
def column_index(index: tuple[int, ...], device: torch.device) -> slice | Int[Tensor, " n"]:
    """What picks these columns: a slice where they follow one another (quicker), else an index kept
    on the device.

    A list would be copied there by every operation, and no CUDA graph can hold that.
    """
    first, last = (index[0], index[-1]) if index else (0, -1)
    if index == tuple(range(first, last + 1)):
        return slice(first, last + 1)
    return torch.tensor(index, device=device)


def picked(
    values: Shaped[Tensor, "batch s n"], at: Int[Tensor, "batch r *e"]
) -> Shaped[Tensor, "batch r *e n"]:
    """The rows `at` of each row of the batch."""
    index = at.flatten(1)[..., None].expand(-1, -1, values.shape[-1])
    return values.gather(1, index).unflatten(1, at.shape[1:])


def _widen(matrix: Tensor) -> Tensor:
    """Columns padded with zeros to a multiple of four."""
    gap = -matrix.shape[-1] % GRAM
    return torch.nn.functional.pad(matrix, (0, gap)) if gap else matrix.contiguous()
