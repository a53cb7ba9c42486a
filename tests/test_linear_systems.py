"""Quadratics with structure against dense solves of the same matrices."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from smplifyx.core.bundle import Bundle
from smplifyx.solvers.linear_systems import Arrow, BlockBanded, BlockDiagonal, Dense, Quadratic
from smplifyx.solvers.linear_systems.frame_blocks import sum_over_frames
from smplifyx.solvers.row_arithmetic import select

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
RAGGED = ((3, 1, 5), (1,), (4, 4), (2, 7, 1, 6))  # frames of each group
SHARED, OWN = 3, 5


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def presence(counts: tuple[int, ...], longest: int = 0) -> Tensor:
    frames = torch.arange(max(longest, *counts))
    return frames < torch.tensor(counts)[:, None]


def outer_of(jacobian: Tensor) -> Tensor:
    return jacobian.mT @ jacobian


def full_matrix(arrow: Arrow) -> Tensor:
    """The Hessian of every group, absent frames with the identity."""
    batch, frames, dim = arrow.own.blocks.shape[:3]
    count = arrow.shared.shape[-1]
    full = torch.zeros(batch, count + frames * dim, count + frames * dim, dtype=torch.float64)
    full[:, :count, :count] = arrow.shared
    full[:, count:, :count] = arrow.coupling
    full[:, :count, count:] = arrow.coupling.mT
    for t in range(frames):
        rows = slice(count + t * dim, count + (t + 1) * dim)
        absent = (~arrow.own.present[:, t]).double()[:, None, None] * torch.eye(dim)
        full[:, rows, rows] = arrow.own.blocks[:, t] + absent
        if isinstance(arrow.own, BlockBanded):
            for j in range(min(arrow.own.lower.shape[2], t)):
                columns = slice(count + (t - 1 - j) * dim, count + (t - j) * dim)
                full[:, rows, columns] = arrow.own.lower[:, t, j]
                full[:, columns, rows] = arrow.own.lower[:, t, j].mT
    return full


def random_arrow(
    counts: tuple[int, ...], bands: int, shared: int = SHARED, longest: int = 0, seed: int = 0
) -> Arrow:
    """J^T J of residuals of single frames, and of residuals between neighbours in time."""
    present = presence(counts, longest)
    frames = present.shape[1]
    batch, width = len(counts), shared + OWN
    alone = numbers(batch, max(max(counts), 1), width + 2, width, seed=seed)
    alone = torch.nn.functional.pad(alone, (0, 0, 0, 0, 0, frames - alone.shape[1]))
    alone = alone * present[..., None, None]
    square = outer_of(alone)  # [batch, n, width, width]
    blocks = square[..., shared:, shared:].clone()
    lower = torch.zeros(batch, frames, bands, OWN, OWN, dtype=torch.float64)
    for j in range(bands):
        for t in range(j + 1, max(counts)):
            # a residual that sees frame t and frame t - 1 - j
            both = numbers(batch, OWN, 2 * OWN, seed=1000 * j + t) * present[:, t, None, None]
            outer = outer_of(both)
            blocks[:, t] += outer[:, :OWN, :OWN]
            blocks[:, t - 1 - j] += outer[:, OWN:, OWN:]
            lower[:, t, j] += outer[:, :OWN, OWN:]
    own = BlockBanded(blocks, lower, present) if bands else BlockDiagonal(blocks, present)
    own_gradient = numbers(batch, max(counts), OWN, seed=seed + 1)
    own_gradient = torch.nn.functional.pad(own_gradient, (0, 0, 0, frames - max(counts)))
    return Arrow(
        gradient=torch.cat(
            [
                numbers(batch, shared, seed=seed + 2),
                (own_gradient * present[..., None]).flatten(1),
            ],
            1,
        ),
        shared=sum_over_frames(square[..., :shared, :shared]),
        coupling=square[..., shared:, :shared].flatten(1, 2),
        own=own,
    )


def cast(quadratic: Arrow, dtype: torch.dtype) -> Arrow:
    return quadratic.to(dtype=dtype)


@DTYPES
@pytest.mark.parametrize("shared", [0, 1, SHARED])
@pytest.mark.parametrize("bands", [0, 1, 2, 3])
@pytest.mark.parametrize("counts", RAGGED, ids=str)
def test_a_step_is_that_of_the_full_matrix(
    counts: tuple[int, ...], bands: int, shared: int, dtype: torch.dtype
) -> None:
    arrow = random_arrow(counts, bands, shared)
    full = Dense(arrow.gradient, full_matrix(arrow))
    damping = torch.linspace(1e-3, 1.0, len(counts), dtype=torch.float64)
    for settings in ({}, {"marquardt": False}, {"max_step": 0.01}):
        expected = full.damped_step(damping, **settings)
        found = cast(arrow, dtype).damped_step(damping.to(dtype), **settings)
        assert found.solved.all() and found.step.dtype == dtype
        near = 1e-9 if dtype == torch.float64 else 2e-3
        absent = ~arrow.own.present.repeat_interleave(OWN, 1)
        assert not found.step[:, shared:][absent].any()
        scale = expected.step.abs().amax(-1, keepdim=True)
        assert ((found.step - expected.step).abs() <= near * scale).all()
        torch.testing.assert_close(found.predicted.double(), expected.predicted, rtol=near, atol=0)


@pytest.mark.parametrize("bands", [0, 1, 2])
def test_the_halves_of_a_solve_are_those_of_one_factor(bands: int) -> None:
    """L^-T (L^-1 right) solves, and L^-1 A L^-T is the identity: L is a factor of A."""
    arrow = random_arrow((3, 5), bands)
    extra = torch.full_like(arrow.gradient, 0.1)
    factor = arrow.factor(extra)
    full = full_matrix(arrow)
    full.diagonal(dim1=-2, dim2=-1).add_(0.1)
    keep = torch.cat(
        [torch.ones(2, SHARED, dtype=torch.bool), arrow.own.present.repeat_interleave(OWN, 1)], 1
    )
    whole = torch.where(keep[:, None] & keep[..., None], full, torch.eye(full.shape[-1]).double())
    right = numbers(2, full.shape[-1], 4, seed=9)
    torch.testing.assert_close(factor.solve(right), torch.linalg.solve(whole, right))
    torch.testing.assert_close(factor.backward(factor.forward(right)), factor.solve(right))
    half = factor.forward(whole)
    identity = factor.forward(half.mT.contiguous())
    torch.testing.assert_close(identity, torch.eye(full.shape[-1]).double().expand_as(identity))


@pytest.mark.parametrize("bands", [0, 1, 2])
@pytest.mark.parametrize("fault", ["own", "shared", "nan"])
def test_rows_that_are_not_positive_definite_are_told_and_leave_the_others_alone(
    bands: int, fault: str
) -> None:
    arrow = random_arrow((3, 5, 2), bands)
    clean = arrow.damped_step(torch.full((3,), 1e-3, dtype=torch.float64))
    shared, blocks = arrow.shared.clone(), arrow.own.blocks.clone()
    if fault == "shared":
        shared[1, 0, 0] = -1.0
    else:
        blocks[1, 4, 2, 2] = -1.0 if fault == "own" else math.nan
    own = arrow.own.replace(blocks=blocks)
    found = arrow.replace(shared=shared, own=own).damped_step(
        torch.full((3,), 1e-3, dtype=torch.float64)
    )
    assert found.solved.tolist() == [True, False, True]
    assert not found.step[1].any() and float(found.predicted[1]) == 0.0
    for row in (0, 2):
        assert torch.equal(found.step[row], clean.step[row])


@DTYPES
@pytest.mark.parametrize("bands", [0, 2])
def test_a_group_is_the_same_to_the_last_bit_in_any_company(bands: int, dtype: torch.dtype) -> None:
    counts = (2, 7, 1, 6, 3)
    together = cast(random_arrow(counts, bands), dtype)
    damping = torch.full((len(counts),), 1e-2, dtype=dtype)
    expected = together.damped_step(damping)
    for row, count in enumerate(counts):
        one = together[[row]]
        # no longer than the group itself, and longer than any
        size = SHARED + count * OWN
        short = Arrow(
            one.gradient[:, :size],
            one.shared,
            one.coupling[:, : count * OWN],
            type(one.own)(**{name: getattr(one.own, name)[:, :count] for name in vars(one.own)}),
        )
        padded = Arrow(
            torch.nn.functional.pad(one.gradient, (0, 4 * OWN)),
            one.shared,
            torch.nn.functional.pad(one.coupling, (0, 0, 0, 4 * OWN)),
            type(one.own)(
                **{
                    name: torch.cat(
                        [part, torch.zeros_like(part[:, :1]).repeat_interleave(4, 1)], 1
                    )
                    for name, part in vars(one.own).items()
                }
            ),
        )
        for alone in (one, short, padded):
            found = alone.damped_step(damping[:1])
            assert torch.equal(found.step[0, :size], expected.step[row, :size])
            assert torch.equal(found.predicted[0], expected.predicted[row])


@DTYPES
@pytest.mark.parametrize("dim", [1, 4, 7, 30])
def test_dense_rows_are_the_same_to_the_last_bit_in_any_company(
    dim: int, dtype: torch.dtype
) -> None:
    dense = Dense(numbers(9, dim), outer_of(numbers(9, dim + 3, dim, seed=1))).to(dtype=dtype)
    damping = torch.full((9,), 1e-3, dtype=dtype)
    expected = dense.damped_step(damping)
    solution = torch.linalg.solve(
        dense.hessian.double() + 1e-3 * torch.diag_embed(dense.diagonal().double()),
        -dense.gradient.double(),
    )
    assert expected.solved.all()
    near = 1e-9 if dtype == torch.float64 else 1e-2
    torch.testing.assert_close(expected.step.double(), solution, rtol=near, atol=near)
    for some in ([4], [8, 0], [1, 2, 3]):
        found = dense[some].damped_step(damping[some])
        assert torch.equal(found.step, expected.step[some])
        assert torch.equal(found.predicted, expected.predicted[some])


def test_quadratics_are_put_joined_and_selected_like_any_bundle() -> None:
    first, second = random_arrow((3, 2), 2, seed=0), random_arrow((1, 3), 2, seed=5)
    for kind in (Quadratic, Bundle):
        assert isinstance(first, kind)
    joined = Arrow.cat([first, second])
    put = first.put(torch.tensor([1]), second[[0]])
    chosen = select(torch.tensor([True, False]), first, second)
    for found, one, other in ((joined[[0, 3]], first, second), (chosen, first, second)):
        assert torch.equal(found.own.lower[0], one.own.lower[0])
        assert torch.equal(found.own.lower[1], other.own.lower[1])
    assert torch.equal(put.own.blocks[1], second.own.blocks[0])
    assert torch.equal(put.coupling[0], first.coupling[0])


@pytest.mark.parametrize("count", [1, 2, 3, 8, 13])
def test_a_sum_over_frames_does_not_see_the_padding(count: int) -> None:
    values = numbers(4, count, 3).float()
    expected = sum_over_frames(values)
    torch.testing.assert_close(expected, values.sum(1))
    for gap in (1, 3, 20):
        padded = torch.nn.functional.pad(values, (0, 0, 0, gap))
        assert torch.equal(sum_over_frames(padded), expected)
