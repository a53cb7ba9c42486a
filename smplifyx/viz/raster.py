"""The software renderer: a mesh in the camera's frame to anti-aliased colour, coverage and depth.

No system library.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np
from jaxtyping import Float, Integer

from ..camera import NEAREST
from .mesh import Mesh, clip_near
from .zbuffer import Fill, best_fill

BAND = 1 << 21  # sub-pixels rasterised at once, so that a huge photo needs no huge buffers


@dataclass(frozen=True)
class Layer:
    """What a renderer drew, for the rectangle of the image that it covers.

    colour is premultiplied by alpha (coverage), both 0..1; depth in metres, inf where nothing is;
    left and top are the rectangle's corner in pixels of the image.
    """

    colour: Float[np.ndarray, "h w 3"]
    alpha: Float[np.ndarray, "h w"]
    depth: Float[np.ndarray, "h w"]
    left: int
    top: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the image that this layer lies on."""
        height, width = self.alpha.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclass(frozen=True)
class Frame:
    """A mesh cut at the near plane and projected: what every renderer starts from."""

    mesh: Mesh
    corners: Float[np.ndarray, "v 3"]
    left: int
    top: int
    width: int
    height: int


def frame(mesh: Mesh, K: Float[np.ndarray, "3 3"], size: tuple[int, int]) -> Frame | None:
    """The visible faces of a mesh and the rectangle of the (width, height) image they touch; None
    if there are none.
    """
    mesh = clip_near(mesh)
    z = np.maximum(mesh.vertices[:, 2:], NEAREST)
    uv = mesh.vertices / z @ np.asarray(K, np.float64)[:2].T
    faces = _faces_within(uv, mesh.faces, size)
    if not len(faces):
        return None
    used = uv[faces.ravel()] if len(faces) < len(mesh.faces) else uv
    left, top = np.floor(np.clip(used.min(0), 0, np.array(size) - 1)).astype(int)
    right, bottom = np.ceil(np.clip(used.max(0), 1, size)).astype(int)
    kept = Mesh(mesh.vertices, faces, mesh.colours)
    projected = np.concatenate([uv - (left, top), z], 1)
    return Frame(kept, projected, int(left), int(top), int(right - left), int(bottom - top))


def _faces_within(
    uv: Float[np.ndarray, "v 2"], faces: Integer[np.ndarray, "f 3"], size: tuple[int, int]
) -> Integer[np.ndarray, "g 3"]:
    """The faces whose boxes touch the image."""
    if ((uv > 0) & (uv < size)).all():
        return faces
    corners = [uv[faces[:, i]] for i in range(3)]
    low, high = reduce(np.minimum, corners), reduce(np.maximum, corners)
    return faces[((high > 0) & (low < size)).all(1)]


def rasterise(
    mesh: Mesh,
    K: Float[np.ndarray, "3 3"],
    size: tuple[int, int],
    supersample: int = 2,
    fill: Fill | None = None,
) -> Layer:
    """Draws a mesh by z-buffer, anti-aliased by `supersample` samples per pixel and axis.

    `size` is (width, height) of the image in pixels; only the mesh's own rectangle is drawn. Faces
    nearer than 5 cm or behind the camera are cut away. `fill` chooses the z-buffer (default: the
    fastest there is).
    """
    view = frame(mesh, K, size)
    if view is None:
        return empty_layer()
    fill = fill or best_fill()
    rows = max(1, BAND // (supersample**2 * view.width))
    layer = _blank(view)
    for start in range(0, view.height, rows):
        _draw_band(layer, view, slice(start, min(start + rows, view.height)), supersample, fill)
    return layer


def empty_layer() -> Layer:
    """A layer of no pixels."""
    nothing = np.zeros((0, 0), np.float32)
    return Layer(np.zeros((0, 0, 3), np.float32), nothing, nothing, 0, 0)


def _blank(view: Frame) -> Layer:
    shape = (view.height, view.width)
    depth = np.full(shape, np.inf, np.float32)
    return Layer(
        np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32), depth, view.left, view.top
    )


def _draw_band(layer: Layer, view: Frame, rows: slice, supersample: int, fill: Fill) -> None:
    """Fills some rows of a blank layer."""
    corners = (view.corners - (0, rows.start, 0)) * (supersample, supersample, 1)
    small = (view.width, rows.stop - rows.start)
    size = (small[0] * supersample, small[1] * supersample)
    faces = view.mesh.faces
    if small[1] < view.height:
        v = [corners[faces[:, i], 1] for i in range(3)]
        faces = faces[(reduce(np.maximum, v) > 0) & (reduce(np.minimum, v) < size[1])]
    if not len(faces):
        return
    depth, colour = fill(corners, faces, view.mesh.colours, size)
    layer.colour[rows] = cv2.resize(colour, small, interpolation=cv2.INTER_AREA)
    layer.alpha[rows] = cv2.resize(
        np.isfinite(depth).astype(np.float32), small, interpolation=cv2.INTER_AREA
    )
    samples = [
        depth[i::supersample, j::supersample]
        for i in range(supersample)
        for j in range(supersample)
    ]
    layer.depth[rows] = reduce(np.minimum, samples)
