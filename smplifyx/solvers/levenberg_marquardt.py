"""Levenberg-Marquardt: damped Newton steps, each row with its own damping."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .contract import Evaluation, Objective, Solution, Status, evaluate
from .linear_systems import Quadratic, Step
from .row_arithmetic import counts, is_finite, largest, negligible, select
from .rows import RowState, run_rows, status_where

MIN_DAMPING = 1e-10
MAX_DAMPING = 1e12  # a row that needs more has nowhere to go


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
        energy, quadratic = objective.normal(x)
        status = status_where(
            (~is_finite(energy, x, quadratic), Status.FAILED),
            (largest(quadratic.gradient) <= self.gradient_tolerance, Status.CONVERGED),
            (counts(x) >= self.max_steps, Status.STEP_LIMIT),
        )
        return _State(
            x=x,
            energy=energy,
            status=status,
            steps=counts(x),
            evaluations=counts(x, 1),
            quadratic=quadratic,
            damping=torch.full_like(energy, self.damping),
            growth=torch.full_like(energy, 2.0),
        )

    def advance(self, objective: Objective, state: _State) -> _State:
        """The rows a step on."""
        tried = state.quadratic.damped_step(
            state.damping, marquardt=self.marquardt, max_step=self.max_step
        )
        x = state.x + tried.step
        trial = evaluate(objective, x)
        energy = trial.energy
        found = state.energy - energy  # decrease
        # An unsolved step promises nothing, so it is rejected too.
        finite = is_finite(energy, x) & (tried.predicted > 0)
        accepted = finite & (found > 0)
        status = self._judge(state, tried, torch.where(finite, found, -math.inf))
        damping, growth = self._adapt(state, accepted, gain=found / tried.predicted)
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

    def _judge(self, state: _State, tried: Step, found: Tensor) -> Tensor:
        """The status after this trial; found: the decrease, -inf where the energy is not finite."""
        # A rejected step shows convergence only if it is the first from its point: later ones are
        # short by damping.
        honest = (found > 0) | (state.growth == 2)
        promises_little = negligible(tried.predicted, state.energy, self.tolerance)
        finds_little = negligible(found, state.energy, self.tolerance)
        resolution = 4 * torch.finfo(tried.step.dtype).eps
        reach = max(self.step_tolerance, resolution) * largest(state.x)
        still = (largest(tried.step) <= reach) & (tried.predicted > 0) & (found > -math.inf)
        exhausted = (found <= 0) & (state.damping >= MAX_DAMPING)
        return status_where(
            (honest & ((promises_little & finds_little) | still), Status.CONVERGED),
            (exhausted & (found == -math.inf), Status.FAILED),
            (exhausted, Status.STALLED),
            (state.steps + 1 >= self.max_steps, Status.STEP_LIMIT),
        )

    def _adapt(self, state: _State, accepted: Tensor, gain: Tensor) -> tuple[Tensor, Tensor]:
        """Damping and growth by Nielsen's rule; gain: the found decrease over the promised one."""
        surplus = 2 * gain - 1
        fall = (1 - surplus * surplus * surplus).clamp_min(self.least_factor)
        damping = state.damping * torch.where(accepted, fall, state.growth)
        growth = torch.where(accepted, 2.0, 2 * state.growth)
        return damping.clamp(MIN_DAMPING, MAX_DAMPING), growth

    def _relinearise(self, trial: Evaluation, state: _State, accepted: Tensor) -> _State:
        """The quadratic at the accepted points of rows that go on."""
        wanted = accepted & (state.status == Status.RUNNING)
        on_cpu = wanted.device.type == "cpu"
        look = self.looks == 1 or (self.looks == 0 and on_cpu)
        if look:
            index = wanted.nonzero()[:, 0]
            if len(index) == 0:
                return state
            if len(index) == len(wanted):
                quadratic = trial.linearised(None)
            else:
                quadratic = state.quadratic.put(index, trial.linearised(index))
        else:
            # On a GPU, asking which rows are wanted would wait for the device: work out all.
            quadratic = select(wanted, trial.linearised(None), state.quadratic)
        status = status_where(
            (~is_finite(state.energy, quadratic), Status.FAILED),
            (largest(quadratic.gradient) <= self.gradient_tolerance, Status.CONVERGED),
        )
        settled = state.status != Status.RUNNING
        return state.replace(
            quadratic=quadratic,
            status=select(settled, state.status, status),
            evaluations=state.evaluations + wanted,
        )


@dataclass(frozen=True)
class _State(RowState):
    quadratic: Quadratic  # of the energy at x
    damping: Tensor  # [batch]
    growth: Tensor  # [batch] factor on the damping at the next rejection; 2 at a fresh point
