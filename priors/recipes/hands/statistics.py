"""A Gaussian over finger angles from several sources, its components ordered by how far they move
the fingers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from .poses import finger_positions

STEP = 1e-3  # radians
LEAST_LEVER = 0.2  # of the median: turning a finger about itself must count for something
NOISE_MM = 3.0  # a pose whose fit is off by this counts half


@dataclass(frozen=True)
class Sample:
    """Poses [n, 45] with weights [n]."""

    pose: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, pose: np.ndarray, error: np.ndarray | None = None) -> Sample:
        """Weights by the error of the fit in mm, sum 1."""
        weight = np.ones(len(pose)) if error is None else 1 / (1 + (error / NOISE_MM) ** 2)
        return cls(pose, weight / weight.sum())

    def __getitem__(self, rows: np.ndarray) -> Sample:
        return Sample(self.pose[rows], self.weight[rows] / self.weight[rows].sum())


@dataclass(frozen=True)
class HandPca:
    """pose = mean + coefficients @ components; `sds` [n] of the coefficients, `scale` [45] the
    metric (see `levers`).

    Components [n, 45] have unit length in radians; they are perpendicular to each other in the
    metric.
    """

    mean: np.ndarray
    components: np.ndarray
    sds: np.ndarray
    scale: np.ndarray
    explained: np.ndarray  # [n] cumulative share of the variance in the metric

    def project(self, pose: np.ndarray, count: int) -> np.ndarray:
        """The nearest poses [n, 45] that the first `count` components can make."""
        basis = self.components[:count] * self.scale
        basis = basis / np.linalg.norm(basis, axis=1, keepdims=True)
        return self.mean + (((pose - self.mean) * self.scale) @ basis.T @ basis) / self.scale


def levers(pose: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """How far each of the 45 angles moves the finger points (root mean square over `pose`),
    relative to the median.
    """
    before = finger_positions(pose, rest)
    moved = [finger_positions(pose + STEP * unit, rest) - before for unit in np.eye(45)]
    lever = np.sqrt([(move**2).sum((1, 2)).mean() for move in moved])
    return np.maximum(lever / np.median(lever), LEAST_LEVER)


def mix(parts: Sequence[tuple[Sample, float]]) -> Sample:
    """Several samples as one, each with its share of the weight."""
    total = sum(share for _, share in parts)
    return Sample(
        np.concatenate([sample.pose for sample, _ in parts]),
        np.concatenate([sample.weight * share / total for sample, share in parts]),
    )


def hand_pca(sample: Sample, scale: np.ndarray) -> HandPca:
    """All 45 components, the strongest first; signs such that a positive coefficient curls the
    fingers.
    """
    mean = sample.weight @ sample.pose
    offset = (sample.pose - mean) * scale
    values, vectors = np.linalg.eigh((sample.weight[:, None] * offset).T @ offset)
    values, rows = values[::-1].clip(0), vectors.T[::-1] / scale
    length = np.linalg.norm(rows, axis=1)
    curls = -rows.reshape(45, 15, 3)[:, :12, 2].sum(1)
    components = rows / length[:, None] * np.where(curls < 0, -1, 1)[:, None]
    return HandPca(
        mean, components, np.sqrt(values) * length, scale, np.cumsum(values) / values.sum()
    )


def reconstruction_mm(pca: HandPca, pose: np.ndarray, count: int, rest: np.ndarray) -> float:
    """Mean distance of the finger points of `pose` from those of its nearest pose among `count`
    components.
    """
    off = finger_positions(pca.project(pose, count), rest) - finger_positions(pose, rest)
    return float(np.linalg.norm(off, axis=-1).mean())


def reconstruction_degrees(pca: HandPca, pose: np.ndarray, count: int, rest: np.ndarray) -> float:
    """Mean angle between the joints' turns of `pose` and those of its nearest pose among `count`
    components.
    """
    del rest  # as `reconstruction_mm` is called
    found = Rotation.from_rotvec(pca.project(pose, count).reshape(-1, 3))
    true = Rotation.from_rotvec(pose.reshape(-1, 3))
    return float(np.degrees((found.inv() * true).magnitude()).mean())
