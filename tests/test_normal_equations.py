"""Sums of J^T J and J^T r against dense matrices, for each kind of block a Jacobian may have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from smplifyx.features.feature import Columns
from smplifyx.features.jacobian_blocks import (
    ChoiceBlock,
    ConstantMatrices,
    CoordinateBlock,
    DenseBlock,
    SharedBlock,
)
from smplifyx.problem.chain_rule import LinearPart
from smplifyx.problem.normal_equations import NormalEquations

BATCH, DIM = 9, 22
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
NEIGHBOURS, SCATTERED = (4, 5, 6, 7, 8), (11, 3, 20, 7, 0)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Block:
    """Some lines of a residual, their Jacobian as the problem hands it on, and the same dense."""

    part: Callable[[torch.dtype, list[int]], LinearPart]
    jacobian: Tensor  # [batch, lines, DIM]
    residual: Tensor  # [batch, lines]


def placed(at: tuple[int, ...], jacobian: Tensor) -> Tensor:
    """Columns at their places among all unknowns."""
    whole = jacobian.new_zeros(BATCH, jacobian.shape[-2], DIM)
    whole[..., list(at)] = jacobian
    return whole


def dense(at: tuple[int, ...], lines: int = 6) -> Block:
    jacobian, residual = numbers(BATCH, lines, len(at), seed=1), numbers(BATCH, lines, seed=2)
    return Block(
        lambda dtype, kept: LinearPart(
            residual[kept].to(dtype), (Columns(at, DenseBlock(jacobian[kept].to(dtype))),)
        ),
        placed(at, jacobian),
        residual,
    )


def side_by_side(shared_too: bool) -> Block:
    """Blocks of several unknowns in the same lines, one of them the same for all of the batch."""
    first, second = numbers(BATCH, 6, 5, seed=3), numbers(BATCH, 6, 5, seed=4)
    if shared_too:
        second = second[:1].expand(BATCH, -1, -1)
    residual = numbers(BATCH, 6, seed=5)
    lone = (10, 12, 13, 19, 21)

    def part(dtype: torch.dtype, kept: list[int]) -> LinearPart:
        if shared_too:
            last = SharedBlock(second[0].to(dtype))
        else:
            last = DenseBlock(second[kept].to(dtype))
        columns = (Columns(NEIGHBOURS, DenseBlock(first[kept].to(dtype))), Columns(lone, last))
        return LinearPart(residual[kept].to(dtype), columns)

    return Block(part, placed(NEIGHBOURS, first) + placed(lone, second), residual)


def same_for_all(at: tuple[int, ...]) -> Block:
    jacobian, residual = numbers(6, len(at), seed=6), numbers(BATCH, 6, seed=7)
    return Block(
        lambda dtype, kept: LinearPart(
            residual[kept].to(dtype), (Columns(at, SharedBlock(jacobian.to(dtype))),)
        ),
        placed(at, jacobian.expand(BATCH, -1, -1)),
        residual,
    )


def one_unknown_each(at: tuple[int, ...], chosen: list[int]) -> Block:
    slope, residual = numbers(BATCH, len(chosen), seed=8), numbers(BATCH, len(chosen), seed=9)
    jacobian = torch.zeros(BATCH, len(chosen), len(at), dtype=torch.float64)
    jacobian[:, range(len(chosen)), chosen] = slope
    return Block(
        lambda dtype, kept: LinearPart(
            residual[kept].to(dtype),
            (Columns(at, CoordinateBlock(tuple(chosen), slope[kept].to(dtype), len(at))),),
        ),
        placed(at, jacobian),
        residual,
    )


def one_of_few_matrices() -> Block:
    matrices, residual = numbers(4, 5, 5, seed=10), numbers(BATCH, 5, seed=11)
    which = torch.arange(BATCH) % 4
    by_dtype = {
        dtype: ConstantMatrices(matrices.to(dtype)) for dtype in (torch.float32, torch.float64)
    }
    return Block(
        lambda dtype, kept: LinearPart(
            residual[kept].to(dtype),
            (Columns(NEIGHBOURS, ChoiceBlock(by_dtype[dtype], which[kept], factor=1.7)),),
        ),
        placed(NEIGHBOURS, 1.7 * matrices[which]),
        residual,
    )


def nothing() -> Block:
    residual = numbers(BATCH, 3, seed=12)
    return Block(
        lambda dtype, kept: LinearPart(residual[kept].to(dtype), ()),
        torch.zeros(BATCH, 3, DIM, dtype=torch.float64),
        residual,
    )


BLOCKS = {
    "dense, neighbours": dense(NEIGHBOURS),
    "dense, scattered": dense(SCATTERED),
    "dense, all": dense(tuple(range(DIM)), lines=40),
    "dense, one": dense((5,), lines=1),
    "side by side": side_by_side(False),
    "side by side, one shared": side_by_side(True),
    "shared by the batch, neighbours": same_for_all(NEIGHBOURS),
    "shared by the batch, scattered": same_for_all(SCATTERED),
    "one unknown each": one_unknown_each(NEIGHBOURS, [0, 3, 4]),
    "one unknown each, some twice": one_unknown_each(SCATTERED, [1, 1, 4, 0, 4]),
    "one of few matrices": one_of_few_matrices(),
    "nothing": nothing(),
}
EVERYONE = list(range(BATCH))


def sums(blocks: list[Block], dtype: torch.dtype, kept: list[int]) -> tuple[Tensor, Tensor]:
    normal = NormalEquations(torch.zeros(len(kept), DIM, dtype=dtype))
    for block in blocks:
        normal.add(block.part(dtype, kept))
    return normal.gradient_and_hessian()


def check(blocks: list[Block], dtype: torch.dtype) -> None:
    jacobian = torch.cat([block.jacobian for block in blocks], 1)
    residual = torch.cat([block.residual for block in blocks], 1)
    gradient, hessian = sums(blocks, dtype, EVERYONE)
    assert gradient.dtype == hessian.dtype == dtype
    near = 1e-12 if dtype == torch.float64 else 1e-4
    expected = (jacobian.mT @ residual[..., None])[..., 0]
    torch.testing.assert_close(gradient.double(), expected, rtol=near, atol=10 * near)
    torch.testing.assert_close(hessian.double(), jacobian.mT @ jacobian, rtol=near, atol=10 * near)
    for some in ([4], [8, 0], [1, 2, 3, 5, 7]):
        found = sums(blocks, dtype, some)
        assert torch.equal(found[0], gradient[some]) and torch.equal(found[1], hessian[some])


@DTYPES
@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_each_kind_of_block(block: Block, dtype: torch.dtype) -> None:
    check([block], dtype)


@DTYPES
@pytest.mark.parametrize("seed", range(4))
def test_blocks_add_up_in_any_order(seed: int, dtype: torch.dtype) -> None:
    order = torch.randperm(len(BLOCKS), generator=torch.Generator().manual_seed(seed))
    blocks = list(BLOCKS.values())
    check([blocks[i] for i in order.tolist()], dtype)


def test_without_lines_there_is_nothing() -> None:
    gradient, hessian = sums([], torch.float64, EVERYONE)
    assert gradient.shape == (BATCH, DIM) and hessian.shape == (BATCH, DIM, DIM)
    assert not gradient.any() and not hessian.any()
