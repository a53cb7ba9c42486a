"""The mesh that ships: which vertices, in which order, with which triangles, and who mirrors whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from . import tables

RINGS = 3


@dataclass(frozen=True)
class Topology:
    """Body skin and two eyeballs of hm08, renumbered so that SMPL-X readers find their named
    vertices.
    """

    base_ids: np.ndarray  # [V] hm08 id of each vertex
    mesh_ids: np.ndarray  # [19158] the inverse, -1 where dropped
    mirror: np.ndarray  # [V] vertex on the other side
    faces: np.ndarray  # [F, 3]

    def index(self, hm08: np.ndarray | int) -> np.ndarray:
        """Mesh ids of hm08 vertices."""
        return self.mesh_ids[hm08]

    def adjacency(self) -> sp.csr_array:
        """[V, V] with 1 for every edge."""
        a, b = np.concatenate(
            [self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]]
        ).T
        graph = sp.csr_array((np.ones(len(a)), (a, b)), (len(self.base_ids),) * 2)
        return ((graph + graph.T) > 0).astype(float)


def build_topology(quads: np.ndarray, mirror: np.ndarray) -> Topology:
    """Keep skin and eyeballs, renumber, split the quads of the left side and mirror the split to
    the right.
    """
    base_ids = _renumber(
        np.concatenate([tables.BODY_IDS, tables.LEFT_EYEBALL, tables.RIGHT_EYEBALL])
    )
    mesh_ids = np.full(len(mirror), -1)
    mesh_ids[base_ids] = np.arange(len(base_ids))
    kept = quads[(mesh_ids[quads] >= 0).all(1)]
    faces = mesh_ids[_triangulate(kept, mirror)]
    return Topology(base_ids, mesh_ids, mesh_ids[mirror[base_ids]], faces.astype(np.uint32))


def _renumber(base_ids: np.ndarray) -> np.ndarray:
    """Swap named vertices into the slots where SMPL-X readers look for them."""
    ids = base_ids.copy()
    for hm08, slot in tables.EXTRA_POINTS.values():
        where = int(np.flatnonzero(ids == hm08)[0])
        ids[[where, slot]] = ids[[slot, where]]
    return ids


def _triangulate(quads: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Split quads so that every landmark lies on a triangle and the two sides mirror each other."""
    wanted = {frozenset(v for v, _ in point) for point in tables.landmark_points()}
    wanted |= {frozenset(int(mirror[v]) for v in point) for point in wanted}
    triangles, done = [], {}
    for quad in quads.tolist():
        twin = frozenset(int(mirror[v]) for v in quad)
        diagonal = done.get(twin) or _diagonal(quad, wanted)
        done[frozenset(quad)] = frozenset(int(mirror[v]) for v in diagonal)
        a, b, c, d = quad
        triangles += [[a, b, c], [a, c, d]] if diagonal == {a, c} else [[a, b, d], [b, c, d]]
    return np.array(triangles)


def _diagonal(quad: list[int], wanted: set[frozenset[int]]) -> frozenset[int]:
    a, b, c, d = quad
    first, second = frozenset((a, c)), frozenset((b, d))
    halves = [frozenset((b, c, d)), frozenset((a, b, d)), second]
    needs_second = any(
        point <= half and not point <= first
        for point in wanted
        for half in halves
        if len(point) == 3
    )
    return second if needs_second or second in wanted else first


def smooth_fill(topology: Topology, hm08: np.ndarray, reference: np.ndarray) -> sp.csr_array:
    """[V, V] operator that replaces a patch (and RINGS around it) by a smooth surface that
    continues its surroundings.

    Biharmonic: position and slope continue. A first, harmonic fill of `reference` [V, 3] spreads
    the patch out flat, so that the second one is weighted by true distances; otherwise the dense
    rings of the patch would rise into a cone.
    """
    graph = topology.adjacency()
    inside = np.zeros(len(topology.base_ids))
    inside[topology.index(hm08)] = 1
    for _ in range(RINGS):
        inside = inside + graph @ inside
    flat = _fill(sp.csc_array(sp.diags_array(graph.sum(1)) - graph), inside > 0) @ reference
    weights = _cotangents(flat, topology.faces)
    laplacian = sp.diags_array(weights.sum(1)) - weights
    areas = np.maximum(vertex_areas(flat, topology.faces), 1e-12)
    return _fill(sp.csc_array(laplacian @ sp.diags_array(1 / areas) @ laplacian), inside > 0)


def _cotangents(vertices: np.ndarray, faces: np.ndarray) -> sp.csr_array:
    total = sp.csr_array((len(vertices),) * 2)
    for i in range(3):
        tip, a, b = (faces[:, (i + k) % 3] for k in range(3))
        u, v = vertices[a] - vertices[tip], vertices[b] - vertices[tip]
        value = (u * v).sum(1) / np.maximum(np.linalg.norm(np.cross(u, v), axis=1), 1e-12)
        total = total + sp.csr_array((np.clip(value, -20, 20) / 2, (a, b)), total.shape)
    return total + total.T


def _fill(energy: sp.csc_array, inside: np.ndarray) -> sp.csr_array:
    """Operator that keeps what is outside and puts the inside where energy @ x vanishes."""
    patch, rest, count = np.flatnonzero(inside), np.flatnonzero(~inside), len(inside)
    inner, outer = sp.csc_matrix(energy[patch][:, patch]), sp.csc_matrix(-energy[patch][:, rest])
    fill = sp.csr_array(spla.spsolve(inner, outer))
    keep = sp.csr_array((np.ones(len(rest)), (rest, rest)), (count, count))
    spread = sp.csr_array(
        (np.ones(len(patch)), (patch, np.arange(len(patch)))), (count, len(patch))
    )
    gather = sp.csr_array((np.ones(len(rest)), (np.arange(len(rest)), rest)), (len(rest), count))
    return sp.csr_array(keep + spread @ fill @ gather)


def vertex_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """A third of the area of the triangles around each vertex, [V]."""
    corners = vertices[faces]
    area = (
        np.linalg.norm(
            np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
        )
        / 6
    )
    return np.bincount(faces.ravel(), np.repeat(area, 3), len(vertices))


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [V, 3], area weighted."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.stack(
        [np.bincount(faces.ravel(), np.repeat(normal[:, i], 3), len(vertices)) for i in range(3)], 1
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20)


def symmetrise(vertices: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Mean of points [..., V, 3] and their mirror image in x, exactly symmetric."""
    return 0.5 * (vertices + vertices[..., mirror, :] * np.array([-1.0, 1.0, 1.0], vertices.dtype))
