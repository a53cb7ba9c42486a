"""One Gaussian over the axis-angles of the 21 body joints: the simplest prior that knows how joints
move together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .joint_angles import JointAngles

ROWS = 63  # 21 joints x 3


@dataclass(frozen=True, eq=False)
class GaussianPrior(JointAngles):
    """N(center, covariance) of the flattened body pose, which is its own latent (63 numbers,
    radians).

    `whitening` W [rows, 63] gives the residual W (pose - center); W^T W is the precision. Fewer
    rows than 63 where the prior was restricted to some joints: the others are free.
    """

    center: Float[Tensor, " 63"]
    whitening: Float[Tensor, "rows 63"]

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
        kept = torch.tensor(
            [3 * j + k for j in (range(ROWS // 3) if joints is None else joints) for k in range(3)]
        )
        factor, failed = torch.linalg.cholesky_ex(covariance.double()[kept][:, kept])
        if failed:
            raise ValueError("pose prior: the covariance is not positive definite")
        whitening = torch.zeros(len(kept), ROWS, dtype=torch.float64)
        unit = torch.eye(len(kept), dtype=torch.float64)
        whitening[:, kept] = torch.linalg.solve_triangular(factor, unit, upper=False)
        return cls(mean, whitening.to(mean.dtype))

    @classmethod
    def load(
        cls, path: Path, joints: Sequence[int] | None = None, floor_scale: float = 1.0
    ) -> GaussianPrior:
        """From a file with `mean` [63], `covariance` [63, 63] and `floor` [63] (radians), float32.

        The covariance used is covariance + diag((floor_scale * floor)^2): the floor frees what the
        mocap held still. Raises ValueError naming the file and the key where something is missing
        or misshapen.
        """
        arrays = _read(path, {"mean": (ROWS,), "covariance": (ROWS, ROWS), "floor": (ROWS,)})
        covariance = arrays["covariance"] + torch.diag((floor_scale * arrays["floor"]) ** 2)
        return cls.from_moments(arrays["mean"].float(), covariance, joints)

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

    def residual(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch rows"]:
        """Whitened difference from the mean; the square sum is exactly -2 log density up to a
        constant.
        """
        # a product and sum, not a matmul: the answer of a row must not depend on the batch it is in
        return ((latent - self.center)[..., None, :] * self.whitening).sum(-1)

    def jacobian(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch rows 63"]:
        """The whitening, the same for every latent."""
        return self.whitening.expand(*latent.shape[:-1], *self.whitening.shape)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 63"]:
        """Poses drawn from the Gaussian; angles that the prior leaves free stay at the mean."""
        noise = torch.randn(count, len(self.whitening), generator=generator).to(self.whitening)
        return self.center + noise @ torch.linalg.pinv(self.whitening).T


def _read(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in shapes if key in file.files}
    for key, shape in shapes.items():
        if key not in arrays:
            raise ValueError(f"{path.name}: key {key!r} is missing")
        if arrays[key].shape != shape:
            raise ValueError(
                f"{path.name}: {key} has shape {list(arrays[key].shape)}, expected {list(shape)}"
            )
    return {key: torch.as_tensor(value, dtype=torch.float64) for key, value in arrays.items()}
