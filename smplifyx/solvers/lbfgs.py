"""L-BFGS with a strong-Wolfe line search, each row with its own history and its own search."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from . import line_search
from .contract import Objective, Solution, Status
from .line_search import Point, Rules, Search, Verdict
from .row_arithmetic import counts, dot, is_finite, largest, negligible, select
from .rows import RowState, run_rows, status_where


@dataclass(frozen=True)
class LBFGS:
    """Minimises along quasi-Newton directions made of the last `history` steps (Nocedal & Wright
    2006, alg. 7.4).

    Rows do not wait for each other: every tick evaluates one trial of each, whatever stage its line
    search is at. A step is an accepted one; its trials are counted in `evaluations`. A row has
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
    # sum of the moves of all variables at the first trial, when nothing is known of the scale
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
        empty = x.new_zeros(len(x), self.history, x.shape[-1])
        search, direction = self._search(energy, gradient, empty, empty)
        return _State(x, energy, status, counts(x), counts(x, 1), search, direction, empty, empty)

    def advance(self, objective: Objective, state: _State) -> _State:
        """The rows a step on."""
        t = state.search.t
        energy, gradient = objective.gradient(state.x + t[:, None] * state.direction)
        trial = Point(t, energy, dot(gradient, state.direction), gradient)
        search = line_search.advance(state.search, trial, Rules(self.c1, self.c2, self.max_trials))
        state = state.replace(search=search, evaluations=state.evaluations + 1)
        moved = search.verdict == Verdict.ACCEPTED
        lost = search.verdict == Verdict.EXHAUSTED
        status = self._judge(state, moved, lost, ~is_finite(energy, gradient))
        return self._renew(state.replace(status=status), moved, lost)

    def _judge(self, state: _State, moved: Tensor, lost: Tensor, broken: Tensor) -> Tensor:
        """The status after this tick; `broken` where the last trial was not finite."""
        low, start = state.search.low, state.search.start
        promised = negligible(start.slope, start.energy, self.tolerance)
        found = negligible(start.energy - low.energy, start.energy, self.tolerance)
        reach = max(self.step_tolerance, 4 * torch.finfo(low.t.dtype).eps) * largest(state.x)
        still = low.t * largest(state.direction) <= reach
        hopeless = lost & ~_remembers(state)  # even straight down the gradient
        return status_where(
            (moved & (largest(low.gradient) <= self.gradient_tolerance), Status.CONVERGED),
            (moved & (still | (promised & found)), Status.CONVERGED),
            (hopeless & broken, Status.FAILED),
            (lost & promised & ~broken, Status.CONVERGED),
            (hopeless, Status.STALLED),
            (moved & (state.steps + 1 >= self.max_steps), Status.STEP_LIMIT),
        )

    def _renew(self, state: _State, moved: Tensor, lost: Tensor) -> _State:
        """A step and a new search for rows that moved; a search without history for rows that were
        lost.
        """
        low = state.search.low
        step = low.t[:, None] * state.direction
        change = low.gradient - state.search.start.gradient
        steps, changes = self._remember(state, step, change, moved)
        steps, changes = (select(lost, torch.zeros_like(h), h) for h in (steps, changes))
        x, energy = select(moved, state.x + step, state.x), select(moved, low.energy, state.energy)
        gradient = select(moved, low.gradient, state.search.start.gradient)
        search, direction = self._search(energy, gradient, steps, changes)
        return state.replace(
            x=x,
            energy=energy,
            steps=state.steps + moved,
            search=select(moved | lost, search, state.search),
            direction=select(moved | lost, direction, state.direction),
            past_steps=steps,
            past_changes=changes,
        )

    def _remember(
        self, state: _State, step: Tensor, change: Tensor, moved: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The histories with the newest pair last, where it shows positive curvature."""
        resolution = (
            torch.finfo(step.dtype).eps * dot(change, change).sqrt() * dot(step, step).sqrt()
        )
        useful = moved & (dot(step, change) > resolution)
        pairs = ((state.past_steps, step), (state.past_changes, change))
        pushed = (
            select(useful, torch.cat([past[:, 1:], new[:, None]], 1), past) for past, new in pairs
        )
        return tuple(pushed)

    def _search(
        self, energy: Tensor, gradient: Tensor, steps: Tensor, changes: Tensor
    ) -> tuple[Search, Tensor]:
        """The direction from a point and the line search along it."""
        direction = -_apply_inverse_hessian(gradient, steps, changes)
        slope = dot(gradient, direction)
        downhill = (slope < 0) & slope.isfinite()
        direction = select(downhill, direction, -gradient)
        slope = select(downhill, slope, -dot(gradient, gradient))
        known = downhill & (changes[:, -1] != 0).any(-1)
        short = (self.first_step / gradient.abs().sum(-1)).clamp_max(1.0)
        start = Point(torch.zeros_like(energy), energy, slope, gradient)
        limit = self.max_step / largest(direction)
        return line_search.begin(start, torch.where(known, 1.0, short), limit), direction


@dataclass(frozen=True)
class _State(RowState):
    search: Search
    direction: Tensor
    past_steps: Tensor  # [batch, history, dim], newest last, unused ones zero
    past_changes: Tensor  # of the gradient


def _remembers(state: _State) -> Tensor:
    return (state.past_changes[:, -1] != 0).any(-1)


def _apply_inverse_hessian(gradient: Tensor, steps: Tensor, changes: Tensor) -> Tensor:
    """The two-loop recursion; unused entries of the history are zero and drop out."""
    curvature = (steps * changes).sum(-1)
    inverse = torch.where(curvature > 0, 1 / curvature, 0.0)  # [batch, history]
    newest_first = range(steps.shape[1] - 1, -1, -1)
    shares = {}
    for i in newest_first:
        shares[i] = inverse[:, i] * dot(steps[:, i], gradient)
        gradient = gradient - shares[i][:, None] * changes[:, i]
    scale = curvature[:, -1] / dot(changes[:, -1], changes[:, -1])
    result = torch.where(curvature[:, -1] > 0, scale, 1.0)[:, None] * gradient
    for i in reversed(newest_first):
        correction = shares[i] - inverse[:, i] * dot(changes[:, i], result)
        result = result + correction[:, None] * steps[:, i]
    return result
