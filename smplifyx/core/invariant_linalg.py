"""Arithmetic whose answer for a row does not depend on the other rows of its batch, to the last
bit.

Matrix libraries pick another kernel, so another rounding, for few rows or odd addresses; a fit
amplifies such bits. The padding here keeps them to one kernel. The multiples were found by trying
(tests/test_invariant_linalg.py), not in any manual.
"""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

# What sizes are padded to a multiple of:
ROWS = 8  # rows of a product with a shared matrix
COLUMNS = 16  # its columns
GRAM = 4  # columns of the products of `gram`
EACH = 16  # rows of the products of `each_matmul`


def shared_matmul(
    x: Float[Tensor, "batch n"], matrix: Float[Tensor, "n m"]
) -> Float[Tensor, "batch m"]:
    """x @ matrix for a matrix that all rows share; quickest when m is a multiple of 16."""
    count = len(x)
    width = matrix.shape[1]
    if width % COLUMNS:  # a copy of a large matrix is dear
        matrix = torch.nn.functional.pad(matrix, (0, -width % COLUMNS))
    padded = torch.nn.functional.pad(x, (0, 0, 0, -count % ROWS))
    product = padded @ matrix
    return product[:count, :width]


def each_matmul(
    x: Float[Tensor, "batch n k c"], matrices: Float[Tensor, "n c m"]
) -> Float[Tensor, "batch n k m"]:
    """x @ matrices for n matrices that all rows share: n large products, not many small ones.

    Rows are independent for c = 3, the coordinates of a point; longer sums need m to be a multiple
    of 16.
    """
    batch, n, k, _ = x.shape
    count = batch * k
    left = x.transpose(0, 1).reshape(n, count, -1)
    padded = torch.nn.functional.pad(left, (0, 0, 0, -count % EACH))
    product = torch.bmm(padded, matrices)[:, :count]
    return product.view(n, batch, k, -1).transpose(0, 1)


def whole_rows(count: int, device: torch.device) -> Int[Tensor, " rows"]:
    """0 to count - 1, the last repeated up to a multiple of `ROWS`.

    For products that others make: index by this, multiply, keep the first `count` rows.
    """
    padded = count + -count % ROWS
    return torch.arange(padded, device=device).clamp(max=count - 1)


def gram(
    left: Float[Tensor, "batch r a"], right: Float[Tensor, "batch r b"]
) -> Float[Tensor, "batch a b"]:
    """left^T right of each row of the batch."""
    a = left.shape[-1]
    b = right.shape[-1]
    product = torch.bmm(_widen(left).mT, _widen(right))
    return product[:, :a, :b]


@functools.lru_cache(maxsize=256)
def column_index(index: tuple[int, ...], device: torch.device) -> slice | Int[Tensor, " n"]:
    """What picks these columns: a slice where they follow one another (quicker), else an index kept
    on the device.

    A list would be copied there by every operation, and no CUDA graph can hold that.
    """
    if not index:
        return slice(0, 0)
    first = index[0]
    stop = index[-1] + 1
    if index == tuple(range(first, stop)):
        return slice(first, stop)
    return torch.tensor(index, device=device)


def picked(
    values: Shaped[Tensor, "batch s n"], at: Int[Tensor, "batch r *e"]
) -> Shaped[Tensor, "batch r *e n"]:
    """The entries `at` of the second axis, for each row of the batch its own."""
    flat = at.flatten(1)  # [batch, r e]
    index = flat[..., None].expand(-1, -1, values.shape[-1])
    return values.gather(1, index).unflatten(1, at.shape[1:])


def _widen(matrix: Tensor) -> Tensor:
    """Columns padded with zeros to a multiple of `GRAM`, in memory of its own."""
    gap = -matrix.shape[-1] % GRAM
    # A copy of pad is contiguous already; strides would decide the kernel too.
    return torch.nn.functional.pad(matrix, (0, gap)) if gap else matrix.contiguous()
