"""What a solver asks of an objective and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.bundle import Bundle
from .linear_systems import Quadratic


class Status(IntEnum):
    """How a row ended, as stored in `Solution.status`."""

    RUNNING = 0  # only inside a solver
    CONVERGED = 1  # a tolerance was met
    STEP_LIMIT = 2  # the budget of steps is used up
    STALLED = 3  # no further decrease could be found, though the gradient promises one
    FAILED = 4  # energy or derivatives are not finite; x is the last finite one, or the start


@runtime_checkable
class Objective(Protocol):
    """Independent rows of a minimisation; it knows nothing of who asks.

    Row i of every result may depend on row i of x alone, not even in its rounding: that makes a
    row's solution the same alone and in any batch. A row that cannot be evaluated gives NaN or
    infinity, never an exception.
    """

    def energy(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The energy of each row."""
        ...

    def gradient(
        self, x: Float[Tensor, "batch dim"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch dim"]]:
        """The energy and its exact gradient."""
        ...

    def normal(self, x: Float[Tensor, "batch dim"]) -> tuple[Float[Tensor, " batch"], Quadratic]:
        """The energy and its quadratic near x: the exact gradient and an approximate Hessian.

        The Newton step is -hessian^-1 gradient. For a sum of squares r.r the gradient is 2 J^T r
        and, by Gauss-Newton, the Hessian 2 J^T J. `Dense` holds a full matrix; the other kinds of
        `linear_systems` save work where most of it is zero.
        """
        ...

    def rows(self, index: Int[Tensor, " kept"]) -> Objective:
        """The same objective for some of its rows."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """What an objective found at x: the energy, and its derivatives there if anybody asks."""

    energy: Float[Tensor, " batch"]
    linearised: Callable[[Int[Tensor, " kept"] | None], Quadratic]
    """The quadratic that `Objective.normal` gives, for some of the rows (None: for all)."""


@runtime_checkable
class Reusable(Protocol):
    """An objective that can go on to derivatives from what it worked out for the energy."""

    def evaluate(self, x: Float[Tensor, "batch dim"]) -> Evaluation:
        """The energy and, on demand, the derivatives: to the last bit those of `Objective.normal`."""
        ...


def evaluate(objective: Objective, x: Float[Tensor, "batch dim"]) -> Evaluation:
    """The evaluation of any objective; one that is not `Reusable` begins anew for the derivatives."""
    if isinstance(objective, Reusable):
        return objective.evaluate(x)

    def linearised(index: Tensor | None) -> Quadratic:
        if index is None:
            _, quadratic = objective.normal(x)
        else:
            _, quadratic = objective.rows(index).normal(x[index])
        return quadratic

    return Evaluation(objective.energy(x), linearised)


@dataclass(frozen=True)
class Solution(Bundle):
    """The end of each row: the lowest point found, its energy, and how it came about."""

    x: Float[Tensor, "batch dim"]
    energy: Float[Tensor, " batch"]
    status: Int[Tensor, " batch"]  # values of Status
    steps: Int[Tensor, " batch"]
    evaluations: Int[Tensor, " batch"]  # calls of energy, gradient or normal that this row needed

    @property
    def converged(self) -> Bool[Tensor, " batch"]:
        """Whether a tolerance was met."""
        return self.status == Status.CONVERGED


@runtime_checkable
class Solver(Protocol):
    """A frozen dataclass of settings that can minimise."""

    def minimise(self, objective: Objective, x: Float[Tensor, "batch dim"]) -> Solution:
        """The minimum of each row, started from its row of x. Never raises because of a row."""
        ...
