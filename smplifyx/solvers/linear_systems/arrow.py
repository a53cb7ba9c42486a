"""A quadratic of groups of frames that share a few unknowns and have others of their own.

The Hessian looks like an arrow: own blocks along the diagonal, a border that couples each with the
shared unknowns. The own unknowns are eliminated first, which leaves the Schur complement, a matrix
of the shared unknowns alone (Nocedal & Wright 2006, section 16.2; bundle adjustment does the same).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .dense import DenseFactor
from .frame_blocks import (
    BlockBanded,
    BlockDiagonal,
    apply_to_frames,
    dot_over_frames,
    gram_over_frames,
)
from .quadratic import Factor, Quadratic


@dataclass(frozen=True)
class Arrow(Quadratic):
    """The energy of groups near x: the s shared unknowns come first, then the k of each frame.

    Memory is linear in the frames. The unknowns of absent frames have no gradient and no coupling.
    """

    gradient: Float[Tensor, "batch dim"]
    shared: Float[Tensor, "batch s s"]
    coupling: Float[Tensor, "batch own s"]  # own unknowns along the rows, shared along the columns
    own: BlockDiagonal | BlockBanded

    def diagonal(self) -> Float[Tensor, "batch dim"]:
        """The diagonal of the Hessian."""
        return torch.cat([self.shared.diagonal(dim1=-2, dim2=-1), self.own.diagonal()], -1)

    def factor(self, extra: Float[Tensor, "batch dim"]) -> ArrowFactor:
        """The Cholesky factor of the Hessian + diag(extra), own unknowns eliminated first."""
        count = self.shared.shape[-1]
        frames = self.own.present.shape[1]
        own = self.own.factor(extra[:, count:])
        border = own.forward(self.coupling)
        schur = self.shared - gram_over_frames(border, border, frames)
        schur_diagonal = schur.diagonal(dim1=-2, dim2=-1) + extra[:, :count]
        shared = DenseFactor.of(schur, schur_diagonal)
        return ArrowFactor(shared, border, own, frames)

    def dot(
        self, a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, " batch"]:
        """The inner product of each group, in an order that does not depend on the padding."""
        count = self.shared.shape[-1]
        frames = self.own.present.shape[1]
        of_shared = (a[:, :count] * b[:, :count]).sum(-1)
        return of_shared + dot_over_frames(a[:, count:], b[:, count:], frames)


@dataclass(frozen=True)
class ArrowFactor:
    """A `Factor` in the order of elimination: L = [[own, 0], [border^T, shared]].

    Right sides and solutions keep the order of `Arrow`, shared unknowns first.
    """

    shared: DenseFactor  # of the Schur complement
    border: Float[Tensor, "batch own s"]
    own: Factor
    frames: int

    @property
    def positive(self) -> Bool[Tensor, " batch"]:
        """Whether the matrix is positive definite."""
        return self.shared.positive & self.own.positive

    def forward(self, right: Float[Tensor, "batch dim m"]) -> Float[Tensor, "batch dim m"]:
        """L^-1 right."""
        right_shared, right_own = self._split(right)
        own = self.own.forward(right_own)
        eliminated = gram_over_frames(self.border, own, self.frames)
        shared = self.shared.forward(right_shared - eliminated)
        return torch.cat([shared, own], 1)

    def backward(self, right: Float[Tensor, "batch dim m"]) -> Float[Tensor, "batch dim m"]:
        """L^-T right."""
        right_shared, right_own = self._split(right)
        shared = self.shared.backward(right_shared)
        known = apply_to_frames(self.border, shared, self.frames)
        own = self.own.backward(right_own - known)
        return torch.cat([shared, own], 1)

    def solve(self, right: Float[Tensor, "batch dim m"]) -> Float[Tensor, "batch dim m"]:
        """(L L^T)^-1 right."""
        return self.backward(self.forward(right))

    def _split(self, right: Tensor) -> tuple[Tensor, Tensor]:
        count = self.shared.dim
        return right[:, :count], right[:, count:]
