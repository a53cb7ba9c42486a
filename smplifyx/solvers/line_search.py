"""Strong-Wolfe line search of many rows at once, as a state machine that is fed one trial of each
row at a time.

Each row looks along its own direction for a step length t with
    energy(t) <= energy(0) + c1 t slope(0)    and    |slope(t)| <= c2 |slope(0)|.
It keeps two ends (Nocedal & Wright 2006, algorithms 3.5 and 3.6, in one):
    low   the lowest trial so far that satisfies the first condition; at first t = 0;
    high  the other end of the bracket, on the side that low's slope descends to;
          at first t = infinity: none yet.
Between them lies a point that satisfies both. A trial either becomes `high`, or becomes `low` and
may turn the bracket round. While `high` is infinite the next trial lies beyond low, else between
the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.bundle import Bundle
from .row_arithmetic import counts, is_finite, select


class SearchVerdict(IntEnum):
    """Where a search stands, as stored in `Search.verdict`."""

    SEARCHING = 0
    ACCEPTED = 1  # `low` is the step
    EXHAUSTED = 2  # no step lowers the energy by enough


@dataclass(frozen=True)
class Rules:
    """What a step must satisfy, and how long to look for it."""

    c1: float = 1e-4  # sufficient decrease
    c2: float = 0.9  # flat enough
    max_trials: int = 25


@dataclass(frozen=True)
class Point(Bundle):
    """The energy at step length t of each row, its slope along the direction, and its gradient."""

    t: Float[Tensor, "*batch"]
    energy: Float[Tensor, "*batch"]
    slope: Float[Tensor, "*batch"]
    gradient: Float[Tensor, "*batch dim"]


@dataclass(frozen=True)
class Search(Bundle):
    """The search of each row; evaluate the energy at step length `t` and call `advance`."""

    start: Point
    low: Point
    high: Point
    t: Float[Tensor, " batch"]
    limit: Float[Tensor, " batch"]  # longest step allowed
    trials: Int[Tensor, " batch"]
    verdict: Int[Tensor, " batch"]  # values of SearchVerdict


def begin(start: Point, t: Float[Tensor, " batch"], limit: Float[Tensor, " batch"]) -> Search:
    """A search from `start` (its t is 0, its slope negative) whose first trial is t, or `limit`
    where that is less.
    """
    nowhere = start.replace(t=torch.full_like(t, math.inf))
    return Search(
        start=start,
        low=start,
        high=nowhere,
        t=torch.minimum(t, limit),
        limit=limit,
        trials=counts(start.gradient),
        verdict=counts(start.gradient),
    )


def advance(search: Search, trial: Point, rules: Rules) -> Search:
    """The search after one more trial of each row.

    A trial that is not finite counts as too high.
    """
    start, low, high = search.start, search.low, search.high
    finite = is_finite(trial.energy, trial.slope[:, None], trial.gradient)
    enough = trial.energy <= start.energy + rules.c1 * trial.t * start.slope
    better = enough & (trial.energy < low.energy) & finite
    flat = trial.slope.abs() <= -rules.c2 * start.slope
    # still going down, but no longer step is allowed
    at_limit = (trial.t >= search.limit) & (trial.slope < 0)
    # uphill toward high: the minimum lies back toward low
    turned = better & (trial.slope * (high.t - low.t) >= 0)

    new_high = select(better, select(turned, low, high), trial)
    new_low = select(better, trial, low)
    trials = search.trials + 1
    over = (trials >= rules.max_trials) | _closed(start, new_low, new_high)
    # When the search is over, a step that lowers the energy by enough will do.
    accepted = (better & (flat | at_limit)) | (over & (new_low.t > 0))
    exhausted = torch.where(over, int(SearchVerdict.EXHAUSTED), int(SearchVerdict.SEARCHING))
    verdict = torch.where(accepted, int(SearchVerdict.ACCEPTED), exhausted)

    beyond = _beyond(low, trial, search.limit)
    between = _between(new_low, new_high, trials)
    t = torch.where(new_high.t.isinf(), beyond, between)
    return search.replace(low=new_low, high=new_high, t=t, trials=trials, verdict=verdict)


def _closed(start: Point, low: Point, high: Point) -> Bool[Tensor, " batch"]:
    """Whether the bracket is so narrow that energies within it differ by rounding alone."""
    resolution = torch.finfo(start.energy.dtype).eps * start.energy.abs()
    width = (high.t - low.t).abs()
    return (width * start.slope.abs() <= resolution) | (high.t == low.t)


def _beyond(low: Point, trial: Point, limit: Tensor) -> Tensor:
    """The next trial while no upper end is known: the cubic's minimum, 1.1 to 10 times as far."""
    ahead = trial.t - low.t
    guess = torch.nan_to_num(_cubic_minimum(low, trial), nan=math.inf)
    at_least = trial.t + 0.1 * ahead
    at_most = trial.t + 9 * ahead
    return guess.maximum(at_least).minimum(at_most).minimum(limit)


def _between(low: Point, high: Point, trials: Tensor) -> Tensor:
    """The next trial within the bracket: the cubic's minimum away from the ends; the middle where
    there is none.
    """
    width = high.t - low.t
    share = (_cubic_minimum(low, high) - low.t) / width
    # every third trial halves the bracket, so that it shrinks even where the cubic misleads
    usable = share.isfinite() & (trials % 3 != 0)
    return low.t + width * torch.where(usable, share.clamp(0.1, 0.9), 0.5)


def _cubic_minimum(a: Point, b: Point) -> Tensor:
    """The step length at the minimum of the cubic through two points and slopes; not finite if
    there is none (Nocedal & Wright, eq. 3.59).
    """
    width = b.t - a.t
    d1 = a.slope + b.slope + 3 * (a.energy - b.energy) / width
    d2 = (d1 * d1 - a.slope * b.slope).sqrt() * width.sign()
    numerator = b.slope + d2 - d1
    denominator = b.slope - a.slope + 2 * d2
    return b.t - width * numerator / denominator
