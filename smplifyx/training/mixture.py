"""A Gaussian mixture over body poses, by scikit-learn's expectation maximisation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from torch import Tensor

from ..core import rotations
from .contract import Description, History, Material, PoseSet
from .fill import JOINTS, Fill, FillSettings
from .floors import FLOORS, floor_of


@dataclass(frozen=True)
class MixtureSettings:
    """`draws` poses are drawn by their weights for `starts` runs of EM; the likeliest run is kept.

    `shrink` is the share of each covariance that is the whole set's: components of few poses know
    too little. `kept` is the share of the floors that the prior keeps: EM groups the poses better
    with all of them, fits come out nearer the truth with less.
    """

    components: int = 8
    shrink: float = 0.3
    kept: float = 0.7
    draws: int = 40_000
    starts: int = 4
    iterations: int = 200
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Mixture:
    """`covariances` are those of the poses; component k's density is N(means[k], covariances[k] +
    diag(floor^2)).
    """

    means: Float[NDArray, "components 63"]
    covariances: Float[NDArray, "components 63 63"]
    weights: Float[NDArray, " components"]
    floor: Float[NDArray, " 63"]

    settings: MixtureSettings

    def log_density(self, angles: Float[NDArray, "poses 63"]) -> Float[NDArray, " poses"]:
        """Log density per pose (nats), the floor included."""
        parts = [
            np.log(weight)
            + multivariate_normal(mean, covariance + np.diag(self.floor**2)).logpdf(angles)
            for weight, mean, covariance in zip(
                self.weights, self.means, self.covariances, strict=True
            )
        ]
        return logsumexp(np.stack(parts), axis=0)

    def validate(self, rotation: Float[Tensor, "poses 21 3 3"]) -> dict[str, float]:
        """Log density in nats per pose: the mean and the fifth percentile."""
        density = self.log_density(rotations.log(rotation).flatten(1).double().cpu().numpy())
        return {
            "log_density_mean": float(density.mean()),
            "log_density_p5": float(np.percentile(density, 5)),
        }

    def export(self, out: Path, history: History) -> Path:
        """As `.npz`: means, covariances, weights, floor (float32) and the names of the joints."""
        out.parent.mkdir(parents=True, exist_ok=True)
        arrays = {
            "means": self.means,
            "covariances": self.covariances,
            "weights": self.weights,
            "floor": self.floor,
        }
        with open(out, "wb") as file:  # by name, numpy would add an ending of its own
            np.savez_compressed(
                file,
                **{k: v.astype(np.float32) for k, v in arrays.items()},
                joints=np.array(JOINTS),
            )
        return out

    def describe(self) -> Description:
        """For the card."""
        return Description(
            what="Gaussian mixture over the axis-angles (radians) of the 21 SMPL-X body joints; axes x left, y up, "
            "z forward",
            fields={
                "means": "[k, 63]",
                "covariances": "[k, 63, 63] of the poses, nearly singular: add diag(floor^2)",
                "weights": "[k], sum 1",
                "floor": "[63] standard deviations to add in quadrature",
                "joints": "[21] names, three numbers of the other arrays each",
            },
            settings=asdict(self.settings)
            | {"floors": {k: f"{list(v)}: {why}" for k, (v, why) in FLOORS.items()}},
        )


def fit_mixture(material: Material, fill: FillSettings, settings: MixtureSettings) -> Mixture:
    """EM sees poses widened by the floors; the moments are then taken of the same poses without
    that noise.

    So the floor lies beside the covariances and may be scaled.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    move = Fill.of(material.training, material.rest_joints, fill.without_noise())
    mean = _mean_rotation(material.training)
    angles = angles_about(
        move(material.training.draw(settings.draws, generator), generator), mean
    ).flatten(1)
    floor = floor_of({kind: values for kind, (values, _) in FLOORS.items()})
    clean = angles.double().numpy()
    noisy = clean + floor * torch.randn(clean.shape, generator=generator).numpy()
    return _moments(clean, _responsibilities(noisy, settings), settings.kept * floor, settings)


def angles_about(
    poses: Float[Tensor, "*batch 21 3 3"], mean: Float[Tensor, "21 3"]
) -> Float[Tensor, "*batch 21 3"]:
    """Axis-angles, of the two that mean a rotation the one nearest to `mean`: no jump at half a
    turn.
    """
    angles = rotations.log(poses)
    length = angles.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    other = angles - 2 * torch.pi * angles / length
    nearer = (other - mean).norm(dim=-1, keepdim=True) < (angles - mean).norm(dim=-1, keepdim=True)
    return torch.where(nearer, other, angles)


def _mean_rotation(poses: PoseSet) -> Float[Tensor, "21 3"]:
    """The weighted chordal mean of each joint's rotation, as axis-angle."""
    average = (poses.rotations * poses.weights[:, None, None, None]).sum(0).double()
    u, _, vh = torch.linalg.svd(average)
    sign = torch.ones(len(average), 3, dtype=torch.float64)
    sign[:, 2] = torch.linalg.det(u @ vh)
    return rotations.log(u * sign[:, None, :] @ vh).float()


def _responsibilities(angles: NDArray, settings: MixtureSettings) -> NDArray:
    # here: the extra [train]; reading a mixture does not need it
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(
        settings.components,
        n_init=settings.starts,
        max_iter=settings.iterations,
        random_state=settings.seed,
    )
    return model.fit(angles).predict_proba(angles)


def _moments(
    angles: NDArray, shares: NDArray, floor: NDArray, settings: MixtureSettings
) -> Mixture:
    order = np.argsort(-shares.sum(0))  # the heaviest component first
    weights = shares.mean(0)[order]
    shares = shares[:, order] / shares.sum(0)[order]
    covariances = np.stack([np.cov(angles.T, aweights=share, ddof=0) for share in shares.T])
    covariances = (1 - settings.shrink) * covariances + settings.shrink * np.cov(angles.T, ddof=0)
    return Mixture(shares.T @ angles, covariances, weights, floor, settings)
