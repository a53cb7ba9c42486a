"""Spheres inside a surface that touch it, and a few of them whose union comes near all of it.

Sources: Ma, Bae, Choi 2012, "3D medial axis point approximation using nearest neighbors and the
normal field" (the shrinking sphere); Nemhauser, Wolsey, Fisher 1978 and Minoux 1978 (greedy choice
for a submodular worth, evaluated late).
"""

from __future__ import annotations

import heapq

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .shape_response import Skin
from .surface import Surface, neighbours

LARGEST = 0.2  # metres, the radius from which spheres shrink
SHRINKS = 30  # spheres still too large after so many steps are dropped
CAP = 2.0  # tolerances: a surface farther from a sphere than that is not covered at all


def inscribed(
    starts: Surface, tree: cKDTree, dent: float
) -> tuple[Float[NDArray, "s 3"], Float[NDArray, " s"]]:
    """Centre and radius of the largest sphere behind each start that no point of `tree` enters
    deeper than `dent`.

    The radius is the distance from the centre to the nearest point, 0 where no sphere was found.
    """
    points = np.asarray(tree.data)
    radius, free = np.full(len(starts.points), LARGEST), np.zeros(len(starts.points))
    active = np.arange(len(radius))
    for _ in range(SHRINKS):
        centre = starts.points[active] - starts.normals[active] * radius[active, None]
        distance, nearest = tree.query(centre)
        fits = distance >= radius[active] - dent
        free[active[fits]] = distance[fits]
        active, nearest = active[~fits], nearest[~fits]
        if not len(active):
            break
        offset = points[nearest] - starts.points[active]
        depth = -(offset * starts.normals[active]).sum(1)
        touching = (offset * offset).sum(1) / (2 * depth).clip(1e-9)
        radius[active] = np.minimum(touching, 0.99 * radius[active])
    return starts.points - starts.normals * radius[:, None], free


def cover(
    centers: Float[NDArray, "s 3"], radii: Float[NDArray, " s"], skin: Skin, most: int, least: float
) -> Int[NDArray, " chosen"]:
    """The `most` spheres or fewer that together come nearest to the surface, the best first, each
    worth `least` or more.

    A point at d tolerances from the nearest chosen sphere is worth 1 - (d / CAP)^2 of its worth.
    """
    sphere, point, worth = _worths(centers, radii, skin)
    start = np.searchsorted(sphere, np.arange(len(centers) + 1))
    queue = [(-gain, index) for index, gain in enumerate(np.bincount(sphere, worth, len(centers)))]
    heapq.heapify(queue)
    chosen, reached = [], np.zeros(len(skin.worth))
    while queue and len(chosen) < most and -queue[0][0] >= least:
        _, index = heapq.heappop(queue)
        own = slice(start[index], start[index + 1])
        gain = np.maximum(worth[own] - reached[point[own]], 0).sum()
        if queue and gain < -queue[0][0]:
            # gains only fall: who leads when looked at again leads
            heapq.heappush(queue, (-gain, index))
        elif gain >= least:
            chosen.append(index)
            reached[point[own]] = np.maximum(reached[point[own]], worth[own])
    return np.array(chosen, dtype=np.int64)


def distinct(
    centers: Float[NDArray, "s 3"], radii: Float[NDArray, " s"], apart: float
) -> Int[NDArray, " kept"]:
    """The first of spheres that are alike: whose centres fall into one cell of `apart` times their
    size, about.
    """
    size = np.round(4 * np.log2(radii)).astype(np.int64)
    cells = np.floor(centers / (apart * 2.0 ** (size / 4))[:, None]).astype(np.int64)
    return np.sort(
        np.unique(np.concatenate([cells, size[:, None]], 1), axis=0, return_index=True)[1]
    )


def _worths(
    centers: NDArray, radii: NDArray, skin: Skin
) -> tuple[Int[NDArray, " n"], Int[NDArray, " n"], Float[NDArray, " n"]]:
    """Ball, point and worth of every pair near enough, by sphere."""
    places, pairs = skin.surface.points, [np.empty(0, dtype=np.int64)]
    for tolerance in np.unique(skin.tolerance) if len(centers) else ():
        among = np.flatnonzero(skin.tolerance == tolerance)
        sphere, point = neighbours(cKDTree(places[among]), centers, radii + CAP * tolerance)
        pairs.append(sphere * len(places) + among[point])
    sphere, point = np.divmod(np.sort(np.concatenate(pairs)), len(places))
    gap = np.linalg.norm(places[point] - centers[sphere], axis=1) - radii[sphere]
    share = 1 - (gap.clip(0) / (CAP * skin.tolerance[point])) ** 2
    return sphere, point, skin.worth[point] * share.clip(0)
