"""Adam, each row with its own learning rate, which falls when the row makes no headway."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.bundle import Bundle
from .contract import Objective, Solution, Status
from .row_arithmetic import counts, is_finite, largest, negligible, select
from .rows import RowState, run_rows, status_where

MIN_SHARE = 2.0**-20  # of the first learning rate


@dataclass(frozen=True)
class Adam:
    """Minimises by Adam (Kingma & Ba 2015); the solution is the lowest point met.

    After `patience` steps without a new lowest energy, or a step to where the energy is not finite,
    a row goes back to its lowest point with half the learning rate. No variable moves much further
    than the learning rate in one step. A row has converged when the gradient, or the decrease that
    it promises for such a step, is negligible.
    """

    max_steps: int = 1000
    tolerance: float = 1e-6  # decrease of the energy, relative to the energy
    gradient_tolerance: float = 1e-8  # largest absolute slope
    lr: float = 0.01  # the move of each variable at the first step
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-12  # added to the root of the mean square slope
    patience: int = 20
    looks: int = 0  # as in `LevenbergMarquardt`

    def minimise(self, objective: Objective, x: Float[Tensor, "batch dim"]) -> Solution:
        """The minimum of each row, started from its row of x."""
        return run_rows(self, objective, x)

    def start(self, objective: Objective, x: Float[Tensor, "batch dim"]) -> _State:
        """Rows at their start."""
        energy, gradient = objective.gradient(x)
        status = status_where(
            (~is_finite(energy, x, gradient), Status.FAILED),
            (largest(gradient) <= self.gradient_tolerance, Status.CONVERGED),
            (counts(x) >= self.max_steps, Status.STEP_LIMIT),
        )
        still, one, zero = torch.zeros_like(x), torch.ones_like(energy), counts(x)
        walk = _Walk(x, energy, gradient, still, still, one, one)
        return _State(x, energy, status, zero, counts(x, 1), walk, gradient, self.lr * one, zero)

    def advance(self, objective: Objective, state: _State) -> _State:
        """The rows a step on."""
        walk = self._step(state.walk, state.rate)
        energy, gradient = objective.gradient(walk.x)
        broken = ~is_finite(energy, walk.x, gradient)
        lower = ~broken & (energy < state.energy)
        state = state.replace(
            x=select(lower, walk.x, state.x),
            energy=select(lower, energy, state.energy),
            gradient=select(lower, gradient, state.gradient),
            steps=state.steps + 1,
            evaluations=state.evaluations + 1,
            walk=walk.replace(energy=energy, gradient=gradient),
            fruitless=torch.where(lower, 0, state.fruitless + 1),
        )
        return self._go_back(state, broken | (state.fruitless >= self.patience), broken)

    def _step(self, walk: _Walk, rate: Tensor) -> _Walk:
        mean = self.beta1 * walk.mean + (1 - self.beta1) * walk.gradient
        square = self.beta2 * walk.square + (1 - self.beta2) * walk.gradient * walk.gradient
        decay1, decay2 = self.beta1 * walk.decay1, self.beta2 * walk.decay2
        root = (square / (1 - decay2)[:, None]).sqrt()
        step = rate[:, None] * (mean / (1 - decay1)[:, None]) / (root + self.epsilon)
        return walk.replace(x=walk.x - step, mean=mean, square=square, decay1=decay1, decay2=decay2)

    def _go_back(self, state: _State, back: Tensor, broken: Tensor) -> _State:
        """Judges every row, and sends those marked `back` to their lowest point with half the rate."""
        rate = torch.where(back, state.rate / 2, state.rate)
        spent = rate < MIN_SHARE * self.lr
        status = status_where(
            (largest(state.gradient) <= self.gradient_tolerance, Status.CONVERGED),
            (
                negligible(self.lr * state.gradient.abs().sum(-1), state.energy, self.tolerance),
                Status.CONVERGED,
            ),
            (spent & broken, Status.FAILED),
            (spent, Status.STALLED),
            (state.steps >= self.max_steps, Status.STEP_LIMIT),
        )
        still, one = torch.zeros_like(state.x), torch.ones_like(state.energy)
        lowest = _Walk(state.x, state.energy, state.gradient, still, still, one, one)
        return state.replace(
            status=status,
            rate=rate,
            walk=select(back, lowest, state.walk),
            fruitless=torch.where(back, 0, state.fruitless),
        )


@dataclass(frozen=True)
class _Walk(Bundle):
    """Where the iteration is, with Adam's running means; the lowest point met may lie behind it."""

    x: Tensor
    energy: Tensor
    gradient: Tensor
    mean: Tensor
    square: Tensor
    decay1: Tensor  # beta1 to the power of the steps so far
    decay2: Tensor


@dataclass(frozen=True)
class _State(RowState):
    walk: _Walk
    gradient: Tensor  # at the lowest point
    rate: Tensor
    fruitless: Tensor  # steps since the lowest point
