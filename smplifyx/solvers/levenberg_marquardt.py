"""Levenberg-Marquardt: damped Newton steps, each row with its own damping."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .contract import Evaluation, Objective, Solution, Status, evaluate
from .rows import (
    RowState,
    counts,
    dot,
    is_finite,
    largest,
    negligible,
    run_rows,
    select,
    status_where,
)

MIN_DAMPING = 1e-10
MAX_DAMPING = 1e12  # a row that needs more has nowhere to go
# the least scale of a variable, relative to the steepest: an unseen variable still needs damping
FLAT = 1e-7


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Minimises by steps p with (H + damping D) p = -gradient that are taken only if they lower the
    energy.

    The damping follows Nielsen (1999): it falls as the model proves right and rises ever faster as
    steps fail. A trial costs one energy; derivatives are worked out at accepted points alone, from
    where the energy left off where the objective is `Reusable`. A step is a trial, accepted or not.
    A row has converged when the gradient, the move, or both the promised and the found decrease are
    negligible.
    """

    max_steps: int = 50
    tolerance: float = 1e-6  # decrease of the energy, relative to the energy
    gradient_tolerance: float = 1e-8  # largest absolute slope
    step_tolerance: float = 1e-9  # largest move, relative to the largest variable
    damping: float = 1e-3  # at the start
    least_factor: float = 1 / 5  # the damping falls by no more than this in one step
    marquardt: bool = True  # D is the diagonal of H (free of units), else the identity
    # longest move of each variable; longer steps shrink as a whole
    max_step: float | tuple[float, ...] = math.inf
    # steps from one look at which rows are done to the next; 0: one on a CPU, more on a GPU
    looks: int = 0

    def minimise(self, objective: Objective, x: Float[Tensor, "batch dim"]) -> Solution:
        """The minimum of each row, started from its row of x."""
        return run_rows(self, objective, x)

    def start(self, objective: Objective, x: Float[Tensor, "batch dim"]) -> _State:
        """Rows at their start."""
        energy, gradient, hessian = objective.normal(x)
        status = status_where(
            (~is_finite(energy, x, gradient, hessian), Status.FAILED),
            (largest(gradient) <= self.gradient_tolerance, Status.CONVERGED),
            (counts(x) >= self.max_steps, Status.STEP_LIMIT),
        )
        damping, growth = torch.full_like(energy, self.damping), torch.full_like(energy, 2.0)
        return _State(
            x, energy, status, counts(x), counts(x, 1), gradient, hessian, damping, growth
        )

    def advance(self, objective: Objective, state: _State) -> _State:
        """The rows a step on."""
        step, predicted = self._step(state)
        x = state.x + step
        trial = evaluate(objective, x)
        energy = trial.energy
        finite = is_finite(energy, x) & (predicted > 0)
        found = state.energy - energy
        accepted = finite & (found > 0)
        status = self._judge(state, step, predicted, torch.where(finite, found, -math.inf))
        damping, growth = self._adapt(state, accepted, found / predicted)
        moved = state.replace(
            x=select(accepted, x, state.x),
            energy=select(accepted, energy, state.energy),
            status=status,
            steps=state.steps + 1,
            evaluations=state.evaluations + 1,
            damping=damping,
            growth=growth,
        )
        return self._relinearise(trial, moved, accepted & (state.status == Status.RUNNING))

    def _step(self, state: _State) -> tuple[Tensor, Tensor]:
        """The damped Newton step and the decrease it promises; both 0 where the matrix is not
        positive definite.
        """
        diagonal = state.hessian.diagonal(dim1=-2, dim2=-1)
        floor = (FLAT * diagonal.amax(-1, keepdim=True)).clamp_min(
            torch.finfo(diagonal.dtype).tiny ** 0.5
        )
        scale = diagonal.maximum(floor) if self.marquardt else torch.ones_like(diagonal)
        extra = state.damping[:, None] * scale
        step, solved = _solve(state.hessian, extra, -state.gradient)
        # with A = H + extra and A p = -g, the model's decrease along s p is s (-g.p) - s^2/2 p.H p
        descent, damped = -dot(state.gradient, step), dot(step * extra, step)
        if self.max_step == math.inf:
            predicted = descent - 0.5 * (descent - damped)
        else:
            share = self._share(step)
            predicted = share * descent - 0.5 * share * share * (descent - damped)
            step = share[:, None] * step
        return torch.where(solved[:, None], step, 0.0), torch.where(solved, predicted, 0.0)

    def _share(self, step: Tensor) -> Tensor:
        """The part of the step that keeps every variable within `max_step`."""
        limit = torch.as_tensor(self.max_step, dtype=step.dtype, device=step.device)
        return 1 / largest(step / limit).clamp_min(1.0)

    def _judge(self, state: _State, step: Tensor, predicted: Tensor, found: Tensor) -> Tensor:
        # A rejected step shows convergence only if it is the first from its point: later ones are
        # short by damping.
        honest = (found > 0) | (state.growth == 2)
        small = negligible(predicted, state.energy, self.tolerance) & negligible(
            found, state.energy, self.tolerance
        )
        reach = max(self.step_tolerance, 4 * torch.finfo(step.dtype).eps) * largest(state.x)
        still = (largest(step) <= reach) & (predicted > 0) & (found > -math.inf)
        exhausted = (found <= 0) & (state.damping >= MAX_DAMPING)
        return status_where(
            (honest & (small | still), Status.CONVERGED),
            (exhausted & (found == -math.inf), Status.FAILED),
            (exhausted, Status.STALLED),
            (state.steps + 1 >= self.max_steps, Status.STEP_LIMIT),
        )

    def _adapt(self, state: _State, accepted: Tensor, gain: Tensor) -> tuple[Tensor, Tensor]:
        """Nielsen's rule: `gain` is the found decrease over the promised one."""
        surplus = 2 * gain - 1
        fall = (1 - surplus * surplus * surplus).clamp_min(self.least_factor)
        damping = state.damping * torch.where(accepted, fall, state.growth)
        growth = torch.where(accepted, 2.0, 2 * state.growth)
        return damping.clamp(MIN_DAMPING, MAX_DAMPING), growth

    def _relinearise(self, trial: Evaluation, state: _State, accepted: Tensor) -> _State:
        """Gradient and Hessian at the accepted points of rows that go on."""
        wanted = accepted & (state.status == Status.RUNNING)
        # do not wait to see whose they are
        if self.looks > 1 or (self.looks == 0 and wanted.device.type != "cpu"):
            gradient, hessian = trial.linearised(None)
            gradient, hessian = (
                select(wanted, gradient, state.gradient),
                select(wanted, hessian, state.hessian),
            )
        else:
            index = wanted.nonzero()[:, 0]
            if len(index) == 0:
                return state
            if len(index) == len(wanted):
                gradient, hessian = trial.linearised(None)
            else:
                gradient, hessian = trial.linearised(index)
                gradient = state.gradient.index_copy(0, index, gradient)
                hessian = state.hessian.index_copy(0, index, hessian)
        status = status_where(
            (~is_finite(state.energy, gradient, hessian), Status.FAILED),
            (largest(gradient) <= self.gradient_tolerance, Status.CONVERGED),
        )
        settled = state.status != Status.RUNNING
        return state.replace(
            gradient=gradient,
            hessian=hessian,
            status=select(settled, state.status, status),
            evaluations=state.evaluations + wanted,
        )


