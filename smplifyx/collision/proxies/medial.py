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
from scipy.spatial import KDTree

from .shape_response import Skin
from .surface import SurfacePoints, neighbours

LARGEST = 0.2  # metres, the radius from which spheres shrink
SHRINKS = 30  # spheres still too large after so many steps are dropped
COVERED = 2.0  # tolerances: a surface farther from a sphere than that is not covered at all


def inscribed(
    starts: SurfacePoints, tree: KDTree, dent: float
) -> tuple[Float[NDArray, "s 3"], Float[NDArray, " s"]]:
    """Centre and radius of the largest sphere behind each start that no point of `tree` enters
    deeper than `dent`, metres.

    The radius is the distance from the centre to the nearest point, 0 where no sphere was found.
    """
    points = np.asarray(tree.data)
    radius = np.full(len(starts.points), LARGEST)  # at which the sphere touches its start
    free = np.zeros(len(starts.points))
    active = np.arange(len(radius))  # those still too large
    for _ in range(SHRINKS):
        start = starts.points[active]
        normal = starts.normals[active]
        centre = start - normal * radius[active, None]
        distance, nearest = tree.query(centre)
        fits = distance >= radius[active] - dent
        free[active[fits]] = distance[fits]
        active = active[~fits]
        if not len(active):
            break
        # the sphere through the start and the point that was in the way, but smaller in any case
        offset = (points[nearest] - start)[~fits]
        depth = -(offset * normal[~fits]).sum(1)
        touching = (offset * offset).sum(1) / (2 * depth).clip(1e-9)
        radius[active] = np.minimum(touching, 0.99 * radius[active])
    return starts.points - starts.normals * radius[:, None], free


def cover(
    centers: Float[NDArray, "s 3"], radii: Float[NDArray, " s"], skin: Skin, most: int, least: float
) -> Int[NDArray, " chosen"]:
    """The `most` spheres or fewer that together come nearest to the surface, the best first, each
    worth `least` or more.

    A point at d tolerances from the nearest chosen sphere is worth 1 - (d / COVERED)^2 of its
    worth.
    """
    sphere, point, worth = _worths(centers, radii, skin)
    start = np.searchsorted(sphere, np.arange(len(centers) + 1))
    reached = np.zeros(len(skin.worth))  # what the chosen spheres make of each point
    chosen: list[int] = []

    # The most gain first. Gains in the queue are from when they were last looked at; they only fall
    # as spheres are chosen, so who still leads when looked at again leads in truth.
    gains = np.bincount(sphere, worth, len(centers)).tolist()
    queue = [(-gain, index) for index, gain in enumerate(gains)]
    heapq.heapify(queue)
    while queue and len(chosen) < most and -queue[0][0] >= least:
        _, index = heapq.heappop(queue)
        own = slice(start[index], start[index + 1])
        gain = float(np.maximum(worth[own] - reached[point[own]], 0).sum())
        next_gain = -queue[0][0] if queue else -np.inf
        if gain < next_gain:
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
    size = np.round(4 * np.log2(radii)).astype(np.int64)  # in quarters of an octave
    side = apart * 2.0 ** (size / 4)
    cells = np.floor(centers / side[:, None]).astype(np.int64)
    keys = np.concatenate([cells, size[:, None]], 1)
    _, first = np.unique(keys, axis=0, return_index=True)
    return np.sort(first)


def _worths(
    centers: Float[NDArray, "s 3"], radii: Float[NDArray, " s"], skin: Skin
) -> tuple[Int[NDArray, " n"], Int[NDArray, " n"], Float[NDArray, " n"]]:
    """Sphere, point and worth of every pair near enough, sorted by sphere, then point."""
    points = skin.surface.points
    pairs = [np.empty(0, dtype=np.int64)]  # as one number each, to be sorted
    # a search has one radius for a sphere, so points of one tolerance are looked for together
    tolerances = np.unique(skin.tolerance) if len(centers) else np.empty(0)
    for tolerance in tolerances:
        among = np.flatnonzero(skin.tolerance == tolerance)
        reach = radii + COVERED * tolerance
        sphere, point = neighbours(KDTree(points[among]), centers, reach)
        pairs.append(sphere * len(points) + among[point])
    sphere, point = np.divmod(np.sort(np.concatenate(pairs)), len(points))

    gap = np.linalg.norm(points[point] - centers[sphere], axis=1) - radii[sphere]
    share = 1 - (gap.clip(0) / (COVERED * skin.tolerance[point])) ** 2
    return sphere, point, skin.worth[point] * share.clip(0)
