"""A body's surface at rest as points: dense enough that spheres between them stay inside, and only
what is outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

# metres: the grid in which the outside is flooded, and the points that dam it
VOXEL, FILL = 5e-3, 3e-3
FINEST = 24  # parts that the side of a face is divided into, at most
TOGETHER = 1024  # spheres of like radius whose neighbours are looked for together
REACH = 2  # voxels from the outside within which a vertex is on the outside


@dataclass(frozen=True)
class Surface:
    """Points of a mesh, each a share of three vertices; normals point outwards."""

    points: Float[NDArray, "p 3"]
    normals: Float[NDArray, "p 3"]
    corners: Int[NDArray, "p 3"]
    shares: Float[NDArray, "p 3"]

    def __getitem__(self, index: object) -> Surface:
        return Surface(
            self.points[index], self.normals[index], self.corners[index], self.shares[index]
        )

    def mixed(self, of_vertex: Float[NDArray, "v ..."]) -> Float[NDArray, "p ..."]:
        """What vertices have, at the points."""
        return _mixed(self.corners, self.shares, of_vertex)


def sampled(
    vertices: Float[NDArray, "v 3"],
    faces: Int[NDArray, "f 3"],
    spacing: float,
    kept: Bool[NDArray, " v"],
) -> Surface:
    """Every vertex, and points about `spacing` metres apart on the larger faces; only faces of
    `kept` vertices.
    """
    normals = _vertex_normals(vertices, faces)
    single = np.repeat(np.flatnonzero(kept)[:, None], 3, axis=1)
    corners, shares = [single], [np.tile([1.0, 0.0, 0.0], (len(single), 1))]
    for chosen, inner in _divided(vertices, faces[kept[faces].all(1)], spacing):
        corners.append(np.repeat(chosen, len(inner), axis=0))
        shares.append(np.tile(inner, (len(chosen), 1)))
    corner, share = np.concatenate(corners), np.concatenate(shares)
    outward = _mixed(corner, share, normals)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True).clip(1e-12)
    return Surface(_mixed(corner, share, vertices), outward, corner, share)


def sampled_points(
    vertices: Float[NDArray, "v 3"],
    faces: Int[NDArray, "f 3"],
    spacing: float,
    kept: Bool[NDArray, " v"],
) -> Float[NDArray, "p 3"]:
    """The points of `sampled` alone, in another order and hardly any twice; several times quicker."""
    points = [vertices[kept]]
    for chosen, shares in _divided(vertices, faces[kept[faces].all(1)], spacing):
        inner, edge = shares[shares.min(1) > 0], shares[shares[:, 2] == 0, :2]
        points.append(_shared(inner, vertices[chosen]))
        first, second = chosen.T, np.roll(chosen, -1, axis=1).T
        edges = np.unique(np.minimum(first, second) * len(vertices) + np.maximum(first, second))
        points.append(_shared(edge, vertices[np.stack(np.divmod(edges, len(vertices)), 1)]))
    return np.concatenate(points)


def _shared(
    shares: Float[NDArray, "k c"], corners: Float[NDArray, "n c 3"]
) -> Float[NDArray, "_ 3"]:
    """Points between the corners of each of n things."""
    parts = (
        shares[:, number, None] * corners[:, number, None] for number in range(shares.shape[1])
    )
    return sum(parts).reshape(-1, 3)


def _divided(
    vertices: Float[NDArray, "v 3"], faces: Int[NDArray, "f 3"], spacing: float
) -> Iterator[tuple[Int[NDArray, "n 3"], Float[NDArray, "k 3"]]]:
    """The faces that points are put on, by how finely, and the points as shares of their corners."""
    triangles = vertices[faces]
    longest = np.linalg.norm(triangles - np.roll(triangles, 1, axis=1), axis=2).max(1)
    steps = np.ceil(longest / spacing).astype(int).clip(max=FINEST)
    for count in np.unique(steps[steps > 1]).tolist():
        yield faces[steps == count], _barycentric(count)


def search_tree(points: Float[NDArray, "p 3"]) -> cKDTree:
    """For centres far from all points: many points to a leaf and no shrunk boxes make it three
    times as quick.
    """
    return cKDTree(points, leafsize=96, compact_nodes=False, balanced_tree=False)


def neighbours(
    tree: cKDTree, centers: Float[NDArray, "s 3"], radii: Float[NDArray, " s"]
) -> tuple[Int[NDArray, " n"], Int[NDArray, " n"]]:
    """Every sphere with every point of the tree in it, in order; several times quicker than asking
    the tree for lists.
    """
    order, found = np.argsort(radii, kind="stable"), [np.zeros(0, dtype=np.int64)]
    for first in range(0, len(order), TOGETHER):
        some = order[first : first + TOGETHER]
        pairs = cKDTree(centers[some]).sparse_distance_matrix(
            tree, radii[some[-1]], output_type="ndarray"
        )
        pairs = pairs[pairs["v"] <= radii[some][pairs["i"]]]
        found.append(some[pairs["i"]] * tree.n + pairs["j"])
    return np.divmod(np.sort(np.concatenate(found)), tree.n)


def outside(vertices: Float[NDArray, "v 3"], faces: Int[NDArray, "f 3"]) -> Bool[NDArray, " v"]:
    """Which vertices are on the outside: not in the mouth, in the sockets of the eyes, or behind
    the eyeballs.

    The outside is what a flood from far away reaches on a grid of `VOXEL`, which closed lips and
    lids keep out.
    """
    dam = sampled_points(vertices, faces, FILL, np.ones(len(vertices), dtype=bool))
    corner = dam.min(0) - (REACH + 1) * VOXEL
    place = np.floor((dam - corner) / VOXEL).astype(int)
    wall = np.zeros(place.max(0) + REACH + 2, dtype=bool)
    wall[tuple(place.T)] = True
    regions, _ = ndimage.label(~wall)
    flooded = regions == regions[0, 0, 0]
    own, seen = (
        np.floor((vertices - corner) / VOXEL).astype(int),
        np.zeros(len(vertices), dtype=bool),
    )
    for offset in np.ndindex(*[2 * REACH + 1] * 3):
        seen |= flooded[tuple((own + offset - REACH).T)]
    return seen


def stand_ins(vertices: Float[NDArray, "v 3"], faces: Int[NDArray, "f 3"]) -> Int[NDArray, " v"]:
    """For every vertex itself; for those of loose pieces (eyeballs), the nearest of the mesh's
    largest piece.
    """
    count = len(vertices)
    edges = np.concatenate([faces[:, :2], faces[:, 1:]]).T
    graph = scipy.sparse.coo_array(
        (np.ones(edges.shape[1], dtype=bool), edges), shape=(count, count)
    )
    _, piece = connected_components(graph, directed=False)
    main = np.flatnonzero(piece == np.bincount(piece).argmax())
    own = np.arange(count)
    loose = piece != piece[main[0]]
    own[loose] = main[cKDTree(vertices[main]).query(vertices[loose])[1]]
    return own


def thinned(points: Float[NDArray, "p 3"], spacing: float) -> Int[NDArray, " kept"]:
    """The first point in each cell of a grid."""
    cells = np.floor((points - points.min(0, initial=0.0)) / spacing).astype(np.int64)
    return np.sort(np.unique(cells @ np.array([1, 1 << 20, 1 << 40]), return_index=True)[1])


def _mixed(corners: NDArray, shares: NDArray, of_vertex: NDArray) -> NDArray:
    return np.einsum("pc,pc...->p...", shares, of_vertex[corners])


def _barycentric(count: int) -> Float[NDArray, "points 3"]:
    """The points of a triangle divided `count` times along each side, without its corners."""
    i, j = np.mgrid[: count + 1, : count + 1].reshape(2, -1)
    grid = np.stack([i, j, count - i - j], -1)
    return grid[(grid.min(1) >= 0) & (grid.max(1) < count)] / count


def _vertex_normals(vertices: NDArray, faces: NDArray) -> Float[NDArray, "v 3"]:
    """Area-weighted; outwards also where the faces are wound the other way."""
    a, b, c = vertices[faces].transpose(1, 0, 2)
    face = np.cross(b - a, c - a)
    sums = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(sums, faces[:, corner], face)
    volume = (a * np.cross(b, c)).sum()
    return (sums if volume >= 0 else -sums) / np.linalg.norm(sums, axis=1, keepdims=True).clip(
        1e-12
    )
