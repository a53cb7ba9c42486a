"""The nearest points of a mesh, among those of its triangles that may be meant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.spatial import KDTree

CANDIDATES = 24  # triangles that are looked at for each point, by their centres


@dataclass(frozen=True, eq=False)
class Nearest:
    """For p points, the nearest one on a mesh: within a triangle of `corners`, by their `shares`.

    distance: metres. facing: the cosine between the point's normal and the triangle's. found:
    whether any triangle may be meant; what is said of the others means nothing.
    """

    corners: Int[NDArray, "p 3"]
    shares: Float[NDArray, "p 3"]
    places: Float[NDArray, "p 3"]
    distance: Float[NDArray, " p"]
    facing: Float[NDArray, " p"]
    found: Bool[NDArray, " p"]


def nearest_on_mesh(
    points: Float[NDArray, "p 3"],
    normals: Float[NDArray, "p 3"],
    kinds: Int[NDArray, " p"],
    mesh: trimesh.Trimesh,
    face_kinds: Int[NDArray, " f"],
    may_meet: Bool[NDArray, "k k2"],
) -> Nearest:
    """The nearest points of a mesh that face the same way.

    kinds, face_kinds: numbers of the parts that points and triangles belong to; `may_meet[a, b]`
    says whether a point of part a may lie on a triangle of part b. A triangle that faces away from
    a point's normal is not meant.
    """
    count = len(points)
    best = Nearest(
        corners=np.zeros((count, 3), dtype=np.int64),
        shares=np.tile([1.0, 0.0, 0.0], (count, 1)),
        places=np.zeros((count, 3)),
        distance=np.full(count, np.inf),
        facing=np.full(count, -1.0),
        found=np.zeros(count, dtype=bool),
    )
    centres = mesh.triangles_center
    for kind in np.unique(kinds):
        own = np.flatnonzero(kinds == kind)
        faces = np.flatnonzero(may_meet[kind, face_kinds])
        if not len(faces):
            continue
        wanted = min(CANDIDATES, len(faces))
        near = KDTree(centres[faces]).query(points[own], k=wanted)[1].reshape(len(own), wanted)
        _fill(best, own, faces[near], points, normals, mesh)
    return best


def _fill(
    best: Nearest,
    own: Int[NDArray, " m"],
    candidates: Int[NDArray, "m k"],
    points: Float[NDArray, "p 3"],
    normals: Float[NDArray, "p 3"],
    mesh: trimesh.Trimesh,
) -> None:
    """Of the points `own`, the nearest on each one's candidates."""
    flat = candidates.ravel()
    repeated = np.repeat(points[own], candidates.shape[1], axis=0)
    places = trimesh.triangles.closest_point(mesh.triangles[flat], repeated)
    distance = np.linalg.norm(places - repeated, axis=-1).reshape(candidates.shape)
    facing = (normals[own][:, None] * mesh.face_normals[candidates]).sum(-1)
    counted = np.where(facing > 0, distance, np.inf)
    chosen = counted.argmin(1)

    rows = np.arange(len(own))
    triangle = candidates[rows, chosen]
    place = places.reshape(*candidates.shape, 3)[rows, chosen]
    shares = trimesh.triangles.points_to_barycentric(mesh.triangles[triangle], place)
    shares = np.clip(np.nan_to_num(shares, nan=1 / 3), 0, 1)
    best.corners[own] = mesh.faces[triangle]
    best.shares[own] = shares / shares.sum(1, keepdims=True)
    best.places[own] = place
    best.distance[own] = distance[rows, chosen]
    best.facing[own] = facing[rows, chosen]
    best.found[own] = np.isfinite(counted[rows, chosen])
