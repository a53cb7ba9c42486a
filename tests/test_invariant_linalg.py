"""Products whose answer for a row does not depend on the other rows, to the last bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from smplifyx.core import invariant_linalg
from smplifyx.core.invariant_linalg import (
    column_index,
    each_matmul,
    gram,
    picked,
    shared_matmul,
    whole_rows,
)

BATCH = 37
KEPT = ([0], [36], [5], [3, 1], [7, 8, 9], list(range(13)), list(range(36, 2, -1)))
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])


def numbers(*shape: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    drawn = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return drawn.to(dtype)


def moved(x: Tensor, places: int) -> Tensor:
    """The same values at another alignment: that many numbers behind an allocation's start."""
    room = x.new_zeros(x.numel() + places)
    room[places:] = x.flatten()
    return room[places:].view(x.shape)


def check(product: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """The rows of any batch, at any alignment, have the bits they have among all."""
    whole = product(x)
    for kept in KEPT:
        for places in (0, 1, 2, 3, 5):
            assert torch.equal(product(moved(x[kept], places)), whole[kept]), (kept, places)


@DTYPES
@pytest.mark.parametrize("inner", [1, 7, 63, 200])
@pytest.mark.parametrize("width", [1, 5, 16, 45, 130])
def test_a_shared_matrix(inner: int, width: int, dtype: torch.dtype) -> None:
    x = numbers(BATCH, inner, dtype=dtype)
    matrix = numbers(inner, width, dtype=dtype, seed=1)
    check(lambda x: shared_matmul(x, matrix), x)
    near = 1e-12 if dtype == torch.float64 else 1e-4
    expected = x.double() @ matrix.double()
    torch.testing.assert_close(
        shared_matmul(x, matrix).double(), expected, rtol=near, atol=near * inner**0.5
    )


@DTYPES
@pytest.mark.parametrize("n", [1, 5, 25])
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize(("inner", "width"), [(3, 3), (3, 10), (3, 11), (3, 20), (3, 21), (9, 16)])
def test_a_matrix_for_each_place(
    n: int, k: int, inner: int, width: int, dtype: torch.dtype
) -> None:
    x = numbers(BATCH, n, k, inner, dtype=dtype)
    matrices = numbers(n, inner, width, dtype=dtype, seed=1)
    check(lambda x: each_matmul(x, matrices), x)
    near = 1e-12 if dtype == torch.float64 else 1e-4
    expected = torch.einsum("bnkc,ncm->bnkm", x.double(), matrices.double())
    torch.testing.assert_close(each_matmul(x, matrices).double(), expected, rtol=near, atol=near)


@DTYPES
@pytest.mark.parametrize("lines", [1, 6, 51])
@pytest.mark.parametrize("columns", [1, 4, 13, 86])
def test_a_product_of_each_row_with_itself(lines: int, columns: int, dtype: torch.dtype) -> None:
    x = numbers(BATCH, lines, columns, dtype=dtype)
    check(lambda x: gram(x, x), x)
    near = 1e-12 if dtype == torch.float64 else 1e-4
    expected = x.double().mT @ x.double()
    torch.testing.assert_close(gram(x, x).double(), expected, rtol=near, atol=near * lines)


@DTYPES
def test_products_of_two_matrices_of_each_row(dtype: torch.dtype) -> None:
    x = numbers(BATCH, 11, 5 + 7, dtype=dtype)
    check(lambda x: gram(x[..., :5], x[..., 5:]), x)
    assert gram(x[..., :5], x[..., 5:]).shape == (BATCH, 5, 7)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 64])
def test_whole_rows_repeat_the_last(count: int) -> None:
    found = whole_rows(count, torch.device("cpu"))
    assert found[:count].tolist() == list(range(count))
    assert set(found[count:].tolist()) <= {count - 1}
    assert len(found) % invariant_linalg.ROWS == 0 and len(found) - count < invariant_linalg.ROWS


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ((), slice(0, 0)),
        ((3,), slice(3, 4)),
        ((2, 3, 4), slice(2, 5)),
        ((4, 3), [4, 3]),
        ((0, 2), [0, 2]),
    ],
)
def test_columns_that_follow_one_another_are_a_slice(
    index: tuple[int, ...], expected: slice | list[int]
) -> None:
    found = column_index(index, torch.device("cpu"))
    assert (found if isinstance(found, slice) else found.tolist()) == expected
    values = torch.arange(12).view(2, 6)
    assert torch.equal(values[:, found], values[:, list(index)])


@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 2, 3)], ids=str)
def test_picked_entries(shape: tuple[int, ...]) -> None:
    values = numbers(3, 10, 5, dtype=torch.float64)
    at = torch.randint(0, 10, (3, *shape), generator=torch.Generator().manual_seed(0))
    found = picked(values, at)
    assert found.shape == (3, *shape, 5)
    for row in range(3):
        assert torch.equal(found[row], values[row][at[row]])
