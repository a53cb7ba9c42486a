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
    """What to mark of a body; see `collision.mesh.check.MeshPenetration`."""

    cut: Bool[Tensor, " f"] | Bool[np.ndarray, " f"]  # triangles that cut another part
    # metres each vertex lies inside another part; 0: outside
    inside: Float[Tensor, " v"] | Float[np.ndarray, " v"]


def marked(body: Mesh, marks: Marks) -> Mesh:
    """The shaded body with its marks, which are lit as the rest is; triangles that cut have a
    colour of their own.
    """
    vertices, faces = body.vertices, body.faces
    cut, inside = array(marks.cut, bool), array(marks.inside)
    depth = np.clip(inside / FULL_AT, 0, 1)[:, None]
    tinted = shade(vertices, faces, (1 - depth) * SHALLOW + depth * DEEP)
    skin = np.where(inside[:, None] > 0, tinted, body.colours)
    corners = faces[cut].ravel()
    apart = faces.copy()
    apart[cut] = len(vertices) + np.arange(len(corners)).reshape(-1, 3)
    colours = np.concatenate([skin, shade(vertices, faces, CUT)[corners]])
    return Mesh(np.concatenate([vertices, vertices[corners]]), apart, colours)


def only_marks(body: Mesh, marks: Marks) -> Mesh:
    """Of a body that is `marked`, the faces that are."""
    cut, inside = array(marks.cut, bool), array(marks.inside) > 0
    inner = np.concatenate([inside, np.ones(len(body.vertices) - len(inside), bool)])
    return Mesh(body.vertices, body.faces[cut | inner[body.faces].all(1)], body.colours)
