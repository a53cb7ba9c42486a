"""How residuals move with one feature: six kinds of blocks, and no others.

Most residuals see little of a feature: one coordinate, one point, two spheres. A term says so by
the kind of block that it states, and the chain rule and the normal equations then do only that much
work. The family is sealed: code that treats kinds differently does so by `match`, and pyright tells
where one is forgotten.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..core.invariant_linalg import COLUMNS, gram


@dataclass(frozen=True, eq=False)
class DenseBlock:
    """Each person's residuals may see all d coordinates of the feature."""

    slope: Float[Tensor, "batch r d"]

    def scaled(self, factor: float) -> DenseBlock:
        """The same for the residuals times `factor`."""
        return DenseBlock(self.slope * factor)


@dataclass(frozen=True, eq=False)
class SharedBlock:
    """The same slopes for everybody: the residuals are linear in the feature."""

    slope: Float[Tensor, "r d"]

    def scaled(self, factor: float) -> SharedBlock:
        """The same for the residuals times `factor`."""
        return SharedBlock(self.slope * factor)


@dataclass(frozen=True, eq=False)
class CoordinateBlock:
    """Residual i sees the coordinate at[i] alone, of `width` that the feature has."""

    at: tuple[int, ...]
    slope: Float[Tensor, "batch r"]
    width: int

    def scaled(self, factor: float) -> CoordinateBlock:
        """The same for the residuals times `factor`."""
        return replace(self, slope=self.slope * factor)

    def dense(self) -> DenseBlock:
        """Written out, zeros and all."""
        coordinates = torch.arange(self.width, device=self.slope.device)
        at = _index(self.at, self.slope.device)
        picks = at[:, None] == coordinates  # one_hot would wait for the device
        return DenseBlock(self.slope[..., None] * picks)


@dataclass(frozen=True, eq=False)
class ConstantMatrices:
    """A few matrices of which each person's Jacobian is one, and what is worked out from them once.

    Owned by whoever states them (a term): what is derived from them lives as long as they do.
    """

    matrices: Float[Tensor, "k r d"]

    @functools.cached_property
    def squares(self) -> Float[Tensor, "k d d"]:
        """M^T M of each."""
        return gram(self.matrices, self.matrices).contiguous()

    @functools.cached_property
    def side_by_side(self) -> Float[Tensor, "r kd"]:
        """All of them in one matrix, each padded to a width that multiplies quickly."""
        gap = -self.matrices.shape[-1] % COLUMNS
        wide = torch.nn.functional.pad(self.matrices, (0, gap))
        return wide.transpose(0, 1).flatten(1).contiguous()


@dataclass(frozen=True, eq=False)
class ChoiceBlock:
    """Each person's slopes are factor * matrices[which]: the residuals are linear in pieces."""

    constants: ConstantMatrices
    which: Int[Tensor, " batch"]
    factor: float = 1.0

    def scaled(self, factor: float) -> ChoiceBlock:
        """The same for the residuals times `factor`."""
        return replace(self, factor=self.factor * factor)

    def dense(self) -> DenseBlock:
        """Written out."""
        return DenseBlock(self.factor * self.constants.matrices[self.which])


@dataclass(frozen=True, eq=False)
class PointBlock:
    """Residual (p, k) sees point p alone: slopes along its three coordinates."""

    slope: Float[Tensor, "batch p k 3"]

    def scaled(self, factor: float) -> PointBlock:
        """The same for the residuals times `factor`."""
        return PointBlock(self.slope * factor)


@dataclass(frozen=True, eq=False)
class SphereBlock:
    """Residual r of person b sees a few spheres: its e-th is at[b, r, e], with pull[b, r, e]."""

    at: Int[Tensor, "batch r e"]
    pull: Float[Tensor, "batch r e 4"]  # along the centre's three coordinates and the radius

    def scaled(self, factor: float) -> SphereBlock:
        """The same for the residuals times `factor`."""
        return SphereBlock(self.at, self.pull * factor)

    @classmethod
    def of_dense(cls, block: DenseBlock) -> SphereBlock:
        """Of residuals that may see all s spheres: slopes [batch, r, 4 s]."""
        pull = block.slope.unflatten(-1, (-1, 4))
        every = torch.arange(pull.shape[2], device=pull.device)
        return cls(every.expand(pull.shape[:3]), pull)


JacobianBlock = DenseBlock | SharedBlock | CoordinateBlock | ChoiceBlock | PointBlock | SphereBlock


def written_out(block: JacobianBlock) -> DenseBlock | SharedBlock:
    """The block as one matrix, each person's or everybody's. Raises TypeError for one of points or
    spheres.

    Those two are of features whose own `pull` takes them.
    """
    match block:
        case DenseBlock() | SharedBlock():
            return block
        case CoordinateBlock() | ChoiceBlock():
            return block.dense()
        case PointBlock() | SphereBlock():
            raise TypeError(f"a {type(block).__name__} belongs to points or spheres alone")


@functools.lru_cache(maxsize=256)  # keyed by numbers, not by tensors
def _index(at: tuple[int, ...], device: torch.device) -> Int[Tensor, " r"]:
    return torch.tensor(at, device=device)
