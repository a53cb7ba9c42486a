"""A mixture of Gaussians over the axis-angles of the body joints: several kinds of poses, each with
its own spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..core.invariant_linalg import COLUMNS, shared_matmul
from .arrays import read_npz
from .joint_angles import JointAngles

ANGLES = 63  # 21 joints x 3


@dataclass(frozen=True, eq=False)
class MixturePrior(JointAngles):
    """max_k w_k N(means_k, covariance_k) of the flattened body pose, which is its own latent (63
    numbers, radians).

    The best component stands for the sum, so that the density has residuals (Olson and Agarwal
    2012; SMPLify, Bogo et al. 2016). W_k = `whitening`[k] is lower triangular, W_k^T W_k the
    precision; `offset` -2 log(w_k sqrt det precision_k), less the smallest of them.
    """

    means: Float[Tensor, "k 63"]
    whitening: Float[Tensor, "k 63 63"]
    weights: Float[Tensor, " k"]
    offset: Float[Tensor, " k"]

    @classmethod
    def from_moments(
        cls,
        means: Float[Tensor, "a 63"],
        covariances: Float[Tensor, "b 63 63"],
        weights: Float[Tensor, " c"],
    ) -> MixturePrior:
        """From the moments of the components, in any precision; the weights need not sum to one.

        Raises ValueError where their numbers differ, a weight is not positive or a covariance not
        positive definite.
        """
        if not len(means) == len(covariances) == len(weights) > 0:
            raise ValueError(
                f"{len(means)} means, {len(covariances)} covariances and {len(weights)} weights"
            )
        if not (weights > 0).all():
            raise ValueError("the mixture's weights are not positive")
        factor, failed = torch.linalg.cholesky_ex(covariances.double())
        if failed.any():
            raise ValueError(
                f"covariance {int(failed.argmax())} of the mixture is not positive definite"
            )
        unit = torch.eye(ANGLES, dtype=torch.float64, device=factor.device)
        whitening = torch.linalg.solve_triangular(factor, unit.expand_as(factor), upper=False)
        shares = weights.double() / weights.double().sum()
        height = shares.log() - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        offset = 2 * (height.max() - height)
        return cls(means, *(value.to(means.dtype) for value in (whitening, shares, offset)))

    @classmethod
    def load(cls, path: Path) -> MixturePrior:
        """From a file with `means` [k, 63], `covariances` [k, 63, 63], `weights` [k] and `floor`
        [63] (radians).

        The covariances used are covariances + diag(floor^2): the floor frees what the mocap held
        still. Raises ValueError naming the file and the key where something is missing, misshapen
        or not finite.
        """
        shapes = {
            "means": (None, ANGLES),
            "covariances": (None, ANGLES, ANGLES),
            "weights": (None,),
            "floor": (ANGLES,),
        }
        arrays = read_npz(path, shapes)
        covariances = arrays["covariances"] + torch.diag(arrays["floor"] ** 2)
        try:
            return cls.from_moments(arrays["means"], covariances, arrays["weights"]).to(
                dtype=torch.float32
            )
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> MixturePrior:
        """A copy on `device` as `dtype`."""
        fields = (self.means, self.whitening, self.weights, self.offset)
        return MixturePrior(*(value.to(device=device, dtype=dtype) for value in fields))

    def mean(self) -> Float[Tensor, " 63"]:
        """The mean of the whole mixture, between its components: a start that takes no component's
        side.

        The heaviest component's own mean would be likelier, but a fit that begins there tends to
        stay with it.
        """
        return (self.weights[:, None] * self.means).sum(0)

    def residual(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 64"]:
        """Whitened difference from the best component's mean, and the root of that component's
        offset.

        The square sum is exactly -2 log max_k w_k N_k up to a constant.
        """
        rows, _ = self.residual_in_piece(latent.reshape(-1, ANGLES))
        return rows.reshape(*latent.shape[:-1], ANGLES + 1)

    def residual_in_piece(
        self, latent: Float[Tensor, "batch 63"]
    ) -> tuple[Float[Tensor, "batch 64"], Int[Tensor, " batch"]]:
        """The residual, and the best component of each."""
        whitened, chosen = self._best(latent)
        return torch.cat([whitened, self.offset[chosen].sqrt()[:, None]], -1), chosen

    def jacobian(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 64 63"]:
        """The best component's whitening; zeros for the offset."""
        _, chosen = self._best(latent.reshape(-1, ANGLES))
        return self.pieces[chosen].reshape(*latent.shape[:-1], ANGLES + 1, ANGLES)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 63"]:
        """Draws of the mixture itself (the sum, not the maximum)."""
        chosen = torch.multinomial(
            self.weights.to(generator.device), count, replacement=True, generator=generator
        )
        chosen = chosen.to(self.means.device)
        noise = torch.randn(count, ANGLES, 1, generator=generator, device=generator.device).to(
            self.means
        )
        return (
            self.means[chosen]
            + torch.linalg.solve_triangular(self.whitening[chosen], noise, upper=False)[..., 0]
        )

    def _best(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """The whitened difference from the best component [rows, 63] and which one that is [rows].

        All components at once: one product with their whitenings side by side.
        """
        matrix, shift = self._side_by_side
        whitened = (
            shared_matmul(latent, matrix)[:, : shift.numel()].unflatten(-1, (-1, ANGLES)) - shift
        )
        chosen = (whitened.square().sum(-1) + self.offset).argmin(-1)
        return whitened.take_along_dim(chosen[:, None, None], 1)[:, 0], chosen

    @cached_property
    def _side_by_side(self) -> tuple[Tensor, Tensor]:
        """All whitenings as one matrix [63, k 63], of a width that multiplies quickly, and the
        whitened means.
        """
        matrix = self.whitening.flatten(0, 1).mT
        matrix = torch.nn.functional.pad(matrix, (0, -matrix.shape[1] % COLUMNS))
        return matrix, (self.whitening * self.means[:, None]).sum(-1)

    @cached_property
    def pieces(self) -> Float[Tensor, "k 64 63"]:
        """Each component's whitening; zeros for the offset."""
        return torch.nn.functional.pad(self.whitening, (0, 0, 0, 1))
