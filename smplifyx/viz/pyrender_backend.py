"""The same picture through pyrender (OpenGL), headless by EGL; an optional extra that nothing else
depends on.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from ..camera import NEAREST
from .mesh import Mesh
from .raster import Layer, ProjectedMesh, empty_layer, project_mesh

NO_GL = (
    "pyrender finds no OpenGL here: apt-get install -y libegl1 libgl1, or use --renderer software"
)
# pyrender has no types of its own and may be absent: what comes from it is not checked
Untyped = Any


class RendererUnavailable(RuntimeError):
    """pyrender or the GL libraries are missing; the message names the command that mends it."""


def problem() -> str | None:
    """One line: why this renderer cannot be used here and what mends it; None if it works."""
    try:
        pyrender = _import_pyrender()
        _offscreen_renderer(pyrender, width=8, height=8).delete()
    except RendererUnavailable as error:
        return str(error)
    return None


def rasterise_gl(mesh: Mesh, K: Float[np.ndarray, "3 3"], size: tuple[int, int]) -> Layer:
    """Draws a mesh as `raster.rasterise` does, by OpenGL with 4 samples per pixel.

    Raises RendererUnavailable where pyrender or GL is missing.
    """
    pyrender = _import_pyrender()
    view = project_mesh(mesh, K, size)
    if view is None:
        return empty_layer()
    renderer = _offscreen_renderer(pyrender, view.width, view.height)
    try:
        scene = _scene(pyrender, view, np.asarray(K, np.float64))
        flags = pyrender.RenderFlags
        rgba_bytes, depth = renderer.render(scene, flags.FLAT | flags.RGBA | flags.SKIP_CULL_FACES)
    finally:
        renderer.delete()
    # GL resolves its samples onto a transparent black background: the colours come premultiplied
    rgba = rgba_bytes.astype(np.float32) / 255
    return Layer(
        colour=rgba[..., :3],
        alpha=rgba[..., 3],
        depth=np.where(depth > 0, depth, np.inf).astype(np.float32),
        left=view.left,
        top=view.top,
    )


def _scene(pyrender: ModuleType, view: ProjectedMesh, K: Float[np.ndarray, "3 3"]) -> Untyped:
    """The mesh, unlit with its vertex colours, before the camera of its rectangle."""
    mesh = view.mesh
    to_gl = np.array([1, -1, -1], np.float32)  # GL looks along -z with y up
    opaque = np.ones((len(mesh.colours), 1))
    primitive = pyrender.Primitive(
        positions=(mesh.vertices * to_gl).astype(np.float32),
        color_0=np.concatenate([mesh.colours, opaque], 1).astype(np.float32),
        indices=mesh.faces.astype(np.uint32),
        material=pyrender.MetallicRoughnessMaterial(doubleSided=True, alphaMode="OPAQUE"),
    )
    camera = pyrender.IntrinsicsCamera(
        fx=K[0, 0],
        fy=K[1, 1],
        cx=K[0, 2] - view.left,
        cy=K[1, 2] - view.top,
        znear=0.5 * NEAREST,
        zfar=2 * float(mesh.vertices[mesh.faces, 2].max()),
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


def _offscreen_renderer(pyrender: ModuleType, width: int, height: int) -> Untyped:
    """A renderer without a window; whoever asks for it must delete it."""
    try:
        return pyrender.OffscreenRenderer(width, height)
    # GL drivers fail in many ways; each one means that there is no usable GL here
    except Exception as error:
        raise RendererUnavailable(NO_GL) from error
