"""One Gaussian over the axis-angles of the 21 body joints: the simplest prior that knows how joints
move together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from .arrays import PriorFileError, Shape, read_npz
from .contract import Linearity
from .joint_angles import ANGLES, JOINTS, JointAngles


@dataclass(frozen=True, eq=False)
class GaussianPrior(JointAngles):
    """N(center, covariance) of the flattened body pose, which is its own latent (63 numbers,
    radians).

    `whitening` W [residuals, 63] gives the residual W (pose - center); W^T W is the precision.
    Fewer residuals than 63 where the prior was restricted to some joints: the others are free.
    """

    center: Float[Tensor, " 63"]
    whitening: Float[Tensor, "residuals 63"]

    @classmethod
    def from_moments(
        cls,
        mean: Float[Tensor, " 63"],
        covariance: Float[Tensor, "63 63"],
        joints: Sequence[int] | None = None,
    ) -> GaussianPrior:
        """From mean and covariance; `joints` (0..20) keeps the marginal over those joints only.

        Raises ValueError where the covariance is not positive definite.
        """
        bounded_joints = range(JOINTS) if joints is None else joints
        kept = torch.tensor([3 * joint + axis for joint in bounded_joints for axis in range(3)])
        # in double precision, whatever the mean's: a covariance is a square
        factor, failed = torch.linalg.cholesky_ex(covariance.double()[kept][:, kept])
        if failed:
            raise ValueError("pose prior: the covariance is not positive definite")
        # the inverse of the Cholesky factor whitens: W Sigma W^T = 1
        identity = torch.eye(len(kept), dtype=torch.float64)
        whitening = torch.zeros(len(kept), ANGLES, dtype=torch.float64)
        whitening[:, kept] = torch.linalg.solve_triangular(factor, identity, upper=False)
        return cls(mean, whitening.to(mean.dtype))

    @classmethod
    def load(
        cls, path: Path, joints: Sequence[int] | None = None, floor_scale: float = 1.0
    ) -> GaussianPrior:
        """From a file with `mean` [63], `covariance` [63, 63] and `floor` [63] (radians), float32.

        The covariance used is covariance + diag((floor_scale * floor)^2): the floor frees what the
        mocap held still. Raises PriorFileError naming the file and the key where something is
        missing, misshapen or not finite.
        """
        shapes: dict[str, Shape] = {
            "mean": (ANGLES,),
            "covariance": (ANGLES, ANGLES),
            "floor": (ANGLES,),
        }
        arrays = read_npz(path, shapes)
        covariance = arrays["covariance"] + torch.diag((floor_scale * arrays["floor"]) ** 2)
        try:
            return cls.from_moments(arrays["mean"].float(), covariance, joints)
        except ValueError as error:
            raise PriorFileError(f"{path}: {error}") from error

    @property
    def linearity(self) -> Linearity:
        """The residual is affine in the angles."""
        return Linearity.LINEAR

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> GaussianPrior:
        """A copy on `device` as `dtype`."""
        return GaussianPrior(
            self.center.to(device=device, dtype=dtype),
            self.whitening.to(device=device, dtype=dtype),
        )

    def mean(self) -> Float[Tensor, " 63"]:
        """The mean pose, flattened."""
        return self.center

    def residual(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch residuals"]:
        """Whitened difference from the mean; the square sum is exactly -2 log density up to a
        constant.
        """
        difference = latent - self.center
        # a product and sum, not a matmul: the answer of a row must not depend on the batch it is in
        return (difference[..., None, :] * self.whitening).sum(-1)

    def constant_jacobian(self) -> Float[Tensor, "residuals 63"]:
        """The whitening."""
        return self.whitening

    def jacobian(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch residuals 63"]:
        """The whitening for each latent, without a copy for each."""
        return self.whitening.expand(*latent.shape[:-1], *self.whitening.shape)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 63"]:
        """Poses drawn from the Gaussian; angles that the prior leaves free stay at the mean."""
        noise = torch.randn(count, len(self.whitening), generator=generator).to(self.whitening)
        # the pseudo-inverse, since a restricted whitening has fewer lines than columns
        unwhitening = torch.linalg.pinv(self.whitening)
        return self.center + noise @ unwhitening.T
