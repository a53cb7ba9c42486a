"""The loop that every solver shares: a slot of rows advances; the done ones leave, waiting ones take their place."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..bundle import Bundle
from .contract import Objective, Solution, Status

SLOT = 128  # rows side by side on a CPU: what its caches hold
SLOT_GPU = 2**16
LOOKS_GPU = 8  # calls of `advance` from one look of the host at a GPU's rows to the next
FREE_FRACTION = 1 / 4  # of the slot must be free before waiting rows enter
DROP_FRACTION = 1 / 8  # of the rows at hand must be done, when none wait, before the rest is gathered anew


@dataclass(frozen=True)
class RowState(Solution):
    """The solution so far, with status RUNNING while there is something to do; each solver's state adds its own."""


State = TypeVar("State", bound=RowState)
Part = TypeVar("Part", Tensor, Bundle)


def run_rows(
    objective: Objective,
    x: Float[Tensor, "batch dim"],
    start: Callable[[Objective, Tensor], State],
    advance: Callable[[Objective, State], State],
    looks: int = 0,
) -> Solution:
    """Minimises each row from its row of x: `start` makes the state of some rows, `advance` goes on until all are done.

    Rows pass through a slot of limited size, so memory and caches hold a slot however many there are. A row's solution
    never changes once it is done, and who stands beside it changes nothing in it. Every `looks` calls of `advance` the
    host waits for the device to see who is done (0: always on a CPU, now and then on a GPU).
    """
    on_cpu = x.device.type == "cpu"
    size, looks = SLOT if on_cpu else SLOT_GPU, looks or (1 if on_cpu else LOOKS_GPU)
    entered = min(size, len(x))
    index = torch.arange(entered, device=x.device)
    here = objective if entered == len(x) else objective.rows(index)
    state = start(here, x[index])
    done: list[tuple[Tensor, Solution]] = []
    while True:
        running = state.status == Status.RUNNING
        free, waiting = size - int(running.sum()), len(x) - entered
        if free == size and not waiting:
            done.append((index, _solution(state)))
            return _in_order(done)
        if waiting and free >= FREE_FRACTION * size or not waiting and size - free <= (1 - DROP_FRACTION) * len(index):
            done.append((index[~running], _solution(state)[~running]))
            fresh = torch.arange(entered, entered + min(free, waiting), device=x.device)
            index, state, entered = index[running], state[running], entered + len(fresh)
            if len(fresh):
                state = type(state).cat([state, start(objective.rows(fresh), x[fresh])])
            index = torch.cat([index, fresh])
            here = objective.rows(index)
        all_running = looks == 1 and size - free == len(index)
        for _ in range(looks):
            after = advance(here, state)
            state = after if all_running else _kept(state, after)


def _kept(state: State, after: State) -> State:
    """The state after a step, with the solutions of rows that were done before as they were."""
    running = state.status == Status.RUNNING
    return after.replace(**_fields(select(running, _solution(after), _solution(state))))


def _in_order(done: list[tuple[Tensor, Solution]]) -> Solution:
    if len(done) == 1:
        return done[0][1]
    back = torch.argsort(torch.cat([index for index, _ in done]))
    return Solution.cat([solution for _, solution in done])[back]


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
    total = functools.reduce(torch.add, (part.flatten(1).sum(-1) for part in more), energy)
    return total.abs() < math.inf  # cheaper than isfinite, and false for NaN too


def negligible(change: Float[Tensor, " batch"], energy: Float[Tensor, " batch"], tolerance: float) -> Tensor:
    """Whether a change of the energy is within the relative tolerance, or within what its precision can show."""
    return change.abs() <= max(tolerance, 4 * torch.finfo(energy.dtype).eps) * energy.abs()


def status_where(*cases: tuple[Bool[Tensor, " batch"], Status]) -> Tensor:
    """The status of the first case that holds in each row; RUNNING where none does."""
    status = int(Status.RUNNING)
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
