"""Which faces of a body cross, and how deep it lies in itself, with nothing clever: what the mesh
check is judged by.

Every pair of faces whose boxes overlap is tested, found by sorting the faces along one axis; a
vertex is inside a part where the part's closed surface winds around it. Slow, in float64, one body
at a time; shares no search with the mesh check.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from smplifyx.collision.parts import Parts

PAIRS = 1 << 21  # at once
NEXT = [1, 2, 0]


@dataclass(frozen=True)
class Brute:
    """What one body does to itself."""

    pairs: Int[NDArray, "p 2"]  # the faces that cross, of parts held apart
    # metres from the surface of the part a vertex lies in, the deepest; 0: in none
    inside: Float[NDArray, " v"]

    @property
    def depth(self) -> float:
        """Of the deepest vertex, in metres."""
        return float(self.inside.max())

    @property
    def touches(self) -> bool:
        """Whether any two faces cross."""
        return len(self.pairs) > 0

    @property
    def triangles(self) -> int:
        """How many faces cross another."""
        return len(np.unique(self.pairs))


def brute_force(vertices: Float[NDArray, "v 3"], faces: Int[NDArray, "f 3"], parts: Parts) -> Brute:
    """All that crosses, and the depths; where nothing crosses no depth is looked for."""
    vertices = vertices.astype(np.float64)
    of_vertex, of_face, apart = (
        t.cpu().numpy() for t in (parts.of_vertex, parts.of_face, parts.held_apart)
    )
    pairs = crossing(vertices[faces], of_face, apart)
    inside = np.zeros(len(vertices))
    for part in np.unique(of_face) if len(pairs) else ():
        own = faces[of_face == part]
        corners = vertices[own]
        near = ((vertices >= corners.min((0, 1))) & (vertices <= corners.max((0, 1)))).all(1)
        near = (near & apart[of_vertex, part]).nonzero()[0]
        near = near[winding(vertices[near], np.concatenate([corners, lids(vertices, own)])) > 0.5]
        inside[near] = np.maximum(inside[near], distance(vertices[near], corners))
    return Brute(pairs, inside)


def crossing(
    corners: Float[NDArray, "f 3 3"], of_face: Int[NDArray, " f"], apart: Bool[NDArray, "j j"]
) -> Int[NDArray, "p 2"]:
    """The pairs of faces, of parts held apart, that have a point in common."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    for a, b in _box_pairs(corners):
        kept = apart[of_face[a], of_face[b]]
        a, b = a[kept], b[kept]
        kept = cross(corners[a], corners[b])
        found.append(np.stack([a[kept], b[kept]], 1))
    return np.concatenate(found)


def _box_pairs(corners: Float[NDArray, "f 3 3"]) -> Iterator[tuple[NDArray, NDArray]]:
    """All pairs of faces whose boxes overlap, some at a time."""
    axis = np.argmax(np.ptp(corners, axis=(0, 1)))
    order = np.argsort(corners[:, :, axis].min(1))
    low, high = corners[order].min(1), corners[order].max(1)
    last = np.searchsorted(low[:, axis], high[:, axis], side="right")
    count = np.maximum(last - np.arange(len(low)) - 1, 0)
    for rows in np.split(
        np.arange(len(low)), np.searchsorted(count.cumsum(), np.arange(PAIRS, count.sum(), PAIRS))
    ):
        first = np.repeat(rows, count[rows])
        start = np.repeat(count[rows].cumsum() - count[rows], count[rows])
        second = first + 1 + np.arange(len(first)) - start
        for other in {0, 1, 2} - {int(axis)}:
            kept = (low[first, other] <= high[second, other]) & (
                low[second, other] <= high[first, other]
            )
            first, second = first[kept], second[kept]
        yield order[first], order[second]


def cross(first: Float[NDArray, "n 3 3"], second: Float[NDArray, "n 3 3"]) -> Bool[NDArray, " n"]:
    """Whether an edge of one triangle goes through the other, for each pair; touching counts."""
    return _pierced(first, second) | _pierced(second, first)


def _pierced(triangle: NDArray, other: NDArray) -> NDArray:
    """Whether an edge of `other` goes through `triangle`, by the signs of tetrahedra."""
    start, end = other, other[:, NEXT]
    side = _volume(*(triangle[:, None, i] for i in range(3)), other)
    turns = np.stack(
        [_volume(start, end, triangle[:, None, i], triangle[:, None, NEXT[i]]) for i in range(3)],
        -1,
    )
    through = (turns >= 0).all(-1) | (turns <= 0).all(-1)
    return (through & (side * side[:, NEXT] <= 0) & (turns != 0).any(-1)).any(1)


