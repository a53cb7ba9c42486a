"""The loop that every solver shares: advance the rows that still run, freeze and drop those that are done."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..bundle import Bundle
from .contract import Objective, Solution, Status

DROP_FRACTION = 1 / 8  # of the rows at hand must be done before the rest is gathered anew


@dataclass(frozen=True)
class RowState(Solution):
    """The solution so far, with status RUNNING while there is something to do; each solver's state adds its own."""


State = TypeVar("State", bound=RowState)
Part = TypeVar("Part", Tensor, Bundle)


def run_rows(objective: Objective, state: State, advance: Callable[[Objective, State], State]) -> Solution:
    """Calls `advance` until no row is running. A row's solution never changes once it is done.

    Finished rows are carried along until an eighth of the batch is done (gathering costs more than their arithmetic),
    then `objective.rows` leaves them behind. The host waits for the device once per call of `advance`.
    """
    solution = _solution(state)
    index = torch.arange(len(state.x), device=state.x.device)
    while True:
        running = state.status == Status.RUNNING
        left = int(running.sum())
        if left <= (1 - DROP_FRACTION) * len(index):
            solution = _put(solution, index, _solution(state))
            if left == 0:
                return solution
            kept = running.nonzero()[:, 0]
            index, state, objective, running = index[kept], state[kept], objective.rows(kept), running[kept]
        advanced = advance(objective, state)
        state = advanced.replace(**_fields(select(running, _solution(advanced), _solution(state))))


def select(mask: Bool[Tensor, " batch"], yes: Part, no: Part) -> Part:
    """Per row, the tensor or bundle `yes` where the mask is set, else `no`."""
    if isinstance(yes, Tensor):
        return torch.where(mask.view(-1, *[1] * (yes.dim() - 1)), yes, no)
    fields = dataclasses.fields(yes)
    return dataclasses.replace(yes, **{f.name: select(mask, getattr(yes, f.name), getattr(no, f.name)) for f in fields})


def dot(a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
    """The inner product of each row; unlike a matrix product, it rounds the same in a batch of any size."""
    return (a * b).sum(-1)


def largest(a: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
    """The largest absolute value of each row; 0 where there are no variables."""
    return a.abs().amax(-1) if a.shape[-1] else a.new_zeros(len(a))


def is_finite(energy: Float[Tensor, " batch"], *more: Float[Tensor, "batch ..."]) -> Bool[Tensor, " batch"]:
    """Rows in which everything is finite (and its sum too, which is much the cheaper test)."""
    finite = energy.isfinite()
    for part in more:
        finite = finite & part.flatten(1).sum(-1).isfinite()
    return finite


def negligible(change: Float[Tensor, " batch"], energy: Float[Tensor, " batch"], tolerance: float) -> Tensor:
    """Whether a change of the energy is within the relative tolerance, or within what its precision can show."""
    return change.abs() <= max(tolerance, 4 * torch.finfo(energy.dtype).eps) * energy.abs()


def status_where(*cases: tuple[Bool[Tensor, " batch"], Status]) -> Tensor:
    """The status of the first case that holds in each row; RUNNING where none does."""
    status = torch.full_like(cases[0][0], Status.RUNNING, dtype=torch.int64)
    for mask, value in reversed(cases):
        status = torch.where(mask, int(value), status)
    return status


def counts(x: Float[Tensor, "batch dim"], value: int = 0) -> Tensor:
    """A counter for each row."""
    return torch.full((len(x),), value, dtype=torch.int64, device=x.device)


def _fields(solution: Solution) -> dict[str, Tensor]:
    return {f.name: getattr(solution, f.name) for f in dataclasses.fields(Solution)}


def _solution(state: RowState) -> Solution:
    return Solution(**{f.name: getattr(state, f.name) for f in dataclasses.fields(Solution)})


def _put(whole: Solution, index: Tensor, part: Solution) -> Solution:
    return Solution(**{name: getattr(whole, name).index_copy(0, index, t) for name, t in _fields(part).items()})
