"""L-BFGS with a strong-Wolfe line search, each row with its own history and its own search."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from . import line_search
from .contract import Objective, Solution, Status
from .line_search import Point, Rules, Search, SearchVerdict
from .row_arithmetic import counts, dot, is_finite, largest, negligible, select
from .rows import RowState, run_rows, status_where


@dataclass(frozen=True)
class LBFGS:
    """Minimises along quasi-Newton directions made of the last `history` steps (Nocedal & Wright
    2006, alg. 7.4).

    Rows do not wait for each other: every call of `advance` evaluates one trial of each, wherever
    its line search is. A step is an accepted trial; all are counted in `evaluations`. A row has
    converged when the gradient, the move, or both the promised and the found decrease are
    negligible.
    """

    max_steps: int = 100
    tolerance: float = 1e-6  # decrease of the energy, relative to the energy
    gradient_tolerance: float = 1e-8  # largest absolute slope
    step_tolerance: float = 1e-9  # largest move, relative to the largest variable
    history: int = 10
    c1: float = 1e-4  # sufficient decrease
    c2: float = 0.9  # flatness; below 1
    max_trials: int = 25  # of one line search
    # sum of the moves of all variables at the first trial, while nothing is known of the scale
    first_step: float = 1.0
    max_step: float = math.inf  # longest move of any variable
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
        nothing_yet = x.new_zeros(len(x), self.history, x.shape[-1])
        search, direction = self._search(energy, gradient, nothing_yet, nothing_yet)
        return _State(
            x=x,
            energy=energy,
            status=status,
            steps=counts(x),
            evaluations=counts(x, 1),
            search=search,
            direction=direction,
            past_steps=nothing_yet,
            past_changes=nothing_yet,
        )

    def advance(self, objective: Objective, state: _State) -> _State:
        """One trial of each row: a step where it ends a line search."""
        t = state.search.t
        energy, gradient = objective.gradient(state.x + t[:, None] * state.direction)
        trial = Point(t=t, energy=energy, slope=dot(gradient, state.direction), gradient=gradient)
        rules = Rules(c1=self.c1, c2=self.c2, max_trials=self.max_trials)
        search = line_search.advance(state.search, trial, rules)
        state = state.replace(search=search, evaluations=state.evaluations + 1)
        moved = search.verdict == SearchVerdict.ACCEPTED
        lost = search.verdict == SearchVerdict.EXHAUSTED
        status = self._judge(state, moved, lost, broken=~is_finite(energy, gradient))
        return self._renew(state.replace(status=status), moved, lost)

    def _judge(self, state: _State, moved: Tensor, lost: Tensor, broken: Tensor) -> Tensor:
        """The status after this trial.

        moved: the search ended with a step; lost: it ended without one; broken: the trial was not
        finite.
        """
        start = state.search.start
        low = state.search.low
        promises_little = negligible(start.slope, start.energy, self.tolerance)
        finds_little = negligible(start.energy - low.energy, start.energy, self.tolerance)
        flat = largest(low.gradient) <= self.gradient_tolerance
        resolution = 4 * torch.finfo(low.t.dtype).eps
        reach = max(self.step_tolerance, resolution) * largest(state.x)
        still = low.t * largest(state.direction) <= reach
        hopeless = lost & ~_remembers(state)  # even straight down the gradient
        return status_where(
            (moved & flat, Status.CONVERGED),
            (moved & (still | (promises_little & finds_little)), Status.CONVERGED),
            (hopeless & broken, Status.FAILED),
            (lost & promises_little & ~broken, Status.CONVERGED),
            (hopeless, Status.STALLED),
            (moved & (state.steps + 1 >= self.max_steps), Status.STEP_LIMIT),
        )

    def _renew(self, state: _State, moved: Tensor, lost: Tensor) -> _State:
        """A step and a new search for rows that moved; a search without history for rows that were
        lost.
        """
        start = state.search.start
        low = state.search.low
        step = low.t[:, None] * state.direction
        past_steps, past_changes = self._remember(state, step, low.gradient - start.gradient, moved)
        past_steps = select(lost, torch.zeros_like(past_steps), past_steps)
        past_changes = select(lost, torch.zeros_like(past_changes), past_changes)

        x = select(moved, state.x + step, state.x)
        energy = select(moved, low.energy, state.energy)
        gradient = select(moved, low.gradient, start.gradient)
        search, direction = self._search(energy, gradient, past_steps, past_changes)
        return state.replace(
            x=x,
            energy=energy,
            steps=state.steps + moved,
            search=select(moved | lost, search, state.search),
            direction=select(moved | lost, direction, state.direction),
            past_steps=past_steps,
            past_changes=past_changes,
        )

    def _remember(
        self, state: _State, step: Tensor, change: Tensor, moved: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The histories with the newest pair last, where it shows positive curvature."""
        curvature = dot(step, change)
        epsilon = torch.finfo(step.dtype).eps
        resolution = epsilon * dot(change, change).sqrt() * dot(step, step).sqrt()
        useful = moved & (curvature > resolution)
        with_step = torch.cat([state.past_steps[:, 1:], step[:, None]], 1)
        with_change = torch.cat([state.past_changes[:, 1:], change[:, None]], 1)
        return (
            select(useful, with_step, state.past_steps),
            select(useful, with_change, state.past_changes),
        )

    def _search(
        self, energy: Tensor, gradient: Tensor, past_steps: Tensor, past_changes: Tensor
    ) -> tuple[Search, Tensor]:
        """A line search that begins at a point, and the direction [batch, dim] of it."""
        direction = -_apply_inverse_hessian(gradient, past_steps, past_changes)
        slope = dot(gradient, direction)
        # A history that points uphill is of no use: go straight down the gradient.
        downhill = (slope < 0) & slope.isfinite()
        direction = select(downhill, direction, -gradient)
        slope = select(downhill, slope, -dot(gradient, gradient))

        # A direction made of past steps has the right length; the bare gradient's says nothing.
        scale_is_known = downhill & (past_changes[:, -1] != 0).any(-1)
        cautious = (self.first_step / gradient.abs().sum(-1)).clamp_max(1.0)
        first_trial = torch.where(scale_is_known, 1.0, cautious)
        start = Point(t=torch.zeros_like(energy), energy=energy, slope=slope, gradient=gradient)
        limit = self.max_step / largest(direction)
        return line_search.begin(start, first_trial, limit), direction


