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
from scipy.spatial import KDTree

# metres: the grid in which the outside is flooded, and the points that dam it
VOXEL, FILL = 5e-3, 3e-3
FINEST = 24  # parts that the side of a face is divided into, at most
TOGETHER = 1024  # spheres of like radius whose neighbours are looked for together
GRIDS = (0.0, 0.5)  # where the flooded grids lie, in voxels along each axis
REACH = 2  # voxels from the outside within which a vertex is on the outside


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """p points of a mesh, each a share of three vertices; normals point outwards."""

    points: Float[NDArray, "p 3"]
    normals: Float[NDArray, "p 3"]
    corners: Int[NDArray, "p 3"]  # the vertices
    shares: Float[NDArray, "p 3"]  # of each in the point; they sum to 1

    def __getitem__(self, index: Int[NDArray, " q"] | slice) -> SurfacePoints:
        """Some of the points."""
        return SurfacePoints(
            points=self.points[index],
            normals=self.normals[index],
            corners=self.corners[index],
            shares=self.shares[index],
        )

    def mixed(self, of_vertex: Float[NDArray, "v ..."]) -> Float[NDArray, "p ..."]:
        """What vertices have, at the points."""
        return _mixed(self.corners, self.shares, of_vertex)


def sampled(
    vertices: Float[NDArray, "v 3"],
    faces: Int[NDArray, "f 3"],
    spacing: float,
    kept: Bool[NDArray, " v"],
) -> SurfacePoints:
    """Every vertex, and points about `spacing` metres apart on the larger faces; only faces of
    `kept` vertices.

    Points on an edge come once for each of its faces.
    """
    # a vertex is a point with all of the share of its first corner
    single = np.repeat(np.flatnonzero(kept)[:, None], 3, axis=1)
    corners = [single]
    shares = [np.tile([1.0, 0.0, 0.0], (len(single), 1))]
    for chosen, points_of_face in _divided(vertices, faces[kept[faces].all(1)], spacing):
        corners.append(np.repeat(chosen, len(points_of_face), axis=0))
        shares.append(np.tile(points_of_face, (len(chosen), 1)))

    corner = np.concatenate(corners)
    share = np.concatenate(shares)
    outward = _mixed(corner, share, _vertex_normals(vertices, faces))
    outward /= np.linalg.norm(outward, axis=1, keepdims=True).clip(1e-12)
    return SurfacePoints(
        points=_mixed(corner, share, vertices), normals=outward, corners=corner, shares=share
    )


def sampled_points(
    vertices: Float[NDArray, "v 3"],
    faces: Int[NDArray, "f 3"],
    spacing: float,
    kept: Bool[NDArray, " v"],
) -> Float[NDArray, "p 3"]:
    """The points of `sampled` alone, in another order and hardly any twice; much quicker."""
    points = [vertices[kept]]
    for chosen, shares in _divided(vertices, faces[kept[faces].all(1)], spacing):
        inner = shares[shares.min(1) > 0]
        points.append(_between(inner, vertices[chosen]))

        # The points of the edge from corner 0 to corner 1, put on each edge of the faces once.
        on_edge = shares[shares[:, 2] == 0, :2]
        first = chosen.T
        second = np.roll(chosen, -1, axis=1).T
        edge = np.minimum(first, second) * len(vertices) + np.maximum(first, second)
        low, high = np.divmod(np.unique(edge), len(vertices))
        points.append(_between(on_edge, vertices[np.stack([low, high], 1)]))
    return np.concatenate(points)


def _between(
    shares: Float[NDArray, "k c"], corners: Float[NDArray, "n c 3"]
) -> Float[NDArray, "_ 3"]:
    """The k points that are these shares of the c corners, of each of n things, [n k, 3]."""
    points = np.zeros((len(corners), len(shares), 3))
    for corner in range(shares.shape[1]):
        points += shares[:, corner, None] * corners[:, corner, None]
    return points.reshape(-1, 3)


def _divided(
    vertices: Float[NDArray, "v 3"], faces: Int[NDArray, "f 3"], spacing: float
) -> Iterator[tuple[Int[NDArray, "n 3"], Float[NDArray, "k 3"]]]:
    """The faces that points are put on, by how finely they are divided; and the points on each of
    these, as shares of the corners.
    """
    triangles = vertices[faces]
    sides = np.linalg.norm(triangles - np.roll(triangles, 1, axis=1), axis=2)  # [f, 3]
    steps = np.ceil(sides.max(1) / spacing).astype(int).clip(max=FINEST)
    for count in np.unique(steps[steps > 1]).tolist():
        yield faces[steps == count], _barycentric(count)


def search_tree(points: Float[NDArray, "p 3"]) -> KDTree:
    """For centres far from all points: many points to a leaf and no shrunk boxes make it three
    times as quick.
    """
    return KDTree(points, leafsize=96, compact_nodes=False, balanced_tree=False)