@dataclass(frozen=True)
class _State(RowState):
    gradient: Tensor
    hessian: Tensor
    damping: Tensor
    growth: Tensor  # of the damping at the next rejection; 2 at a fresh point


def _solve(hessian: Tensor, extra: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """(hessian + diag(extra))^-1 right, and whether that matrix is positive definite.

    Triangular kernels round by memory alignment; sizes that are multiples of 4 round alike anywhere
    in a batch.
    """
    dim = right.shape[-1]
    gap = -dim % 4
    matrix = torch.nn.functional.pad(hessian, (0, gap, 0, gap))
    diagonal = torch.nn.functional.pad(
        hessian.diagonal(dim1=-2, dim2=-1) + extra, (0, gap), value=1.0
    )
    matrix.diagonal(dim1=-2, dim2=-1).copy_(diagonal)  # of a copy, even where nothing is padded
    factor, info = torch.linalg.cholesky_ex(matrix, upper=True)  # faster than the lower factor
    right = torch.nn.functional.pad(right, (0, gap))[..., None]
    # quicker than cholesky_solve, the same bits
    half = torch.linalg.solve_triangular(factor.mT, right, upper=False)
    solution = torch.linalg.solve_triangular(factor, half, upper=True)[:, :dim, 0]
    return solution, (info == 0) & (solution.sum(-1).abs() < math.inf)
