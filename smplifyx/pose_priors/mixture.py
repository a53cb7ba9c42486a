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
from .arrays import PriorFileError, read_npz
from .contract import Linearity
from .joint_angles import ANGLES, JointAngles


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
        identity = torch.eye(ANGLES, dtype=torch.float64, device=factor.device)
        whitening = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
        shares = weights.double() / weights.double().sum()
        # log(w_k sqrt det precision_k): how high each component's density is at its mean
        log_height = shares.log() - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        # less the smallest, so that none is negative: a residual is its root
        offset = 2 * (log_height.max() - log_height)
        return cls(
            means=means,
            whitening=whitening.to(means.dtype),
            weights=shares.to(means.dtype),
            offset=offset.to(means.dtype),
        )

    @classmethod
    def load(cls, path: Path) -> MixturePrior:
        """From a file with `means` [k, 63], `covariances` [k, 63, 63], `weights` [k] and `floor`
        [63] (radians); float32.

        The covariances used are covariances + diag(floor^2): the floor frees what the mocap held
        still. Raises PriorFileError naming the file and the key where something is missing,
        misshapen or not finite.
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
            mixture = cls.from_moments(arrays["means"], covariances, arrays["weights"])
        except ValueError as error:
            raise PriorFileError(f"{path}: {error}") from error
        return mixture.to(dtype=torch.float32)

    @property
    def linearity(self) -> Linearity:
        """Affine where one component is the best."""
        return Linearity.PIECEWISE

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> MixturePrior:
        """A copy on `device` as `dtype`."""
        return MixturePrior(
            means=self.means.to(device=device, dtype=dtype),
            whitening=self.whitening.to(device=device, dtype=dtype),
            weights=self.weights.to(device=device, dtype=dtype),
            offset=self.offset.to(device=device, dtype=dtype),
        )

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
        residual, _ = self.residual_in_piece(latent.reshape(-1, ANGLES))
        return residual.reshape(*latent.shape[:-1], ANGLES + 1)

    def residual_in_piece(
        self, latent: Float[Tensor, "batch 63"]
    ) -> tuple[Float[Tensor, "batch 64"], Int[Tensor, " batch"]]:
        """The residual, and the best component of each latent."""
        whitened, best = self._best(latent)
        root_of_offset = self.offset[best].sqrt()[:, None]
        return torch.cat([whitened, root_of_offset], -1), best

    @cached_property
    def pieces(self) -> Float[Tensor, "k 64 63"]:
        """Each component's whitening; zeros for the offset."""
        return torch.nn.functional.pad(self.whitening, (0, 0, 0, 1))

    def jacobian(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 64 63"]:
        """The best component's whitening; zeros for the offset."""
        _, best = self._best(latent.reshape(-1, ANGLES))
        return self.pieces[best].reshape(*latent.shape[:-1], ANGLES + 1, ANGLES)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 63"]:
        """Draws of the mixture itself (the sum, not the maximum)."""
        weights = self.weights.to(generator.device)
        # drawn where the generator is, used where the prior is
        component = torch.multinomial(weights, count, replacement=True, generator=generator)
        component = component.to(self.means.device)
        noise = torch.randn(count, ANGLES, 1, generator=generator, device=generator.device)
        # W difference = noise
        difference = torch.linalg.solve_triangular(
            self.whitening[component], noise.to(self.means), upper=False
        )
        return self.means[component] + difference[..., 0]

    def _best(
        self, latent: Float[Tensor, "batch 63"]
    ) -> tuple[Float[Tensor, "batch 63"], Int[Tensor, " batch"]]:
        """The whitened difference from the best component's mean, and which component that is.

        All components at once: one product with their whitenings side by side.
        """
        # W (latent - mean) as W latent - W mean: the mean's part is the same for all latents
        matrix, whitened_means = self._side_by_side
        product = shared_matmul(latent, matrix)[:, : whitened_means.numel()]  # without the padding
        whitened = product.unflatten(-1, (-1, ANGLES)) - whitened_means  # [batch, k, 63]
        best = (whitened.square().sum(-1) + self.offset).argmin(-1)
        return whitened.take_along_dim(best[:, None, None], 1)[:, 0], best

    @cached_property
    def _side_by_side(self) -> tuple[Float[Tensor, "63 columns"], Float[Tensor, "k 63"]]:
        """All whitenings as one matrix, padded to a width that multiplies quickly, and the whitened
        means.
        """
        matrix = self.whitening.flatten(0, 1).mT
        matrix = torch.nn.functional.pad(matrix, (0, -matrix.shape[1] % COLUMNS))
        whitened_means = (self.whitening * self.means[:, None]).sum(-1)
        return matrix, whitened_means
