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
class Surface:
    """The triangles of a mesh of V vertices and F faces, of its filled holes and of its caps.

    Group j < J is a part, with its filled holes; group J + j is the cap of joint j, turned as the
    faces below j are. Point V + i is the mean of loop i.
    """

    triangles: Int[NDArray, "t 3"]
    group: Int[NDArray, " t"]
    face: Int[NDArray, " t"]  # -1: no face of the mesh
    loops: tuple[Int[NDArray, " _"], ...]


def capped(
    faces: Int[NDArray, "f 3"],
    of_face: Int[NDArray, " f"],
    of_vertex: Int[NDArray, " v"],
    parents: tuple[int, ...],
) -> Surface:
    """The faces, the fillings of the mesh's holes (each of the part that most of its loop is of)
    and the caps.
    """
    joints, below = len(parents), _below(parents)
    triangles, groups, loops = [faces], [of_face], []
    for loop in _loops(_Edges.of(faces).rim(np.ones(len(faces), dtype=bool))):
        triangles.append(_fan(loop, len(of_vertex) + len(loops)))
        groups.append(np.full(len(loop), np.bincount(of_vertex[loop[:, 0]]).argmax()))
        loops.append(np.unique(loop))
    edges, part = _Edges.of(np.concatenate(triangles)), np.concatenate(groups)
    for joint in range(1, joints):
        for loop in _loops(edges.rim(below[part, joint])):
            triangles.append(_fan(loop, len(of_vertex) + len(loops)))
            groups.append(np.full(len(loop), joints + joint))
            loops.append(np.unique(loop))
    group = np.concatenate(groups)
    face = np.concatenate([np.arange(len(faces)), np.full(len(group) - len(faces), -1)])
    return Surface(np.concatenate(triangles), group, face, tuple(loops))


def closed_part(surface: Surface, part: int, parents: tuple[int, ...]) -> Int[NDArray, "n 3"]:
    """The triangles of the closed surface of a part, anticlockwise from outside."""
    joints = len(parents)
    children = [joints + joint for joint, parent in enumerate(parents) if parent == part]
    own = np.isin(surface.group, [part, joints + part])
    return np.concatenate(
        [surface.triangles[own], surface.triangles[np.isin(surface.group, children)][:, ::-1]]
    )


def _below(parents: tuple[int, ...]) -> NDArray:
    """Whether the first joint is the second or hangs on it, [j, j]."""
    below = np.eye(len(parents), dtype=bool)
    for joint, parent in enumerate(parents):
        if parent >= 0:
            below[joint] |= below[parent]
    return below


@dataclass(frozen=True, eq=False)
class _Edges:
    """The three edges of n triangles; `sign` is 1 from the lower to the higher vertex, -1 back, 0
    without length.
    """

    ends: Int[NDArray, "e 2"]  # of each edge once
    edge: Int[NDArray, "3 n"]
    sign: Int[NDArray, "3 n"]

    @classmethod
    def of(cls, triangles: Int[NDArray, "n 3"]) -> _Edges:
        first, second = triangles.T, np.roll(triangles, -1, axis=1).T
        size = int(triangles.max()) + 1
        keys, edge = np.unique(
            np.minimum(first, second) * size + np.maximum(first, second), return_inverse=True
        )
        return cls(
            np.stack(np.divmod(keys, size), 1), edge.reshape(first.shape), np.sign(second - first)
        )

    def rim(self, chosen: Bool[NDArray, " n"]) -> Int[NDArray, "m 2"]:
        """The directed edges that the chosen triangles do not pass as often one way as the other."""
        net = np.bincount(
            self.edge[:, chosen].ravel(), self.sign[:, chosen].ravel(), len(self.ends)
        ).astype(np.int64)
        open_edges = np.flatnonzero(net)
        ends, net = self.ends[open_edges], net[open_edges]
        return np.repeat(np.where((net > 0)[:, None], ends, ends[:, ::-1]), abs(net), axis=0)


def _loops(rim: Int[NDArray, "m 2"]) -> list[Int[NDArray, "_ 2"]]:
    """The edges of each connected piece of a rim."""
    if not len(rim):
        return []
    points, place = np.unique(rim, return_inverse=True)
    ends = place.reshape(-1, 2)
    count, label = connected_components(
        coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (len(points),) * 2)
    )
    return [rim[label[ends[:, 0]] == loop] for loop in range(count)]


def _fan(loop: Int[NDArray, "n 2"], mean: int) -> Int[NDArray, "n 3"]:
    """The triangles that close what ends in the loop."""
    return np.column_stack([loop[:, ::-1], np.full(len(loop), mean)])
