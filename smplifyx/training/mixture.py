"""A Gaussian mixture over body poses, by scikit-learn's expectation maximisation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from torch import Tensor

from ..core import rotations
from ..pose_priors.arrays import Shape, read_npz
from ..pose_priors.joint_angles import ANGLES
from .contract import Description, History, Material, PoseSet
from .export import export_npz
from .fill import Fill, FillSettings
from .floors import explain_floors, standard_floor


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
    diag(floor^2)). A `Product`.
    """

    means: Float[NDArray, "components 63"]
    covariances: Float[NDArray, "components 63 63"]
    weights: Float[NDArray, " components"]
    floor: Float[NDArray, " 63"]

    settings: MixtureSettings

    def log_density(self, angles: Float[NDArray, "poses 63"]) -> Float[NDArray, " poses"]:
        """Log density per pose (nats), the floor included."""
        floor = np.diag(self.floor**2)
        components = zip(self.weights, self.means, self.covariances, strict=True)
        parts = [
            np.log(weight) + multivariate_normal(mean, covariance + floor).logpdf(angles)
            for weight, mean, covariance in components
        ]
        return np.asarray(logsumexp(np.stack(parts), axis=0))

    def joined(self, other: Mixture) -> Mixture:
        """Both mixtures as one, each with half of the weight; the settings are this one's.

        Raises ValueError where their floors differ.
        """
        if not np.allclose(self.floor, other.floor, atol=1e-6):
            raise ValueError("the mixtures keep different shares of the floors: one file has one")
        return replace(
            self,
            means=np.concatenate([self.means, other.means]),
            covariances=np.concatenate([self.covariances, other.covariances]),
            weights=np.concatenate([self.weights / 2, other.weights / 2]),
        )

    def validate(self, poses: Float[Tensor, "poses 21 3 3"]) -> dict[str, float]:
        """Log density in nats per pose: the mean and the fifth percentile."""
        angles = rotations.log(poses).flatten(1)
        density = self.log_density(angles.double().cpu().numpy())
        return {
            "log_density_mean": float(density.mean()),
            "log_density_p5": float(np.percentile(density, 5)),
        }

    def export(self, out: Path, history: History) -> Path:
        """As `.npz`: means, covariances, weights, floor (float32) and the names of the joints."""
        arrays = {
            "means": self.means,
            "covariances": self.covariances,
            "weights": self.weights,
            "floor": self.floor,
        }
        return export_npz(out, arrays)

    def describe(self) -> Description:
        """For the card."""
        return Description(
            what="Gaussian mixture over the axis-angles (radians) of the 21 SMPL-X body joints; "
            "axes x left, y up, z forward",
            fields={
                "means": "[k, 63]",
                "covariances": "[k, 63, 63] of the poses, nearly singular: add diag(floor^2)",
                "weights": "[k], sum 1",
                "floor": "[63] standard deviations to add in quadrature",
                "joints": "[21] names, three numbers of the other arrays each",
            },
            settings={**asdict(self.settings), "floors": explain_floors()},
        )


def read_mixture(path: Path) -> Mixture:
    """A mixture that was exported; its settings are not in the file. Raises PriorFileError."""
    shapes: dict[str, Shape] = {
        "means": (None, ANGLES),
        "covariances": (None, ANGLES, ANGLES),
        "weights": (None,),
        "floor": (ANGLES,),
    }
    arrays = {name: array.numpy() for name, array in read_npz(path, shapes).items()}
    return Mixture(
        means=arrays["means"],
        covariances=arrays["covariances"],
        weights=arrays["weights"] / arrays["weights"].sum(),
        floor=arrays["floor"],
        settings=MixtureSettings(components=len(arrays["weights"])),
    )


def fit_mixture(material: Material, fill: FillSettings, settings: MixtureSettings) -> Mixture:
    """EM sees poses widened by the floors; the moments are then taken of the same poses without
    that noise.

    So the floor lies apart from the covariances and may be scaled. Raises ImportError where
    scikit-learn is missing.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    move = Fill.of(material.training, material.rest_joints, fill.without_noise())
    poses = move(material.training.draw(settings.draws, generator), generator)
    angles = angles_about(poses, _mean_rotation(material.training)).flatten(1)
    clean = angles.double().numpy()

    floor = standard_floor()
    noisy = clean + floor * torch.randn(clean.shape, generator=generator).numpy()
    responsibilities = _responsibilities(noisy, settings)
    return _from_moments(clean, responsibilities, settings.kept * floor, settings)


def angles_about(
    poses: Float[Tensor, "*batch 21 3 3"], mean: Float[Tensor, "21 3"]
) -> Float[Tensor, "*batch 21 3"]:
    """Axis-angles (radians), of the two that mean a rotation the one nearest to `mean`: no jump at
    half a turn.
    """
    angles = rotations.log(poses)
    length = angles.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    other = angles - 2 * torch.pi * angles / length  # the same rotation, the long way round
    distance = (angles - mean).norm(dim=-1, keepdim=True)
    other_distance = (other - mean).norm(dim=-1, keepdim=True)
    return torch.where(other_distance < distance, other, angles)


def _mean_rotation(poses: PoseSet) -> Float[Tensor, "21 3"]:
    """The weighted chordal mean of each joint's rotation, as axis-angle."""
    average = (poses.rotations * poses.weights[:, None, None, None]).sum(0).double()
    # the rotation nearest to the average of the matrices is the one nearest to all of them
    mean = roma.special_procrustes(average)
    assert isinstance(mean, Tensor)  # a tuple only where singular values are asked for
    return rotations.log(mean).float()


def _responsibilities(
    angles: Float[NDArray, "poses 63"], settings: MixtureSettings
) -> Float[NDArray, "poses components"]:
    """By how much each component of the likeliest mixture accounts for each pose."""
    # here: the extra [train]; reading a mixture does not need it
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(
        settings.components,
        n_init=settings.starts,
        max_iter=settings.iterations,
        random_state=settings.seed,
    )
    return model.fit(angles).predict_proba(angles)


def _from_moments(
    angles: Float[NDArray, "poses 63"],
    responsibilities: Float[NDArray, "poses components"],
    floor: Float[NDArray, " 63"],
    settings: MixtureSettings,
) -> Mixture:
    """Each component with the moments of the poses that it accounts for, the heaviest first."""
    mass = responsibilities.sum(0)
    order = np.argsort(-mass)
    shares = responsibilities[:, order] / mass[order]  # each component's sum to 1 over the poses
    own = np.stack([np.cov(angles.T, aweights=share, ddof=0) for share in shares.T])
    # shrunk towards the covariance of all poses: a component of few poses knows too little
    everybodys = np.cov(angles.T, ddof=0)
    return Mixture(
        means=shares.T @ angles,
        covariances=(1 - settings.shrink) * own + settings.shrink * everybodys,
        weights=responsibilities.mean(0)[order],
        floor=floor,
        settings=settings,
    )
