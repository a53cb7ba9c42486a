"""The loop that every solver shares: a slot of rows advances; the done ones leave, waiting ones
take their place.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.bundle import Bundle
from .contract import Objective, Solution, Status

SLOT = 256  # rows side by side on a CPU: what its caches hold
SLOT_GPU = 2**16
LOOKS_GPU = 8  # calls of `advance` from one look of the host at a GPU's rows to the next
FREE_FRACTION = 1 / 4  # of the slot must be free before waiting rows enter
# of the rows at hand must be done, when none wait, before the rest is gathered anew
DROP_FRACTION = 1 / 8


@dataclass(frozen=True)
class RowState(Solution):
    """The solution so far, with status RUNNING while there is something to do; each solver's state
    adds its own.
    """


State = TypeVar("State", bound=RowState)
Part = TypeVar("Part", Tensor, Bundle)


@runtime_checkable
class Stepwise(Protocol):
    """A solver as its rows see it."""

    looks: int
    """Steps from one look of the host at which rows are done to the next; 0: one on a CPU, now and
    then on a GPU.
    """

    def start(self, objective: Objective, x: Float[Tensor, "batch dim"]) -> RowState:
        """Rows at their start."""
        ...

    def advance(self, objective: Objective, state: RowState) -> RowState:
        """The rows a step on."""
        ...


@dataclass(frozen=True)
class Run:
    """What became of the rows of an objective, by their number there."""

    done: Int[Tensor, " done"]
    solution: Solution  # of those
    left: Int[Tensor, " left"]
    state: RowState  # of these, which still run


def run_rows(solver: Stepwise, objective: Objective, x: Float[Tensor, "batch dim"]) -> Solution:
    """Minimises each row from its row of x."""
    with torch.no_grad():
        run = run_some(solver, objective, x.detach())
    return run.solution[torch.argsort(run.done)]


def run_some(
    solver: Stepwise,
    objective: Objective,
    x: Float[Tensor, "batch dim"],
    before: RowState | None = None,
    leave: int = 0,
) -> Run:
    """Goes on with the first rows of the objective from `before`, and minimises the others from x.

    Rows pass through a slot of limited size, so memory and caches hold a slot however many there
    are. A row's solution never changes once it is done, and who stands beside it changes nothing in
    it. The run ends when no row waits and no more than `leave` still run: a later one can go on
    with those, in new company.
    """
    size = SLOT if x.device.type == "cpu" else SLOT_GPU
    looks = solver.looks or (1 if x.device.type == "cpu" else LOOKS_GPU)
    known = 0 if before is None else len(before.x)
    count = known + len(x)

    def begun(fresh: Tensor) -> RowState:
        return solver.start(
            objective if len(fresh) == count else objective.rows(fresh), x[fresh - known]
        )

    entered = max(min(size, count), known)
    index = torch.arange(entered, device=x.device)
    state = _together(before, begun(index[known:]) if entered > known or before is None else None)
    here = objective if entered == count else objective.rows(index)
    done: list[tuple[Tensor, Solution]] = []
    while True:
        running = state.status == Status.RUNNING
        active, waiting = int(running.sum()), count - entered
        if not waiting and active <= leave:
            done.append((index[~running], _solution(state)[~running]))
            numbers, solutions = zip(*done, strict=True)
            return Run(torch.cat(numbers), Solution.cat(solutions), index[running], state[running])
        free = size - active
        if (
            waiting
            and free >= FREE_FRACTION * size
            or not waiting
            and active <= (1 - DROP_FRACTION) * len(index)
        ):
            done.append((index[~running], _solution(state)[~running]))
            fresh = torch.arange(entered, entered + min(free, waiting), device=x.device)
            entered += len(fresh)
            state = _together(state[running], begun(fresh) if len(fresh) else None)
            index = torch.cat([index[running], fresh])
            here = objective.rows(index)
        all_running = looks == 1 and active == len(index)
        for _ in range(looks):
            after = solver.advance(here, state)
            state = after if all_running else _kept(state, after)


def _together(before: RowState | None, fresh: RowState | None) -> RowState:
    """The rows of both; one may lack."""
    states = [state for state in (before, fresh) if state is not None]
    return states[0] if len(states) == 1 else type(states[0]).cat(states)


def _kept(state: State, after: State) -> State:
    """The state after a step, with the solutions of rows that were done before as they were."""
    running = state.status == Status.RUNNING
    return after.replace(**_fields(select(running, _solution(after), _solution(state))))


def select(mask: Bool[Tensor, " batch"], yes: Part, no: Part) -> Part:
    """Per row, the tensor or bundle `yes` where the mask is set, else `no`."""
    if isinstance(yes, Tensor):
        return torch.where(mask.view(-1, *[1] * (yes.dim() - 1)), yes, no)
    fields = dataclasses.fields(yes)
    return dataclasses.replace(
        yes, **{f.name: select(mask, getattr(yes, f.name), getattr(no, f.name)) for f in fields}
    )


def dot(a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
    """The inner product of each row; unlike a matrix product, it rounds the same in a batch of any
    size.
    """
    return (a * b).sum(-1)


def largest(a: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
    """The largest absolute value of each row; 0 where there are no variables."""
    return a.abs().amax(-1) if a.shape[-1] else a.new_zeros(len(a))


def is_finite(
    energy: Float[Tensor, " batch"], *more: Float[Tensor, "batch ..."]
) -> Bool[Tensor, " batch"]:
    """Rows in which everything is finite (and its sum too, which is much the cheaper test)."""
    total = functools.reduce(torch.add, (part.flatten(1).sum(-1) for part in more), energy)
    return total.abs() < math.inf  # cheaper than isfinite, and false for NaN too


def negligible(
    change: Float[Tensor, " batch"], energy: Float[Tensor, " batch"], tolerance: float
) -> Tensor:
    """Whether a change of the energy is within the relative tolerance, or within what its precision
    can show.
    """
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
