"""The loop that every solver shares: a slot of rows advances; the done ones leave, waiting ones
take their place.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .contract import Objective, Solution, Status
from .row_arithmetic import select

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


StateType = TypeVar("StateType", bound=RowState)


@runtime_checkable
class Stepwise(Protocol[StateType]):
    """A solver as its rows see it; it knows what else its state holds."""

    @property
    def looks(self) -> int:
        """Steps from one look of the host at which rows are done to the next; 0: one on a CPU, now
        and then on a GPU.
        """
        ...

    def start(self, objective: Objective, x: Float[Tensor, "batch dim"]) -> StateType:
        """Rows at their start."""
        ...

    def advance(self, objective: Objective, state: StateType) -> StateType:
        """The rows a step on."""
        ...


@dataclass(frozen=True)
class Run:
    """What became of the rows of an objective, by their number there."""

    done: Int[Tensor, " done"]
    solution: Solution  # of those
    left: Int[Tensor, " left"]
    state: RowState  # of these, which still run


def run_rows(
    solver: Stepwise[StateType], objective: Objective, x: Float[Tensor, "batch dim"]
) -> Solution:
    """Minimises each row from its row of x."""
    with torch.no_grad():
        run = run_some(solver, objective, x.detach())
    return run.solution[torch.argsort(run.done)]


def run_some(
    solver: Stepwise[StateType],
    objective: Objective,
    x: Float[Tensor, "batch dim"],
    before: StateType | None = None,
    leave: int = 0,
) -> Run:
    """Goes on with the first rows of the objective from `before`, and minimises the others from x.

    Rows pass through a slot of limited size, so memory and caches hold a slot however many there
    are. A row's solution never changes once it is done, and its neighbours change nothing in it.
    The run ends when no row waits and no more than `leave` still run: a later one can go on with
    those, in a batch with others.
    """
    on_cpu = x.device.type == "cpu"
    size = SLOT if on_cpu else SLOT_GPU
    looks = solver.looks or (1 if on_cpu else LOOKS_GPU)
    known = 0 if before is None else len(before.x)
    count = known + len(x)

    def begun(fresh: Tensor) -> StateType:
        # The first `known` rows of the objective have a state, so x begins behind them.
        own = objective if len(fresh) == count else objective.rows(fresh)
        return solver.start(own, x[fresh - known])

    entered = max(min(size, count), known)
    index = torch.arange(entered, device=x.device)  # the number in `objective` of each row at hand
    if before is None:
        state = begun(index)
    elif entered == known:
        state = before
    else:
        state = type(before).cat([before, begun(index[known:])])
    here = objective if entered == count else objective.rows(index)
    done: list[tuple[Tensor, Solution]] = []
    while True:
        running = state.status == Status.RUNNING
        active = int(running.sum())
        waiting = count - entered
        if waiting == 0 and active <= leave:
            done.append((index[~running], _solution(state)[~running]))
            numbers, solutions = zip(*done, strict=True)
            return Run(
                done=torch.cat(numbers),
                solution=Solution.cat(solutions),
                left=index[running],
                state=state[running],
            )
        free = size - active
        if waiting:
            regroup = free >= FREE_FRACTION * size
        else:
            regroup = active <= (1 - DROP_FRACTION) * len(index)
        if regroup:
            done.append((index[~running], _solution(state)[~running]))
            fresh = torch.arange(entered, entered + min(free, waiting), device=x.device)
            entered += len(fresh)
            state = state[running]
            if len(fresh):
                state = type(state).cat([state, begun(fresh)])
            index = torch.cat([index[running], fresh])
            here = objective.rows(index)
        all_running = looks == 1 and active == len(index)
        for _ in range(looks):
            after = solver.advance(here, state)
            state = after if all_running else _kept(state, after)


def status_where(*cases: tuple[Bool[Tensor, " batch"], Status]) -> Int[Tensor, " batch"]:
    """The status of the first case that holds in each row; RUNNING where none does."""
    *earlier, (last_mask, last_value) = cases
    status = torch.where(last_mask, int(last_value), int(Status.RUNNING))
    for mask, value in reversed(earlier):
        status = torch.where(mask, int(value), status)
    return status


def _kept(state: StateType, after: StateType) -> StateType:
    """The state after a step, with the solutions of rows that were done before as they were."""
    running = state.status == Status.RUNNING
    solution = select(running, _solution(after), _solution(state))
    return after.replace(**_solution_fields(solution))


def _solution(state: RowState) -> Solution:
    return Solution(**_solution_fields(state))


def _solution_fields(solution: Solution) -> dict[str, Tensor]:
    names = [field.name for field in dataclasses.fields(Solution)]
    return {name: getattr(solution, name) for name in names}
