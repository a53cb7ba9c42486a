"""Linear models of samples: principal components with unit-variance coefficients, and the joint
regressor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from .tables import JOINT, JOINTS, other_side

RIDGE, STILL = 2e-3, 5.0  # pull to small weights; how much a joint moved by an expression counts


@dataclass(frozen=True)
class Linear:
    """mean [V, 3] + directions [V, 3, n] times coefficients of unit variance."""

    mean: np.ndarray
    directions: np.ndarray
    explained: np.ndarray  # [n] cumulative share of the (weighted) variance

    def fit(self, samples: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Least-squares coefficients [S, n] of vertices [S, V, 3] under vertex weights [V]."""
        root = np.sqrt(weights)[:, None]
        basis = (self.directions * root[..., None]).reshape(-1, self.directions.shape[-1])
        flat = ((samples - self.mean) * root).reshape(len(samples), -1)
        return np.linalg.lstsq(basis, flat.T, rcond=None)[0].T

    def __call__(self, coefficients: np.ndarray) -> np.ndarray:
        """Vertices [S, V, 3] of coefficients [S, n]."""
        return self.mean + np.einsum("vcn,sn->svc", self.directions, coefficients, optimize=True)


def principal(samples: np.ndarray, weights: np.ndarray, count: int) -> Linear:
    """The `count` strongest components of vertices [S, V, 3] under vertex weights [V], by the small
    Gram matrix.
    """
    mean = samples.mean(0)
    offset = (samples - mean).reshape(len(samples), -1)
    root = np.repeat(np.sqrt(weights / weights.sum()), 3)
    weighted = offset * root
    values, vectors = np.linalg.eigh(weighted @ weighted.T / len(samples))
    values, vectors = values[::-1], vectors[:, ::-1]
    directions = (offset.T @ vectors[:, :count]) / np.sqrt(len(samples))
    explained = np.cumsum(values[:count]) / values.sum()
    return Linear(mean, directions.reshape(-1, 3, count), explained)


def orient(model: Linear, top: int, bottom: int, outward: np.ndarray) -> Linear:
    """Fix signs: component 0 makes bodies taller, the others bigger (outward [V, 3] = normal times
    area).
    """
    sign = np.sign(np.einsum("vc,vcn->n", outward, model.directions))
    sign[0] = np.sign(model.directions[top, 1, 0] - model.directions[bottom, 1, 0])
    return Linear(model.mean, model.directions * sign, model.explained)


def joint_regressor(vertices: np.ndarray, joints: np.ndarray, rings: np.ndarray, faces: np.ndarray,
                    mirror: np.ndarray) -> np.ndarray:  # fmt: skip
    """Non-negative weights [55, V], rows sum to 1, from skin to joints, fitted on samples [S, V,
    3], [S, 55, 3].

    Each joint looks only at the skin that already carries its ring (`rings` [55, V]). `faces` [E,
    V, 3] are expression directions: they must not move any joint.
    """
    out = np.zeros_like(rings)
    for j, name in enumerate(JOINTS):
        if name.startswith("right_"):
            continue
        chosen = np.flatnonzero(rings[j] > 0)
        if name == other_side(name):
            chosen = np.union1d(chosen, mirror[chosen])
        out[j, chosen] = _solve(vertices[:, chosen], joints[:, j], faces[:, chosen])
        if name == other_side(name):
            out[j] = 0.5 * (out[j] + out[j, mirror])
        else:
            out[JOINT[other_side(name)]] = out[j, mirror]
    return out


def _solve(skin: np.ndarray, joint: np.ndarray, faces: np.ndarray) -> np.ndarray:
    offset = (skin - joint[:, None]).transpose(0, 2, 1).reshape(-1, skin.shape[1])
    still = faces.transpose(0, 2, 1).reshape(-1, skin.shape[1])
    count = skin.shape[1]
    rows = np.concatenate([offset, STILL * still, RIDGE * np.eye(count), np.full((1, count), 1e3)])
    target = np.concatenate([np.zeros(len(rows) - 1), [1e3]])
    # same least squares, far fewer rows
    small = np.linalg.qr(np.column_stack([rows, target]), mode="r")
    weights = nnls(small[:, :-1], small[:, -1], maxiter=50 * count)[0]
    return weights / weights.sum()
