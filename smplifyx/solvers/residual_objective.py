"""An objective from a residual function alone, differentiated by autograd."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..core.bundle import Bundle
from ..core.invariant_linalg import gram
from .linear_systems import Dense

Data = Tensor | Bundle | None


@dataclass(frozen=True)
class ResidualObjective:
    """The energy r.r of `residual(x, data) -> [batch, lines]`; gradient 2 J^T r, Gauss-Newton
    Hessian 2 J^T J.

    Row i of the residual may depend on row i of x and of data alone.
    """

    residual: Callable[[Tensor, Data], Tensor]
    data: Data = None

    def energy(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The sum of squares of each row."""
        return self.residual(x, self.data).square().sum(-1)

    def gradient(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor]:
        """Energy and gradient, by one reverse pass."""
        return gradient_by_autograd(self.energy, x)

    def normal(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Dense]:
        """Energy, gradient and Gauss-Newton Hessian, by one reverse pass per line of the residual,
        all at once.
        """
        residual, jacobian = self._linearise(x)
        energy = residual.square().sum(-1)
        gradient = 2 * (jacobian * residual[..., None]).sum(-2)
        hessian = 2 * gram(jacobian, jacobian)
        return energy, Dense(gradient, hessian)

    def rows(self, index: Int[Tensor, " kept"]) -> ResidualObjective:
        """The same objective for some of its rows."""
        return dataclasses.replace(self, data=None if self.data is None else self.data[index])

    def _linearise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The residual [batch, lines] and its Jacobian [batch, lines, dim]."""
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            residual = self.residual(leaf, self.data)
            batch, lines = residual.shape
            # one unit vector for each line, the same for all rows
            basis = torch.eye(lines, dtype=x.dtype, device=x.device)[:, None]
            basis = basis.expand(lines, batch, lines)
            (by_line,) = torch.autograd.grad(residual, leaf, basis, is_grads_batched=True)
        # The strides decide how later sums round: a copy has the same for any batch.
        jacobian = by_line.movedim(0, 1).contiguous()
        return residual.detach(), jacobian


def gradient_by_autograd(
    energy: Callable[[Tensor], Tensor], x: Float[Tensor, "batch dim"]
) -> tuple[Tensor, Tensor]:
    """Energy [batch] and gradient [batch, dim] of independent rows, by one reverse pass."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        value = energy(leaf)
        (slope,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), slope
