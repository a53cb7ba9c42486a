"""The energy near a point, as a solver sees it: a gradient, and a Hessian of any structure."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...core.bundle import Bundle
from ..row_arithmetic import dot, largest

# The least scale of a variable, relative to the steepest: an unseen variable still needs damping.
FLAT = 1e-7


@dataclass(frozen=True)
class Step(Bundle):
    """A damped Newton step of each row; zero where it could not be solved."""

    step: Float[Tensor, "batch dim"]
    predicted: Float[Tensor, " batch"]  # the decrease of the energy that the quadratic promises
    solved: Bool[Tensor, " batch"]


@runtime_checkable
class Factor(Protocol):
    """The Cholesky factor L of a positive definite matrix L L^T for each row of a batch.

    The two half solves are separate because an eliminated block needs the first one alone.
    """

    @property
    def positive(self) -> Bool[Tensor, " batch"]:
        """Whether the matrix is positive definite; where it is not, solutions mean nothing."""
        ...

    def forward(self, right: Float[Tensor, "batch dim n"]) -> Float[Tensor, "batch dim n"]:
        """L^-1 right."""
        ...

    def backward(self, right: Float[Tensor, "batch dim n"]) -> Float[Tensor, "batch dim n"]:
        """L^-T right."""
        ...

    def solve(self, right: Float[Tensor, "batch dim n"]) -> Float[Tensor, "batch dim n"]:
        """(L L^T)^-1 right."""
        ...


class Quadratic(Bundle, ABC):
    """The energy near x for each row: E(x) + gradient.p + p.H p / 2.

    Subclasses are frozen dataclasses that know how H is stored. All their tensors have the batch
    as first axis, so a solver can index, join and select quadratics like any other bundle.
    """

    gradient: Float[Tensor, "batch dim"]

    @abstractmethod
    def diagonal(self) -> Float[Tensor, "batch dim"]:
        """The diagonal of H."""

    @abstractmethod
    def factor(self, extra: Float[Tensor, "batch dim"]) -> Factor:
        """The Cholesky factor of H + diag(extra)."""

    def dot(
        self, a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, " batch"]:
        """The inner product of each row."""
        return dot(a, b)

    def damped_step(
        self,
        damping: Float[Tensor, " batch"],
        *,
        marquardt: bool = True,
        max_step: float | tuple[float, ...] = math.inf,
    ) -> Step:
        """The step p with (H + damping D) p = -gradient, and the decrease that it promises.

        marquardt: D is the diagonal of H, which makes the step free of units; else the identity.
        max_step: the longest move of each variable; a longer step is shortened as a whole. Rows
        whose damped matrix is not positive definite are not solved: step and decrease are zero.
        """
        extra = damping[:, None] * self._scale(marquardt)
        factor = self.factor(extra)
        step = factor.solve(-self.gradient[..., None])[..., 0]
        solved = factor.positive & (step.sum(-1).abs() < math.inf)

        # With A = H + diag(extra) and A p = -g, the decrease along s p is
        # s (-g.p) - s^2 / 2 p.H p, and p.H p = -g.p - p.diag(extra) p: H itself is not needed.
        descent = -self.dot(self.gradient, step)
        damped = self.dot(step * extra, step)
        curvature = descent - damped
        if max_step == math.inf:
            predicted = descent - 0.5 * curvature
        else:
            limit = torch.as_tensor(max_step, dtype=step.dtype, device=step.device)
            share = 1 / largest(step / limit).clamp_min(1.0)
            predicted = share * descent - 0.5 * share * share * curvature
            step = share[:, None] * step
        return Step(
            step=torch.where(solved[:, None], step, 0.0),
            predicted=torch.where(solved, predicted, 0.0),
            solved=solved,
        )

    def _scale(self, marquardt: bool) -> Float[Tensor, "batch dim"]:
        """D: how strongly the damping holds each variable back."""
        diagonal = self.diagonal()
        if not marquardt:
            return torch.ones_like(diagonal)
        smallest = torch.finfo(diagonal.dtype).tiny ** 0.5  # its square does not underflow
        floor = (FLAT * diagonal.amax(-1, keepdim=True)).clamp_min(smallest)
        return diagonal.maximum(floor)
