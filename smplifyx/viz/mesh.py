"""Triangle meshes ready to draw: plain arrays in the camera's frame, one colour per vertex."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from ..camera import NEAREST


@dataclass(frozen=True)
class Mesh:
    """Triangles with coloured vertices.

    vertices: [V, 3] metres in the camera's frame.
    faces: [F, 3] indices of vertices.
    colours: [V, 3] RGB 0..1.
    """

    vertices: Float[np.ndarray, "v 3"]
    faces: Integer[np.ndarray, "f 3"]
    colours: Float[np.ndarray, "v 3"]


def array(values: Tensor | np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """A tensor on any device, or an array, as a numpy array of `dtype`."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=dtype)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Several meshes as one, so that they share a depth buffer; none gives an empty mesh."""
    if not meshes:
        return Mesh(
            vertices=np.zeros((0, 3)),
            faces=np.zeros((0, 3), np.int64),
            colours=np.zeros((0, 3), np.float32),
        )
    faces = []
    first_vertex = 0  # of the next mesh, in the joined one
    for mesh in meshes:
        faces.append(mesh.faces + first_vertex)
        first_vertex += len(mesh.vertices)
    return Mesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        faces=np.concatenate(faces),
        colours=np.concatenate([mesh.colours for mesh in meshes]),
    )


def clip_near(mesh: Mesh, near: float = NEAREST) -> Mesh:
    """The part of a mesh that is farther than `near` metres.

    Faces across the plane are cut there, and faces with a corner that is NaN are dropped. A face
    with one corner in front leaves a triangle, one with two leaves a quadrilateral, which becomes
    two triangles.
    """
    finite = np.all(np.isfinite(mesh.vertices), axis=1)
    if finite.all() and (mesh.vertices[:, 2] > near).all():
        return mesh
    faces = mesh.faces[finite[mesh.faces].all(1)]
    vertices = np.where(finite[:, None], mesh.vertices, 0.0)
    in_front = vertices[faces, 2] > near  # [F, 3]
    corners_in_front = in_front.sum(1)
    if (corners_in_front == 3).all():
        return Mesh(vertices, faces, mesh.colours)

    # [:, 0] is the one corner in front, or the one behind
    one_in_front = _with_corner_first(faces[corners_in_front == 1], in_front[corners_in_front == 1])
    one_behind = _with_corner_first(faces[corners_in_front == 2], ~in_front[corners_in_front == 2])

    # Each of those faces has two edges across the plane; each crossing becomes a vertex. An edge
    # runs from the corner in front to the one behind.
    start = np.concatenate(
        [one_in_front[:, 0], one_in_front[:, 0], one_behind[:, 1], one_behind[:, 2]]
    )
    end = np.concatenate(
        [one_in_front[:, 1], one_in_front[:, 2], one_behind[:, 0], one_behind[:, 0]]
    )
    start_depth = vertices[start, 2]
    end_depth = vertices[end, 2]
    along = ((near - start_depth) / (end_depth - start_depth))[:, None]

    # the new vertices' indices, in the four groups of `start`
    crossings = len(vertices) + np.arange(len(start))
    group_ends = np.cumsum([len(one_in_front), len(one_in_front), len(one_behind)])
    tip_second, tip_third, base_second, base_third = np.split(crossings, group_ends)
    tips = np.stack([one_in_front[:, 0], tip_second, tip_third], 1)
    base_halves = [
        np.stack([one_behind[:, 1], one_behind[:, 2], base_third], 1),
        np.stack([one_behind[:, 1], base_third, base_second], 1),
    ]

    cut_vertices = _interpolated(vertices, start, end, along)
    cut_colours = _interpolated(mesh.colours, start, end, along)
    return Mesh(
        vertices=np.concatenate([vertices, cut_vertices]),
        faces=np.concatenate([faces[corners_in_front == 3], tips, *base_halves]),
        colours=np.concatenate([mesh.colours, cut_colours]).astype(np.float32),
    )


def _with_corner_first(
    faces: Integer[np.ndarray, "f 3"], chosen: Bool[np.ndarray, "f 3"]
) -> Integer[np.ndarray, "f 3"]:
    """Faces turned so that their one chosen corner comes first; the winding stays."""
    first = np.argmax(chosen, 1)[:, None]
    order = (first + np.arange(3)) % 3
    return np.take_along_axis(faces, order, 1)


def _interpolated(
    values: Float[np.ndarray, "v 3"],
    start: Integer[np.ndarray, " e"],
    end: Integer[np.ndarray, " e"],
    along: Float[np.ndarray, "e 1"],
) -> Float[np.ndarray, "e 3"]:
    """Values of the vertices `start`, the share `along` of the way to those of `end`."""
    return values[start] + (values[end] - values[start]) * along
