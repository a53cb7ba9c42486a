"""Synthetic hand poses: curl, spread and thumb opposition drawn from natural ranges, and their
components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from .skeleton import SPLAY
from .tables import JOINT

FINGERS = ("index", "middle", "pinky", "ring", "thumb")  # SMPL-X order
MIRROR = np.tile([1.0, -1.0, -1.0], 15)
SPREAD = {"index": 1.0, "middle": 0.1, "ring": -0.5, "pinky": -1.0}
RELAXED = {"index": 18.0, "middle": 24.0, "ring": 28.0, "pinky": 30.0}  # knuckle flexion in degrees


@dataclass(frozen=True)
class HandModel:
    """Left-hand components [45, 45] (rows), mean [45], training coefficients [n, 45]; the right
    hand mirrors them.
    """

    components: np.ndarray
    mean: np.ndarray
    coefficients: np.ndarray
    explained: np.ndarray


def flexion_axis(joints: np.ndarray) -> np.ndarray:
    """Axis about which the left thumb's two outer joints bend, unit [3], for T-pose joints [55, 3]."""
    a, b, c = (joints[JOINT[f"left_thumb{i}"]] for i in (1, 2, 3))
    along = (c - a) / np.linalg.norm(c - a)
    palm = np.array([0.0, -1.0, 0.0])
    towards = palm - (palm @ along) * along + np.array([0.0, 0.0, -1.1])
    axis = np.cross(along, towards)
    return axis / np.linalg.norm(axis)


def finger_pose(curl: np.ndarray, spread: np.ndarray, finger: str) -> np.ndarray:
    """Axis-angle [n, 3, 3] of a left finger: curl [n, 3] and spread [n] in radians."""
    # a little more than the finger's own: curled fingers converge
    splay = np.radians(1.25 * SPLAY[finger])
    out = curl[..., None] * np.array([np.sin(splay), 0.0, -np.cos(splay)])
    knuckle = Rotation.from_rotvec(np.stack([0 * spread, -spread * SPREAD[finger], 0 * spread], 1))
    out[:, 0] = (knuckle * Rotation.from_rotvec(out[:, 0])).as_rotvec()
    return out


def thumb_pose(
    flex: np.ndarray, opposition: np.ndarray, abduction: np.ndarray, axis: np.ndarray
) -> np.ndarray:
    """Axis-angle [n, 3, 3] of the left thumb: flex [n, 2] outside; opposition, abduction [n] at its
    root.
    """
    out = np.zeros((len(flex), 3, 3))
    out[:, 1:] = flex[..., None] * axis
    roll = Rotation.from_rotvec(opposition[:, None] * np.array([1.0, 0.0, 0.0]))
    side = Rotation.from_rotvec(abduction[:, None] * np.array([0.0, -1.0, 0.0]))
    out[:, 0] = (roll * side).as_rotvec()
    return out


def _curls(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Flexion [n, 3] per finger in radians: a common fist, a gradient across fingers and each
    finger's own will.
    """
    fist, slope = rng.beta(1.1, 1.6, count), rng.normal(0, 0.15, count)
    own = rng.random((count, 4)) < 0.35
    out = {}
    for i, finger in enumerate(("index", "middle", "ring", "pinky")):
        amount = fist + slope * (i - 1.5) + rng.normal(0, 0.06, count)
        amount = np.clip(np.where(own[:, i], rng.random(count), amount), -0.08, 1)
        ratio = rng.normal(1, 0.12, (count, 3)) * np.radians([82, 98, 62])
        out[finger] = amount[:, None] * ratio
    return out


def sample_hands(count: int, axis: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Left-hand poses [count, 45] in SMPL-X joint order."""
    curl, spread = _curls(count, rng), rng.normal(0.02, 0.13, count)
    pose = {
        finger: finger_pose(curl[finger], spread + rng.normal(0, 0.03, count), finger)
        for finger in curl
    }
    closed = np.clip(curl["index"][:, 0] / np.radians(80), 0, 1)
    flex = np.clip(
        rng.normal(0.25 + 0.4 * closed, 0.25)[:, None] + rng.normal(0, 0.12, (count, 2)), -0.15, 1.2
    )
    opposition = np.clip(rng.normal(0.15 + 0.35 * closed, 0.25), -0.25, 0.9)
    pose["thumb"] = thumb_pose(flex, opposition, rng.normal(0.0, 0.15, count), axis)
    return np.concatenate([pose[finger] for finger in FINGERS], 1).reshape(count, 45)


def relaxed(axis: np.ndarray) -> np.ndarray:
    """The relaxed left hand [45]."""
    pose = {}
    for finger, degrees in RELAXED.items():
        curl = np.radians([[degrees, degrees * 1.1, degrees * 0.6]])
        pose[finger] = finger_pose(curl, np.zeros(1), finger)
    pose["thumb"] = thumb_pose(np.array([[0.2, 0.25]]), np.array([0.2]), np.zeros(1), axis)
    return np.concatenate([pose[finger][0] for finger in FINGERS]).reshape(45)


def hand_model(axis: np.ndarray, count: int, rng: np.random.Generator) -> HandModel:
    """Components of synthetic left-hand poses about the relaxed hand; component 0 > 0 curls the
    fingers.
    """
    mean = relaxed(axis)
    samples = sample_hands(4000, axis, rng) - mean
    values, vectors = np.linalg.eigh(samples.T @ samples / len(samples))
    components = vectors[:, ::-1].T
    curls = -components.reshape(45, 15, 3)[:, :12, 2].sum(1)
    components = components * np.where(curls < 0, -1, 1)[:, None]
    explained = np.cumsum(values[::-1]) / values.sum()
    return HandModel(components, mean, (samples @ components.T)[:count], explained)
