"""How spheres follow the surface around them when the shape changes: linear in it, by least
squares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .surface import Surface, neighbours

REACH = 0.03  # metres from a sphere within which the surface counts
BAND = 1.3  # tolerances over which its weight falls
RIDGE = 0.05  # how much a sphere would rather move with its surface on average
NUMBERS = 1_000_000  # held at a time, for spheres with 500 points near


@dataclass(frozen=True)
class Skin:
    """Points of the surface with what spheres must know of them.

    How they move with the shape (metres per unit), within how many metres spheres should come near
    them, and how much each counts.
    """

    surface: Surface
    moved: Float[NDArray, "p 3 n"]
    tolerance: Float[NDArray, " p"]
    worth: Float[NDArray, " p"]

    def __getitem__(self, index: tuple[slice, slice]) -> Skin:
        """Some of the points, some of the shape directions."""
        at, directions = index
        return Skin(
            self.surface[at], self.moved[at, :, directions], self.tolerance[at], self.worth[at]
        )


@dataclass(frozen=True)
class _Near:
    """The points near some spheres, by sphere; every sphere has some.

    `start` is where each sphere's points begin.
    """

    sphere: Int[NDArray, " n"]
    point: Int[NDArray, " n"]
    start: Int[NDArray, " s"]
    normal: Float[NDArray, "n 3"]
    gap: Float[NDArray, " n"]
    weight: Float[NDArray, " n"]

    def sums(self, values: Float[NDArray, "n ..."]) -> Float[NDArray, "s ..."]:
        return np.add.reduceat(values, self.start, axis=0)


def slopes(
    centers: Float[NDArray, "s 3"], radii: Float[NDArray, " s"], skin: Skin
) -> Float[NDArray, "s 4 n"]:
    """The change of each sphere's centre and radius per unit of each shape direction."""
    found = [_fitted(near, skin)[0] for near in _chunks(centers, radii, skin)]
    return np.concatenate(found) if found else np.empty((0, 4, skin.moved.shape[-1]))


def protrusion(
    centers: Float[NDArray, "s 3"], radii: Float[NDArray, " s"], skin: Skin, deviations: float
) -> Float[NDArray, " s"]:
    """How far, in metres, each sphere stands out of the surface at worst for a shape so many
    `deviations` from the mean.

    Negative where the surface stays away. To first order.
    """
    found = []
    for near in _chunks(centers, radii, skin):
        off = deviations * np.linalg.norm(_fitted(near, skin)[1], axis=1)
        found.append(np.maximum.reduceat(off - near.gap, near.start))
    return np.concatenate(found) if found else np.empty(0)


def shares(
    centers: Float[NDArray, "s 3"],
    radii: Float[NDArray, " s"],
    skin: Skin,
    weights: Float[NDArray, "p j"],
) -> Float[NDArray, "s j"]:
    """How much each joint carries the surface that each sphere touches; rows sum to 1."""
    found = []
    for near in _chunks(centers, radii, skin):
        sums = near.sums(near.weight[:, None] * weights[near.point])
        found.append(sums / sums.sum(1, keepdims=True))
    return np.concatenate(found) if found else np.empty((0, weights.shape[1]))


def _chunks(centers: NDArray, radii: NDArray, skin: Skin) -> Iterator[_Near]:
    tree, size = (
        cKDTree(skin.surface.points),
        max(1, NUMBERS // (500 * (10 + 3 * skin.moved.shape[-1]))),
    )
    nearest = tree.query(centers)[0] * (1 + 1e-9) if len(centers) else radii
    sphere, point = neighbours(tree, centers, np.maximum(radii + REACH, nearest))
    for first in range(0, len(centers), size):
        start, stop = np.searchsorted(sphere, [first, first + size])
        yield _near(centers, radii, skin, (sphere[start:stop], point[start:stop]))


def _near(centers: NDArray, radii: NDArray, skin: Skin, pairs: tuple[NDArray, NDArray]) -> _Near:
    sphere, point = pairs
    offset = skin.surface.points[point] - centers[sphere]
    distance = np.linalg.norm(offset, axis=1)
    gap = distance - radii[sphere]
    weight = np.exp(-((gap.clip(0) / (BAND * skin.tolerance[point])) ** 2)) * skin.worth[point]
    normal = offset / distance[:, None].clip(1e-9)
    start = np.flatnonzero(np.diff(sphere, prepend=-1))
    return _Near(sphere - sphere[0], point, start, normal, gap, weight.clip(1e-30))


def _fitted(near: _Near, skin: Skin) -> tuple[Float[NDArray, "s 4 n"], Float[NDArray, "p n"]]:
    """The slopes of centre and radius, and how far the surface then gets off, per unit, at each
    point.

    A sphere stays in touch with a point that moves by m, seen along the normal, if normal . (m -
    centre's motion) is what its radius grows. What the touching points do not determine goes with
    their mean.
    """
    moved = skin.moved[near.point]
    total = near.sums(near.weight)
    mean = near.sums(near.weight[:, None, None] * moved) / total[:, None, None]
    wanted = np.einsum("pi,pin->pn", near.normal, moved - mean[near.sphere])
    rows = np.concatenate([near.normal, np.ones((len(near.normal), 1))], 1)
    weighted = near.weight[:, None] * rows
    gram = near.sums(weighted[:, :, None] * rows[:, None, :]) + RIDGE * total[
        :, None, None
    ] * np.eye(4)
    found = np.linalg.solve(gram, near.sums(weighted[:, :, None] * wanted[:, None, :]))
    off = wanted - np.einsum("pi,pin->pn", rows, found[near.sphere])
    found[:, :3] += mean
    return found, off
