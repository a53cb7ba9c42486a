"""The same picture through pyrender (OpenGL), headless by EGL; an optional extra that nothing else
depends on.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

import numpy as np
from jaxtyping import Float

from ..camera import NEAREST
from .mesh import Mesh
from .raster import Frame, Layer, empty_layer, frame

NO_GL = (
    "pyrender finds no OpenGL here: apt-get install -y libegl1 libgl1, or use --renderer software"
)


class RendererUnavailable(RuntimeError):
    """pyrender or the GL libraries are missing; the message names the command that mends it."""


def problem() -> str | None:
    """Why this renderer cannot be used here, in one line that names the remedy; None if it works."""
    try:
        pyrender = _import_pyrender()
        _offscreen(pyrender, 8, 8).delete()
    except RendererUnavailable as error:
        return str(error)
    return None


def rasterise_gl(mesh: Mesh, K: Float[np.ndarray, "3 3"], size: tuple[int, int]) -> Layer:
    """Draws a mesh as `raster.rasterise` does, by OpenGL with 4 samples per pixel.

    Raises RendererUnavailable where pyrender or GL is missing.
    """
    pyrender = _import_pyrender()
    view = frame(mesh, K, size)
    if view is None:
        return empty_layer()
    renderer = _offscreen(pyrender, view.width, view.height)
    try:
        flags = (
            pyrender.RenderFlags.FLAT
            | pyrender.RenderFlags.RGBA
            | pyrender.RenderFlags.SKIP_CULL_FACES
        )
        colour, depth = renderer.render(_scene(pyrender, view, np.asarray(K, np.float64)), flags)
    finally:
        renderer.delete()
    rgba = colour.astype(np.float32) / 255
    # GL resolves its samples onto a transparent black background: the colours come premultiplied
    depth = np.where(depth > 0, depth, np.inf).astype(np.float32)
    return Layer(rgba[..., :3], rgba[..., 3], depth, view.left, view.top)


def _scene(pyrender: ModuleType, view: Frame, K: np.ndarray) -> object:
    """The frame's mesh, unlit with its vertex colours, before the frame's own camera."""
    vertices, faces, colours = view.mesh.vertices, view.mesh.faces, view.mesh.colours
    opaque = np.concatenate([colours, np.ones((len(colours), 1))], 1).astype(np.float32)
    to_gl = np.array([1, -1, -1], np.float32)  # GL looks along -z with y up
    primitive = pyrender.Primitive(
        positions=(vertices * to_gl).astype(np.float32),
        color_0=opaque,
        indices=faces.astype(np.uint32),
        material=pyrender.MetallicRoughnessMaterial(doubleSided=True, alphaMode="OPAQUE"),
    )
    far = 2 * float(vertices[faces, 2].max())
    camera = pyrender.IntrinsicsCamera(
        K[0, 0], K[1, 1], K[0, 2] - view.left, K[1, 2] - view.top, znear=0.5 * NEAREST, zfar=far
    )
    scene = pyrender.Scene(bg_color=[0, 0, 0, 0])
    scene.add(pyrender.Mesh([primitive]))
    scene.add(camera, pose=np.eye(4))
    return scene


def _import_pyrender() -> ModuleType:
    """pyrender, set up to work without a display: it reads these variables when it is imported."""
    if sys.platform == "linux":
        os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
        os.environ.setdefault("PYGLET_HEADLESS", "1")
    try:
        import pyrender
    except ModuleNotFoundError as error:
        raise RendererUnavailable(
            'pyrender is not installed: pip install "smplifyx[render]"'
        ) from error
    except (ImportError, AttributeError, OSError) as error:
        raise RendererUnavailable(NO_GL) from error
    return pyrender


def _offscreen(pyrender: ModuleType, width: int, height: int) -> object:
    try:
        return pyrender.OffscreenRenderer(width, height)
    # GL drivers fail in many ways; each one means that there is no usable GL here
    except Exception as error:
        raise RendererUnavailable(NO_GL) from error
