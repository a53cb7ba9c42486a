"""A quadratic whose Hessian is one full matrix for each row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .quadratic import Quadratic

# Triangular kernels round by memory alignment; sizes that are multiples of this round alike
# anywhere in a batch.
ALIGNED = 4


@dataclass(frozen=True)
class Dense(Quadratic):
    """The energy near x, its Hessian a full matrix."""

    gradient: Float[Tensor, "batch dim"]
    hessian: Float[Tensor, "batch dim dim"]

    def diagonal(self) -> Float[Tensor, "batch dim"]:
        """The diagonal of the Hessian."""
        return self.hessian.diagonal(dim1=-2, dim2=-1)

    def factor(self, extra: Float[Tensor, "batch dim"]) -> DenseFactor:
        """The Cholesky factor of the Hessian + diag(extra)."""
        return DenseFactor.of(self.hessian, self.diagonal() + extra)


@dataclass(frozen=True)
class DenseFactor:
    """The Cholesky factors of a batch of full matrices; a `Factor`."""

    # L^T, padded with the identity to a multiple of `ALIGNED`
    upper: Float[Tensor, "batch padded padded"]
    positive: Bool[Tensor, " batch"]
    dim: int

    @classmethod
    def of(
        cls, matrix: Float[Tensor, "batch dim dim"], diagonal: Float[Tensor, "batch dim"]
    ) -> DenseFactor:
        """Of symmetric matrices whose diagonals are replaced by `diagonal`."""
        dim = diagonal.shape[-1]
        gap = -dim % ALIGNED
        padded = torch.nn.functional.pad(matrix, (0, gap, 0, gap))
        padded_diagonal = torch.nn.functional.pad(diagonal, (0, gap), value=1.0)
        # pad gives a copy even where it adds nothing, so the caller's matrix stays as it is
        padded.diagonal(dim1=-2, dim2=-1).copy_(padded_diagonal)
        upper, info = torch.linalg.cholesky_ex(padded, upper=True)  # faster than the lower factor
        return cls(upper, info == 0, dim)

    def forward(self, right: Float[Tensor, "batch dim n"]) -> Float[Tensor, "batch dim n"]:
        """L^-1 right."""
        return self._forward(self._padded(right))[:, : self.dim]

    def backward(self, right: Float[Tensor, "batch dim n"]) -> Float[Tensor, "batch dim n"]:
        """L^-T right."""
        return self._backward(self._padded(right))[:, : self.dim]

    def solve(self, right: Float[Tensor, "batch dim n"]) -> Float[Tensor, "batch dim n"]:
        """(L L^T)^-1 right."""
        # quicker than cholesky_solve, the same bits
        return self._backward(self._forward(self._padded(right)))[:, : self.dim]

    def _padded(self, right: Tensor) -> Tensor:
        gap = self.upper.shape[-1] - self.dim
        return torch.nn.functional.pad(right, (0, 0, 0, gap))

    def _forward(self, right: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.upper.mT, right, upper=False)

    def _backward(self, right: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.upper, right, upper=True)