def neighbours(
    tree: KDTree, centers: Float[NDArray, "s 3"], radii: Float[NDArray, " s"]
) -> tuple[Int[NDArray, " n"], Int[NDArray, " n"]]:
    """Every sphere with every point of the tree in it, in order; several times quicker than asking
    the tree for lists.
    """
    found = [np.zeros(0, dtype=np.int64)]
    # Spheres of like radius together: the tree is asked with the largest of them, and what is
    # farther than a sphere's own radius is dropped.
    smallest_first = np.argsort(radii, kind="stable")
    for first in range(0, len(smallest_first), TOGETHER):
        some = smallest_first[first : first + TOGETHER]
        largest = radii[some[-1]]
        pairs = KDTree(centers[some]).sparse_distance_matrix(tree, largest, output_type="ndarray")
        pairs = pairs[pairs["v"] <= radii[some][pairs["i"]]]
        sphere = some[pairs["i"]]
        found.append(sphere * tree.n + pairs["j"])  # as one number, to be sorted
    sphere, point = np.divmod(np.sort(np.concatenate(found)), tree.n)
    return sphere, point


def outside(vertices: Float[NDArray, "v 3"], faces: Int[NDArray, "f 3"]) -> Bool[NDArray, " v"]:
    """Which vertices are on the outside: not in the mouth, in the sockets of the eyes, or behind
    the eyeballs.

    The outside is what a flood from far away reaches on a grid of `VOXEL`, which closed lips and
    lids keep out. Where a grid lies is chance, and between toes the flood may just be dammed: to be
    reached on one of two grids is enough.
    """
    everything = np.ones(len(vertices), dtype=bool)
    dam = sampled_points(vertices, faces, FILL, everything)
    seen = np.zeros(len(vertices), dtype=bool)
    for shift in GRIDS:
        seen |= _flooded(vertices, dam, shift * VOXEL)
    return seen


def _flooded(
    vertices: Float[NDArray, "v 3"], dam: Float[NDArray, "p 3"], shift: float
) -> Bool[NDArray, " v"]:
    """Which vertices a flood reaches on the grid that lies `shift` metres back along each axis."""
    origin = dam.min(0) - (REACH + 1) * VOXEL - shift  # the flood has room all round
    dam_voxel = np.floor((dam - origin) / VOXEL).astype(int)
    wall = np.zeros(dam_voxel.max(0) + REACH + 2, dtype=bool)
    wall[tuple(dam_voxel.T)] = True
    regions = np.zeros(wall.shape, dtype=np.int32)
    ndimage.label(~wall, output=regions)
    flooded = regions == regions[0, 0, 0]

    vertex_voxel = np.floor((vertices - origin) / VOXEL).astype(int)
    seen = np.zeros(len(vertices), dtype=bool)
    for offset in np.ndindex(2 * REACH + 1, 2 * REACH + 1, 2 * REACH + 1):
        voxel = vertex_voxel + offset - REACH
        seen |= flooded[tuple(voxel.T)]
    return seen


def stand_ins(vertices: Float[NDArray, "v 3"], faces: Int[NDArray, "f 3"]) -> Int[NDArray, " v"]:
    """For every vertex itself; for those of loose pieces (eyeballs), the nearest of the mesh's
    largest piece.
    """
    count = len(vertices)
    start, end = np.concatenate([faces[:, :2], faces[:, 1:]]).T
    ones = np.ones(len(start), dtype=bool)
    graph = scipy.sparse.coo_array((ones, (start, end)), shape=(count, count))
    _, piece = connected_components(graph, directed=False)
    largest = np.bincount(piece).argmax()
    main = np.flatnonzero(piece == largest)
    loose = piece != largest

    stand_in = np.arange(count)
    # the size of the leaves decides which of equally near vertices is found
    _, nearest = KDTree(vertices[main], leafsize=16).query(vertices[loose])
    stand_in[loose] = main[nearest]
    return stand_in


def thinned(points: Float[NDArray, "p 3"], spacing: float) -> Int[NDArray, " kept"]:
    """The first point in each cell of a grid."""
    cells = np.floor((points - points.min(0, initial=0.0)) / spacing).astype(np.int64)
    number = cells @ np.array([1, 1 << 20, 1 << 40])
    _, first = np.unique(number, return_index=True)
    return np.sort(first)


def _mixed(
    corners: Int[NDArray, "p 3"], shares: Float[NDArray, "p 3"], of_vertex: Float[NDArray, "v ..."]
) -> Float[NDArray, "p ..."]:
    return np.einsum("pc,pc...->p...", shares, of_vertex[corners])


def _barycentric(count: int) -> Float[NDArray, "points 3"]:
    """The points of a triangle divided `count` times along each side, without its corners."""
    i, j = np.mgrid[: count + 1, : count + 1].reshape(2, -1)
    grid = np.stack([i, j, count - i - j], -1)
    in_triangle = grid.min(1) >= 0
    no_corner = grid.max(1) < count
    return grid[in_triangle & no_corner] / count


def _vertex_normals(
    vertices: Float[NDArray, "v 3"], faces: Int[NDArray, "f 3"]
) -> Float[NDArray, "v 3"]:
    """Area-weighted; outwards also where the faces are wound the other way."""
    a, b, c = vertices[faces].transpose(1, 0, 2)
    face_normals = np.cross(b - a, c - a)
    sums = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(sums, faces[:, corner], face_normals)
    volume = (a * np.cross(b, c)).sum()  # six times; negative where the mesh is inside out
    outward = sums if volume >= 0 else -sums
    return outward / np.linalg.norm(sums, axis=1, keepdims=True).clip(1e-12)
