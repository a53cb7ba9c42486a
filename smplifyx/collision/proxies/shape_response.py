"""How spheres follow the surface around them when the shape changes: linear in it, by least
squares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.spatial import KDTree

from .surface import SurfacePoints, neighbours

REACH = 0.03  # metres from a sphere within which the surface counts
BAND = 1.3  # tolerances over which its weight falls
RIDGE = 0.05  # how much a sphere would rather move with its surface on average
NUMBERS = 1_000_000  # held at a time ...
_NEAR = 500  # ... for spheres with so many points near


@dataclass(frozen=True, eq=False)
class Skin:
    """Points of the surface with what spheres must know of them, for n shape directions."""

    surface: SurfacePoints
    moved: Float[NDArray, "p 3 n"]  # metres per unit of each shape direction
    tolerance: Float[NDArray, " p"]  # metres within which spheres should come near
    worth: Float[NDArray, " p"]  # how much each counts

    def thinned(self, step: int, directions: int) -> Skin:
        """Every so manyth point, the first so many shape directions."""
        return Skin(
            surface=self.surface[::step],
            moved=self.moved[::step, :, :directions],
            tolerance=self.tolerance[::step],
            worth=self.worth[::step],
        )


@dataclass(frozen=True, eq=False)
class _Neighbourhood:
    """The pairs of s spheres and the points near them, sorted by sphere; every sphere has some."""

    sphere: Int[NDArray, " n"]
    point: Int[NDArray, " n"]
    start: Int[NDArray, " s"]  # where each sphere's pairs begin
    normal: Float[NDArray, "n 3"]  # from the sphere's centre to the point
    gap: Float[NDArray, " n"]  # metres from the sphere to the point, negative inside
    weight: Float[NDArray, " n"]

    def sums(self, values: Float[NDArray, "n ..."]) -> Float[NDArray, "s ..."]:
        """Over the points of each sphere."""
        return np.add.reduceat(values, self.start, axis=0)


def slopes(
    centers: Float[NDArray, "s 3"], radii: Float[NDArray, " s"], skin: Skin
) -> Float[NDArray, "s 4 n"]:
    """The change of each sphere's centre and radius per unit of each shape direction."""
    found = [np.empty((0, 4, skin.moved.shape[-1]))]
    for near in _neighbourhoods(centers, radii, skin):
        response, _ = _fitted(near, skin)
        found.append(response)
    return np.concatenate(found)


def protrusion(
    centers: Float[NDArray, "s 3"], radii: Float[NDArray, " s"], skin: Skin, deviations: float
) -> Float[NDArray, " s"]:
    """How far, in metres, each sphere stands out of the surface at worst for a shape so many
    `deviations` from the mean.

    Negative where the surface stays away. To first order.
    """
    found = [np.empty(0)]
    for near in _neighbourhoods(centers, radii, skin):
        _, missed = _fitted(near, skin)
        farthest = deviations * np.linalg.norm(missed, axis=1)  # over all shapes so far away
        found.append(np.maximum.reduceat(farthest - near.gap, near.start))
    return np.concatenate(found)


def shares(
    centers: Float[NDArray, "s 3"],
    radii: Float[NDArray, " s"],
    skin: Skin,
    weights: Float[NDArray, "p j"],
) -> Float[NDArray, "s j"]:
    """How much each joint carries the surface that each sphere touches; a sphere's sum to 1."""
    found = [np.empty((0, weights.shape[1]))]
    for near in _neighbourhoods(centers, radii, skin):
        sums = near.sums(near.weight[:, None] * weights[near.point])
        found.append(sums / sums.sum(1, keepdims=True))
    return np.concatenate(found)


def _neighbourhoods(
    centers: Float[NDArray, "s 3"], radii: Float[NDArray, " s"], skin: Skin
) -> Iterator[_Neighbourhood]:
    """The spheres with the points near them, a few spheres at a time: what memory holds."""
    if not len(centers):
        return
    tree = KDTree(skin.surface.points)
    # the nearest point is always near, however far: every sphere has one
    nearest = tree.query(centers)[0] * (1 + 1e-9)
    sphere, point = neighbours(tree, centers, np.maximum(radii + REACH, nearest))
    numbers_of_sphere = _NEAR * (10 + 3 * skin.moved.shape[-1])
    together = max(1, NUMBERS // numbers_of_sphere)
    for first in range(0, len(centers), together):
        start, stop = np.searchsorted(sphere, [first, first + together])
        yield _neighbourhood(centers, radii, skin, sphere[start:stop], point[start:stop])


def _neighbourhood(
    centers: Float[NDArray, "s 3"],
    radii: Float[NDArray, " s"],
    skin: Skin,
    sphere: Int[NDArray, " n"],
    point: Int[NDArray, " n"],
) -> _Neighbourhood:
    """Of sorted pairs of consecutive spheres and points; the spheres are numbered from 0 again."""
    offset = skin.surface.points[point] - centers[sphere]
    distance = np.linalg.norm(offset, axis=1)
    gap = distance - radii[sphere]
    gap_in_bands = gap.clip(0) / (BAND * skin.tolerance[point])
    weight = np.exp(-(gap_in_bands**2)) * skin.worth[point]
    return _Neighbourhood(
        sphere=sphere - sphere[0],
        point=point,
        start=np.flatnonzero(np.diff(sphere, prepend=-1)),
        normal=offset / distance[:, None].clip(1e-9),
        gap=gap,
        weight=weight.clip(1e-30),  # a sphere's weights never sum to 0
    )


def _fitted(
    near: _Neighbourhood, skin: Skin
) -> tuple[Float[NDArray, "s 4 n"], Float[NDArray, "p n"]]:
    """The slopes of centre and radius, and how far the surface then gets off, per unit, at each
    point.

    A sphere stays in touch with a point that moves by m, seen along the normal, if normal . (m -
    centre's motion) is what its radius grows. What the touching points do not determine goes with
    their mean.
    """
    moved = skin.moved[near.point]  # [pairs, 3, n]
    total = near.sums(near.weight)
    mean = near.sums(near.weight[:, None, None] * moved) / total[:, None, None]
    # Unknown are the centre's motion beyond the mean, and the radius: 4 of each sphere. Each of its
    # points is one equation, `equations @ unknowns = wanted`, solved by weighted least squares.
    wanted = np.einsum("pi,pin->pn", near.normal, moved - mean[near.sphere])
    equations = np.concatenate([near.normal, np.ones((len(near.normal), 1))], 1)
    weighted = near.weight[:, None] * equations
    ridge = RIDGE * total[:, None, None] * np.eye(4)
    gram = near.sums(weighted[:, :, None] * equations[:, None, :]) + ridge
    right = near.sums(weighted[:, :, None] * wanted[:, None, :])
    response = np.linalg.solve(gram, right)  # [s, 4, n]
    missed = wanted - np.einsum("pi,pin->pn", equations, response[near.sphere])
    response[:, :3] += mean
    return response, missed
