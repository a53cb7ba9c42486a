"""A body's surface cut at its joints, the cuts closed by caps.

The surface of a joint and all below it ends in one or more loops; the cap of the joint is the fan
of each loop from its mean. A part with its faces, its own cap and, turned round, its children's is
closed; so the solids of parts that meet share a cap, and those of any set of parts add up to one
solid. Holes of the mesh (eye sockets, a mouth) are filled by fans too. Caps are found by counting
edges, so nothing is asked of the mesh.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True, eq=False)
class CappedSurface:
    """The triangles of a mesh of V vertices and F faces, of its filled holes and of its caps.

    Group j < J is a part, with its filled holes; group J + j is the cap of joint j, turned as the
    faces below j are. Point V + i is the mean of loop i.
    """

    triangles: Int[NDArray, "t 3"]
    group: Int[NDArray, " t"]
    face: Int[NDArray, " t"]  # -1: no face of the mesh
    loops: tuple[Int[NDArray, " _"], ...]  # the vertices of each


def capped(
    faces: Int[NDArray, "f 3"],
    of_face: Int[NDArray, " f"],
    of_vertex: Int[NDArray, " v"],
    parents: tuple[int, ...],
) -> CappedSurface:
    """The faces, the fillings of the mesh's holes (each of the part that most of its loop is of)
    and the caps.

    `of_face` and `of_vertex` are the parts of faces and vertices, see `Parts`.
    """
    joints = len(parents)
    vertices = len(of_vertex)
    triangles = [faces]
    groups = [of_face]
    loops: list[Int[NDArray, " _"]] = []

    def close(loop: Int[NDArray, "n 2"], group: int) -> None:
        mean = vertices + len(loops)  # the number of the point that is the mean of this loop
        triangles.append(_fan(loop, mean))
        groups.append(np.full(len(loop), group))
        loops.append(np.unique(loop))

    for loop in _loops(_Edges.of(faces).rim(np.ones(len(faces), dtype=bool))):
        part_of_most = np.bincount(of_vertex[loop[:, 0]]).argmax()
        close(loop, int(part_of_most))

    # Caps are cut out of the mesh with its holes filled, else a hole would get a cap of each joint
    # above it.
    edges = _Edges.of(np.concatenate(triangles))
    part = np.concatenate(groups)
    below = _below(parents)
    for joint in range(1, joints):
        for loop in _loops(edges.rim(below[part, joint])):
            close(loop, joints + joint)

    group = np.concatenate(groups)
    no_face = np.full(len(group) - len(faces), -1)
    return CappedSurface(
        triangles=np.concatenate(triangles),
        group=group,
        face=np.concatenate([np.arange(len(faces)), no_face]),
        loops=tuple(loops),
    )


def _below(parents: tuple[int, ...]) -> Bool[NDArray, "j j"]:
    """Whether the first joint is the second or hangs on it."""
    below = np.eye(len(parents), dtype=bool)
    for joint, parent in enumerate(parents):
        if parent >= 0:
            below[joint] |= below[parent]
    return below


@dataclass(frozen=True, eq=False)
class _Edges:
    """The edges of n triangles.

    `sign` is 1 where a triangle passes its edge from the lower to the higher vertex, -1 where it
    passes it back, 0 for an edge without length.
    """

    ends: Int[NDArray, "e 2"]  # of each edge once, the lower vertex first
    edge: Int[NDArray, "3 n"]  # the three edges of each triangle
    sign: Int[NDArray, "3 n"]

    @classmethod
    def of(cls, triangles: Int[NDArray, "n 3"]) -> _Edges:
        first = triangles.T
        second = np.roll(triangles, -1, axis=1).T
        # an edge as one number, so that equal edges are found by sorting numbers
        size = int(triangles.max()) + 1
        key = np.minimum(first, second) * size + np.maximum(first, second)
        keys, edge = np.unique(key, return_inverse=True)
        low, high = np.divmod(keys, size)
        return cls(
            ends=np.stack([low, high], 1),
            edge=edge.reshape(first.shape),
            sign=np.sign(second - first),
        )

    def rim(self, chosen: Bool[NDArray, " n"]) -> Int[NDArray, "m 2"]:
        """The directed edges that the chosen triangles do not pass equally often both ways."""
        edge = self.edge[:, chosen].ravel()
        sign = self.sign[:, chosen].ravel()
        net = np.bincount(edge, sign, len(self.ends)).astype(np.int64)
        open_edges = np.flatnonzero(net)
        net = net[open_edges]
        ends = self.ends[open_edges]
        directed = np.where((net > 0)[:, None], ends, ends[:, ::-1])
        return np.repeat(directed, abs(net), axis=0)


def _loops(rim: Int[NDArray, "m 2"]) -> list[Int[NDArray, "_ 2"]]:
    """The edges of each connected piece of a rim."""
    if not len(rim):
        return []
    # the vertices of the rim get small numbers, so that the graph is as small as the rim
    vertices, number = np.unique(rim, return_inverse=True)
    start, end = number.reshape(-1, 2).T
    links = coo_array((np.ones(len(start)), (start, end)), (len(vertices), len(vertices)))
    count, piece = connected_components(links)
    return [rim[piece[start] == loop] for loop in range(count)]


def _fan(loop: Int[NDArray, "n 2"], mean: int) -> Int[NDArray, "n 3"]:
    """The triangles that close what ends in the loop."""
    # an edge is passed the other way by the triangle across it
    return np.column_stack([loop[:, ::-1], np.full(len(loop), mean)])