def _volume(a: NDArray, b: NDArray, c: NDArray, d: NDArray) -> NDArray:
    """Six times the signed volume."""
    return (np.cross(b - a, c - a) * (d - a)).sum(-1)


def lids(vertices: Float[NDArray, "v 3"], faces: Int[NDArray, "f 3"]) -> Float[NDArray, "n 3 3"]:
    """Triangles that close the holes of some faces: each edge of a hole with the mean of that hole."""
    size = len(vertices)
    edges = np.stack([faces, faces[:, NEXT]], -1).reshape(-1, 2)
    known = np.sort(edges[:, 0] * size + edges[:, 1])
    back = edges[:, 1] * size + edges[:, 0]
    found = known[np.searchsorted(known, back).clip(max=len(known) - 1)] == back
    rim = edges[~found]
    if not len(rim):
        return np.zeros((0, 3, 3))
    _, hole = connected_components(
        coo_array((np.ones(len(rim)), rim.T), shape=(size, size)), directed=False
    )
    means = {
        h: vertices[np.unique(rim[hole[rim[:, 0]] == h])].mean(0) for h in np.unique(hole[rim])
    }
    middle = np.stack([means[h] for h in hole[rim[:, 0]]])
    return np.stack([vertices[rim[:, 1]], vertices[rim[:, 0]], middle], 1)


def winding(
    points: Float[NDArray, "n 3"], corners: Float[NDArray, "t 3 3"]
) -> Float[NDArray, " n"]:
    """How often a closed surface winds around each point: how often a ray upwards leaves it less
    how often it enters.

    Exact but for rays through edges, which float64 coordinates of posed bodies do not meet.
    """
    total = np.zeros(len(points))
    low, high = corners.min(1), corners.max(1)
    for rows in _chunks(len(points), len(corners)):
        x, y, z = points[rows].T[..., None]
        under = (
            (x >= low[:, 0])
            & (x <= high[:, 0])
            & (y >= low[:, 1])
            & (y <= high[:, 1])
            & (z <= high[:, 2])
        )
        point, triangle = under.nonzero()
        a, b, c = np.moveaxis(corners[triangle] - points[rows][point, None], 1, 0)
        turns = np.stack(
            [p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0] for p, q in ((a, b), (b, c), (c, a))]
        )
        up = np.sign(turns.sum(0))
        leaves = (turns * up > 0).all(0) & ((np.cross(a, b) * c).sum(-1) * up > 0)
        np.add.at(total[rows], point[leaves], up[leaves])
    return total


def distance(
    points: Float[NDArray, "n 3"], corners: Float[NDArray, "t 3 3"]
) -> Float[NDArray, " n"]:
    """How far each point is from the nearest of the triangles."""
    nearest, middle = np.full(len(points), np.inf), corners.mean(1)
    reach = np.linalg.norm(corners - middle[:, None], axis=-1).max(1)
    for rows in _chunks(len(points), len(corners)):
        to_middle = cdist(points[rows], middle)
        point, triangle = (to_middle - reach <= to_middle.min(1, keepdims=True)).nonzero()
        np.minimum.at(nearest[rows], point, _distance(points[rows][point], corners[triangle]))
    return nearest


def _distance(
    point: Float[NDArray, "n 3"], corners: Float[NDArray, "n 3 3"]
) -> Float[NDArray, " n"]:
    """How far each point is from its triangle."""
    corner = corners - point[:, None]
    edge = corner[:, NEXT] - corner
    share = -(corner * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-30)
    to_edges = np.linalg.norm(corner + share.clip(0, 1)[..., None] * edge, axis=-1).min(-1)
    normal = np.cross(edge[:, 0], edge[:, 1])
    over = ((np.cross(edge, -corner) * normal[:, None]).sum(-1) > 0).all(-1)
    height = np.abs((corner[:, 0] * normal).sum(-1)) / np.maximum(
        np.linalg.norm(normal, axis=-1), 1e-30
    )
    return np.where(over, height, to_edges)


def _chunks(points: int, triangles: int) -> Iterator[slice]:
    step = max(1, PAIRS // 8 // max(triangles, 1))
    return (slice(at, at + step) for at in range(0, points, step))
