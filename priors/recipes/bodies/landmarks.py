"""Face landmarks as points on triangles: 51 fixed ones and the outline of the face for 79 head
yaws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import tables
from .tables import JOINT
from .topology import Topology

YAWS, POINTS, RAY = 39, 17, np.radians(2.5)


@dataclass(frozen=True)
class Landmarks:
    """Triangles and barycentric weights: fixed [51] and contour [79, 17]."""

    faces: np.ndarray
    bary: np.ndarray
    contour_faces: np.ndarray
    contour_bary: np.ndarray


def static_landmarks(topology: Topology) -> tuple[np.ndarray, np.ndarray]:
    """Face ids [51] and barycentric weights [51, 3] of the fixed landmarks."""
    ids, weights = [], []
    for point in tables.landmark_points():
        wanted = {int(topology.index(v)): w for v, w in point}
        face = np.flatnonzero(np.isin(topology.faces, list(wanted)).sum(1) == len(wanted))[0]
        values = np.array([wanted.get(int(v), 0.0) for v in topology.faces[face]])
        ids.append(face)
        weights.append(values / values.sum())
    return np.array(ids), np.array(weights)


def _face_region(vertices: np.ndarray, topology: Topology, weights: np.ndarray) -> np.ndarray:
    """Triangles of the front of the head: before the ears, above the jaw line, below the brows."""
    at = lambda hm08: vertices[topology.index(hm08)]  # noqa: E731
    centre = vertices[topology.faces].mean(1)
    head = weights[:, [JOINT["head"], JOINT["jaw"]]].sum(1) > 0.5
    sphere = np.isin(topology.base_ids, np.concatenate([tables.LEFT_EYEBALL, tables.RIGHT_EYEBALL]))
    gonion, gnathion = at(tables.EAR_LOBE) - [0, 0.024, 0], at(tables.GNATHION)
    slope = (gnathion[1] - gonion[1]) / (gnathion[2] - gonion[2])
    above = centre[:, 1] > gonion[1] + slope * (centre[:, 2] - gonion[2])
    eye = vertices[sphere, 1].mean()
    front = (centre[:, 2] > at(tables.EAR_FRONT)[2] - 0.004) & (centre[:, 1] < eye + 0.012)
    return np.flatnonzero(
        head[topology.faces].all(1) & ~sphere[topology.faces].any(1) & above & front
    )


def _grid(steps: int) -> np.ndarray:
    """Barycentric points spread over a triangle."""
    points = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return np.array(points, float) / steps


def contour(
    vertices: np.ndarray, topology: Topology, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Outline of the face for head yaws 0..-39 deg (rows 0..39) and +1..+39 (rows 40..78): faces
    and weights.

    The 17 points run from the subject's right ear over the chin to the left ear, as a viewer at +z
    sees the face.
    """
    region, grid = _face_region(vertices, topology, weights), _grid(4)
    corners = vertices[topology.faces[region]]
    samples = np.einsum("gk,fkc->fgc", grid, corners).reshape(-1, 3)
    centre = vertices[topology.index(tables.SUBNASALE)] - [0, 0.005, 0]
    sphere = np.isin(topology.base_ids, np.concatenate([tables.LEFT_EYEBALL, tables.RIGHT_EYEBALL]))
    level = vertices[sphere, 1].mean() - centre[1]
    rows = [_outline(samples - centre, np.radians(-k), level) for k in range(YAWS + 1)]
    picked = np.array(rows)
    faces, bary = region[picked // len(grid)], grid[picked % len(grid)]
    mirrored = [_mirror_points(faces[k, ::-1], bary[k, ::-1], topology) for k in range(YAWS + 1)]
    faces[0], bary[0] = _symmetric(faces[0], bary[0], mirrored[0])
    right = [np.stack([m[i] for m in mirrored[1:]]) for i in (0, 1)]
    return np.concatenate([faces, right[0]]), np.concatenate([bary, right[1]])


def _outline(samples: np.ndarray, yaw: float, level: float) -> np.ndarray:
    """Ids of 17 samples along the silhouette seen from +z after turning by `yaw` about y."""
    x = np.cos(yaw) * samples[:, 0] + np.sin(yaw) * samples[:, 2]
    x = x - np.sin(yaw) * samples[:, 2].max() * 0.5  # look from the middle of the turned face
    angle, radius = np.arctan2(x, -samples[:, 1]), np.hypot(x, samples[:, 1])
    bins = np.round(angle / RAY).astype(int)
    order = np.lexsort((-radius, bins))
    first = order[np.unique(bins[order], return_index=True)[1]]
    # after the choice: the cut itself must not become an outline
    first = first[samples[first, 1] < level]
    line = np.stack([x[first], samples[first, 1]], 1)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    stops = np.linspace(0, length[-1], POINTS)
    wanted = np.stack([np.interp(stops, length, line[:, i]) for i in (0, 1)], 1)
    return first[np.linalg.norm(line[None] - wanted[:, None], axis=-1).argmin(1)]


def _mirror_points(
    faces: np.ndarray, bary: np.ndarray, topology: Topology
) -> tuple[np.ndarray, np.ndarray]:
    where = {frozenset(face): i for i, face in enumerate(topology.faces.tolist())}
    out_faces, out_bary = np.empty_like(faces), np.empty_like(bary)
    for i, (face, weight) in enumerate(zip(faces, bary, strict=True)):
        twins = topology.mirror[topology.faces[face]].tolist()
        out_faces[i] = where[frozenset(twins)]
        out_bary[i] = weight[[twins.index(v) for v in topology.faces[out_faces[i]].tolist()]]
    return out_faces, out_bary


def _symmetric(faces: np.ndarray, bary: np.ndarray, mirrored: tuple[np.ndarray, np.ndarray]
               ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The frontal row with its left half taken from the mirror image of its right half."""
    half = np.arange(POINTS) > POINTS // 2
    return np.where(half, mirrored[0], faces), np.where(half[:, None], mirrored[1], bary)
