"""Which renderer draws a mesh: the choice and the dispatch."""

from __future__ import annotations

import enum

import numpy as np
from jaxtyping import Float

from .mesh import Mesh
from .raster import Layer, rasterise


class Renderer(enum.Enum):
    """SOFTWARE needs nothing but OpenCV or numpy; PYRENDER needs the `render` extra and the GL
    libraries.
    """

    SOFTWARE = "software"
    PYRENDER = "pyrender"


def render(
    mesh: Mesh,
    K: Float[np.ndarray, "3 3"],
    size: tuple[int, int],
    renderer: Renderer = Renderer.SOFTWARE,
) -> Layer:
    """Draws a mesh in the camera's frame with intrinsics K on an image of (width, height) pixels.

    Raises RendererUnavailable where pyrender or GL is missing.
    """
    if renderer is Renderer.SOFTWARE:
        return rasterise(mesh, K, size)
    # an optional extra: nothing of it may load unless it is asked for
    from .pyrender_backend import rasterise_gl

    return rasterise_gl(mesh, K, size)