@dataclass(frozen=True)
class _State(RowState):
    search: Search  # at its next trial
    direction: Tensor  # [batch, dim] that it looks along
    past_steps: Tensor  # [batch, history, dim], newest last, unused ones zero
    past_changes: Tensor  # of the gradient, likewise


def _remembers(state: _State) -> Tensor:
    """Whether a row has any history."""
    return (state.past_changes[:, -1] != 0).any(-1)


def _apply_inverse_hessian(gradient: Tensor, past_steps: Tensor, past_changes: Tensor) -> Tensor:
    """The two-loop recursion [batch, dim]; unused entries of the history are zero and drop out."""
    curvature = (past_steps * past_changes).sum(-1)  # [batch, history]
    inverse = torch.where(curvature > 0, 1 / curvature, 0.0)
    oldest_first = range(past_steps.shape[1])
    shares: dict[int, Tensor] = {}
    for i in reversed(oldest_first):
        shares[i] = inverse[:, i] * dot(past_steps[:, i], gradient)
        gradient = gradient - shares[i][:, None] * past_changes[:, i]

    newest_curvature = curvature[:, -1]
    newest_change = past_changes[:, -1]
    scale = newest_curvature / dot(newest_change, newest_change)
    result = torch.where(newest_curvature > 0, scale, 1.0)[:, None] * gradient
    for i in oldest_first:
        correction = shares[i] - inverse[:, i] * dot(past_changes[:, i], result)
        result = result + correction[:, None] * past_steps[:, i]
    return result
