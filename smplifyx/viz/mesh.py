"""Triangle meshes ready to draw: plain arrays in the camera's frame, one colour per vertex."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from torch import Tensor

from ..camera import NEAREST


@dataclass(frozen=True)
class Mesh:
    """Triangles with coloured vertices; vertices in metres in the camera's frame, colours 0..1."""

    vertices: Float[np.ndarray, "v 3"]
    faces: Integer[np.ndarray, "f 3"]
    colours: Float[np.ndarray, "v 3"]


def array(values: Tensor | np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """A tensor on any device, or an array, as a numpy array of `dtype`."""
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=dtype)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Several meshes as one, so that they share a depth buffer; none gives an empty mesh."""
    if not meshes:
        return Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64), np.zeros((0, 3), np.float32))
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=True)]),
        np.concatenate([m.colours for m in meshes]),
    )


def clip_near(mesh: Mesh, near: float = NEAREST) -> Mesh:
    """The part of a mesh farther than `near` metres: faces across the plane are cut, faces with NaN
    corners dropped.
    """
    if (mesh.vertices[:, 2] > near).all() and np.isfinite(mesh.vertices).all():
        return mesh
    finite = np.isfinite(mesh.vertices).all(1)
    faces = mesh.faces[finite[mesh.faces].all(1)]
    vertices = np.where(finite[:, None], mesh.vertices, 0.0)
    front = vertices[faces, 2] > near
    count = front.sum(1)
    if (count == 3).all():
        return Mesh(vertices, faces, mesh.colours)
    one = _rolled(faces[count == 1], front[count == 1])
    two = _rolled(faces[count == 2], ~front[count == 2])
    start = np.concatenate([one[:, 0], one[:, 0], two[:, 1], two[:, 2]])
    end = np.concatenate([one[:, 1], one[:, 2], two[:, 0], two[:, 0]])
    along = ((near - vertices[start, 2]) / (vertices[end, 2] - vertices[start, 2]))[:, None]
    a, b, c, d = np.split(
        len(vertices) + np.arange(len(start)), np.cumsum([len(one), len(one), len(two)])
    )
    cut = [
        np.stack(t, 1) for t in ((one[:, 0], a, b), (two[:, 1], two[:, 2], d), (two[:, 1], d, c))
    ]
    return Mesh(
        np.concatenate([vertices, _between(vertices, start, end, along)]),
        np.concatenate([faces[count == 3], *cut]),
        np.concatenate([mesh.colours, _between(mesh.colours, start, end, along)]).astype(
            np.float32
        ),
    )


def _rolled(faces: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Faces with their one chosen corner first; the winding stays."""
    order = (
        (np.argmax(chosen, 1)[:, None] + np.arange(3)) % 3
        if len(faces)
        else np.zeros((0, 3), np.int64)
    )
    return np.take_along_axis(faces, order, 1)


def _between(
    values: np.ndarray, start: np.ndarray, end: np.ndarray, along: np.ndarray
) -> np.ndarray:
    return values[start] + (values[end] - values[start]) * along
