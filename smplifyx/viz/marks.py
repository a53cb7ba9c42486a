"""Where bodies pass through themselves, in colour: on the skin, and through whatever hides it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from .mesh import Mesh, array
from .shade import Colour, shade

CUT: Colour = (0.88, 0.07, 0.05)  # triangles that cut another part
SHALLOW: Colour = (1.00, 0.42, 0.70)  # skin just inside another part ...
DEEP: Colour = (0.42, 0.02, 0.55)  # ... and skin that is FULL_AT inside
FULL_AT = 0.03  # metres


@dataclass(frozen=True)
class Marks:
    """What to mark of a body; see `collision.mesh.check.MeshPenetration`.

    cut: [F] whether a triangle cuts another part of the body.
    inside: [V] metres that a vertex lies inside another part; 0 where it is outside.
    """

    cut: Bool[Tensor, " f"] | Bool[np.ndarray, " f"]
    inside: Float[Tensor, " v"] | Float[np.ndarray, " v"]


def marked(body: Mesh, marks: Marks) -> Mesh:
    """The shaded body with its marks, which are lit as the rest of it is.

    The corners of triangles that cut are added as vertices of their own, after those of the body:
    neighbours share corners, and only the triangle that cuts may change its colour.
    """
    cut = array(marks.cut, bool)
    inside = array(marks.inside)

    depth = np.clip(inside / FULL_AT, 0, 1)[:, None]  # [V, 1], 0 at the surface, 1 at FULL_AT
    tints = (1 - depth) * SHALLOW + depth * DEEP
    tinted = shade(body.vertices, body.faces, tints)
    skin = np.where(inside[:, None] > 0, tinted, body.colours)

    corners = body.faces[cut].ravel()
    red = shade(body.vertices, body.faces, CUT)[corners]
    faces = body.faces.copy()
    faces[cut] = len(body.vertices) + np.arange(len(corners)).reshape(-1, 3)
    return Mesh(
        vertices=np.concatenate([body.vertices, body.vertices[corners]]),
        faces=faces,
        colours=np.concatenate([skin, red]),
    )


def only_marks(body: Mesh, marks: Marks) -> Mesh:
    """The coloured faces alone of a body that went through `marked`."""
    cut = array(marks.cut, bool)
    inside = array(marks.inside) > 0
    # the vertices behind those of `marks` are the corners of cut triangles, which are all marked
    added = np.ones(len(body.vertices) - len(inside), bool)
    coloured = np.concatenate([inside, added])
    shown = cut | coloured[body.faces].all(1)
    return Mesh(body.vertices, body.faces[shown], body.colours)
