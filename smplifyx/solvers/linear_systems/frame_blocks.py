"""Matrices in blocks of frames: each row of a batch is a group of frames with k unknowns each.

Groups may have different numbers of frames. All are padded to the longest, n; `present` tells the
frames that are there. The blocks of absent frames are zero. What these functions compute for a
group does not depend on n, to the last bit, so a group's solution is the same in any batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...core.bundle import Bundle
from ...core.invariant_linalg import gram
from .dense import ALIGNED, DenseFactor


@dataclass(frozen=True)
class BlockDiagonal(Bundle):
    """Frames that do not see each other: a full matrix for each."""

    blocks: Float[Tensor, "batch n k k"]
    present: Bool[Tensor, "batch n"]

    def diagonal(self) -> Float[Tensor, "batch own"]:
        """The diagonal, frame by frame."""
        return self.blocks.diagonal(dim1=-2, dim2=-1).flatten(1)

    def factor(self, extra: Float[Tensor, "batch own"]) -> BlockDiagonalFactor:
        """The Cholesky factor of the matrix + diag(extra): that of every block."""
        diagonal = _damped_diagonal(self.blocks, extra, self.present)
        every = DenseFactor.of(self.blocks.flatten(0, 1), diagonal.flatten(0, 1))
        positive = every.positive.view(self.present.shape).all(-1)
        return BlockDiagonalFactor(every, positive)


@dataclass(frozen=True)
class BlockDiagonalFactor:
    """A `Factor` of each group, made of those of its frames."""

    every: DenseFactor  # of the frames of all groups
    positive: Bool[Tensor, " batch"]

    def forward(self, right: Float[Tensor, "batch own m"]) -> Float[Tensor, "batch own m"]:
        """L^-1 right."""
        return self.every.forward(self._by_frame(right)).reshape(right.shape)

    def backward(self, right: Float[Tensor, "batch own m"]) -> Float[Tensor, "batch own m"]:
        """L^-T right."""
        return self.every.backward(self._by_frame(right)).reshape(right.shape)

    def solve(self, right: Float[Tensor, "batch own m"]) -> Float[Tensor, "batch own m"]:
        """(L L^T)^-1 right."""
        return self.every.solve(self._by_frame(right)).reshape(right.shape)

    def _by_frame(self, right: Tensor) -> Tensor:
        return right.unflatten(1, (-1, self.every.dim)).flatten(0, 1)


@dataclass(frozen=True)
class BlockBanded(Bundle):
    """Frames in an order (time) that see up to w frames before them: block tridiagonal for w = 1.

    The factor has the same bands, so memory is linear in the frames. It is worked out one frame
    after another, for all groups at once: many short clips are quick, a single long one is slow.
    """

    blocks: Float[Tensor, "batch n k k"]  # symmetric
    # lower[:, t, j] couples frame t, along its rows, with frame t - 1 - j; zero where that is none
    lower: Float[Tensor, "batch n w k k"]
    present: Bool[Tensor, "batch n"]  # of each group the first few

    def diagonal(self) -> Float[Tensor, "batch own"]:
        """The diagonal, frame by frame."""
        return self.blocks.diagonal(dim1=-2, dim2=-1).flatten(1)

    def factor(self, extra: Float[Tensor, "batch own"]) -> BlockBandedFactor:
        """The Cholesky factor of the matrix + diag(extra), by block Cholesky along the frames."""
        batch, frames, width = self.lower.shape[:3]
        dim = self.blocks.shape[-1]
        gap = -dim % ALIGNED
        diagonal = _damped_diagonal(self.blocks, extra, self.present)
        positive = self.blocks.new_ones(batch, dtype=torch.bool)
        pivots: list[DenseFactor] = []  # L[t, t] of each frame
        bands: list[list[Tensor]] = []  # L[t, t - 1 - j] of each frame, j as in `lower`
        for t in range(frames):
            reach = min(width, t)
            row: dict[int, Tensor] = {}  # L[t, s] for the frames s before t, nearest last
            for s in range(t - reach, t):
                block = self.lower[:, t, t - 1 - s]
                block = torch.nn.functional.pad(block, (0, gap, 0, gap))
                for r in range(max(s - width, t - reach), s):
                    block = block - torch.bmm(row[r], bands[s][s - 1 - r].mT)
                # L[t, s] L[s, s]^T = block
                row[s] = torch.linalg.solve_triangular(
                    pivots[s].upper, block, upper=True, left=False
                )
            pivot = torch.nn.functional.pad(self.blocks[:, t], (0, gap, 0, gap))
            pivot_diagonal = torch.nn.functional.pad(diagonal[:, t], (0, gap), value=1.0)
            for band in row.values():
                product = torch.bmm(band, band.mT)
                pivot = pivot - product
                pivot_diagonal = pivot_diagonal - product.diagonal(dim1=-2, dim2=-1)
            pivots.append(DenseFactor.of(pivot, pivot_diagonal))
            bands.append([row[t - 1 - j] for j in range(reach)])
            positive = positive & pivots[t].positive
        return BlockBandedFactor(tuple(pivots), tuple(map(tuple, bands)), positive, dim)


@dataclass(frozen=True)
class BlockBandedFactor:
    """A `Factor` with the bands of its matrix; blocks are padded to a multiple of `ALIGNED`."""

    pivots: tuple[DenseFactor, ...]  # of each frame
    bands: tuple[tuple[Float[Tensor, "batch padded padded"], ...], ...]  # as `BlockBanded.lower`
    positive: Bool[Tensor, " batch"]
    dim: int  # unknowns of a frame

    def forward(self, right: Float[Tensor, "batch own m"]) -> Float[Tensor, "batch own m"]:
        """L^-1 right, from the first frame to the last."""
        frames = self._by_frame(right)
        for t, (pivot, bands) in enumerate(zip(self.pivots, self.bands, strict=True)):
            for j, band in enumerate(bands):
                frames[t] = frames[t] - gram(band.mT, frames[t - 1 - j])
            frames[t] = pivot.forward(frames[t])
        return self._joined(frames, right)

    def backward(self, right: Float[Tensor, "batch own m"]) -> Float[Tensor, "batch own m"]:
        """L^-T right, from the last frame to the first."""
        frames = self._by_frame(right)
        for t in reversed(range(len(frames))):
            frames[t] = self.pivots[t].backward(frames[t])
            for j, band in enumerate(self.bands[t]):
                frames[t - 1 - j] = frames[t - 1 - j] - gram(band, frames[t])
        return self._joined(frames, right)

    def solve(self, right: Float[Tensor, "batch own m"]) -> Float[Tensor, "batch own m"]:
        """(L L^T)^-1 right."""
        return self.backward(self.forward(right))

    def _by_frame(self, right: Tensor) -> list[Tensor]:
        """The padded part [batch, padded, m] of each frame."""
        parts = right.reshape(len(right), len(self.pivots), self.dim, right.shape[-1])
        parts = torch.nn.functional.pad(parts, (0, 0, 0, -self.dim % ALIGNED))
        return list(parts.unbind(1))

    def _joined(self, frames: list[Tensor], like: Tensor) -> Tensor:
        return torch.stack(frames, 1)[:, :, : self.dim].reshape(like.shape)


def sum_over_frames(values: Float[Tensor, "batch n ..."]) -> Float[Tensor, "batch ..."]:
    """The sum over the second axis; zeros appended to it change no bit of the result.

    The halves of the next power of two are added until one is left, so the order in which two
    entries meet does not depend on how many there are.
    """
    if values.shape[1] == 0:
        return values.sum(1)
    while (count := values.shape[1]) > 1:
        half = 1 << (count - 1).bit_length() - 1
        met = count - half  # how many of the first half have a partner in the second
        added = values[:, :met] + values[:, half:]
        values = torch.cat([added, values[:, met:half]], 1)
    return values[:, 0]


def gram_over_frames(
    left: Float[Tensor, "batch own a"], right: Float[Tensor, "batch own b"], frames: int
) -> Float[Tensor, "batch a b"]:
    """left^T right of each group: the sum of the products of its frames."""
    products = gram(_each_frame(left, frames), _each_frame(right, frames))
    return sum_over_frames(products.unflatten(0, (len(left), frames)))


def dot_over_frames(
    a: Float[Tensor, "batch own"], b: Float[Tensor, "batch own"], frames: int
) -> Float[Tensor, " batch"]:
    """The inner product of each group."""
    products = (a * b).unflatten(1, (frames, -1))
    return sum_over_frames(products.sum(-1))


def apply_to_frames(
    matrix: Float[Tensor, "batch own s"], right: Float[Tensor, "batch s m"], frames: int
) -> Float[Tensor, "batch own m"]:
    """matrix @ right, frame by frame: one product of all would round by how many there are."""
    by_frame = _each_frame(matrix, frames)  # [batch * n, k, s]
    repeated = right.repeat_interleave(frames, 0)
    return gram(by_frame.mT, repeated).reshape(len(matrix), -1, right.shape[-1])


def _each_frame(values: Tensor, frames: int) -> Tensor:
    """[batch, own, e] as [batch * n, k, e]."""
    dim = values.shape[1] // max(frames, 1)
    return values.reshape(len(values) * frames, dim, values.shape[-1])


def _damped_diagonal(blocks: Tensor, extra: Tensor, present: Tensor) -> Tensor:
    """The diagonal [batch, n, k] of the blocks plus `extra`; 1 for absent frames, whose unknowns
    then stay where they are.
    """
    diagonal = blocks.diagonal(dim1=-2, dim2=-1)
    return torch.where(present[..., None], diagonal + extra.view(diagonal.shape), 1.0)
