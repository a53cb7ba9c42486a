"""A surface in small compact patches, each one connected piece of one group."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def patches_of(
    triangles: Int[NDArray, "t 3"], group: Int[NDArray, " t"], points: Float[NDArray, "n 3"], most: int
) -> Int[NDArray, " t"]:
    """The patch of each triangle, numbered from 0 in the order of the groups; `most` triangles each at most."""
    centres = points[triangles].mean(1)
    patch, count = np.zeros(len(triangles), dtype=np.int64), 0
    for number in np.unique(group):
        for members in _halved(np.flatnonzero(group == number), centres, most):
            pieces, label = _connected(triangles[members])
            patch[members] = count + label
            count += pieces
    return patch


def _halved(members: Int[NDArray, " n"], centres: Float[NDArray, "t 3"], most: int) -> list[Int[NDArray, " _"]]:
    """The triangles split across their longest extent until each piece is small enough."""
    if len(members) <= most:
        return [members]
    places = centres[members]
    order = members[np.argsort(places[:, np.ptp(places, axis=0).argmax()], kind="stable")]
    middle = len(order) // 2
    return _halved(order[:middle], centres, most) + _halved(order[middle:], centres, most)


def _connected(triangles: Int[NDArray, "n 3"]) -> tuple[int, Int[NDArray, " n"]]:
    """How many pieces that share no point, and the piece of each triangle."""
    points, place = np.unique(triangles, return_inverse=True)
    corner = place.reshape(-1, 3)
    start, end = corner[:, [0, 0]].ravel(), corner[:, 1:].ravel()
    count, label = connected_components(coo_array((np.ones(len(start)), (start, end)), (len(points),) * 2))
    return count, label[corner[:, 0]]


def ranges(sorted_numbers: Int[NDArray, " n"], count: int) -> Int[NDArray, "count 2"]:
    """Where each of 0..count - 1 starts and stops in a sorted list."""
    return np.searchsorted(sorted_numbers, np.stack([np.arange(count), np.arange(count) + 1], 1))


def padded_points(triangles: Int[NDArray, "t 3"], patch_range: Int[NDArray, "p 2"]) -> Int[NDArray, "k p"]:
    """The points of each patch, the first repeated so that all columns are as long."""
    rows = [np.unique(triangles[start:stop]) for start, stop in patch_range]
    width = max(len(row) for row in rows)
    return np.stack([np.concatenate([row, np.repeat(row[:1], width - len(row))]) for row in rows], 1)
