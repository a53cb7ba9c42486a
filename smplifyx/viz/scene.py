"""What is drawn: people with their colours and points, and how they become one shaded layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from torch import Tensor

from ..camera import Camera
from .marks import Marks, marked, only_marks
from .mesh import Mesh, array, join
from .raster import Layer
from .render import Renderer, render
from .shade import Colour, add_depth_cue, shade
from .unsure import tinted

Faces = Integer[Tensor, "f 3"] | Integer[np.ndarray, "f 3"]
Image = np.ndarray  # [height, width, 3] RGB uint8
COMPOSITE_LINES = 512  # of pixels at once: bounds the temporaries on huge photos


@dataclass(frozen=True)
class Figure:
    """One person to draw; anything but the colour may be missing.

    colour: RGB 0..1 of the body.
    vertices: [V, 3] metres in the camera's frame.
    keypoints: [137, 3] as detected: x and y in pixels, confidence (0 = unseen).
    points2d: [137, 2] the model's own projected points in pixels (NaN = none).
    marks: where the body passes through itself.
    unsure: [V] standard deviation of each vertex in depth, metres, which tints the body.
    """

    colour: Colour
    vertices: Float[Tensor, "v 3"] | Float[np.ndarray, "v 3"] | None = None
    keypoints: Float[Tensor, "137 3"] | Float[np.ndarray, "137 3"] | None = None
    points2d: Float[Tensor, "137 2"] | Float[np.ndarray, "137 2"] | None = None
    marks: Marks | None = None
    unsure: Float[Tensor, " v"] | Float[np.ndarray, " v"] | None = None


def intrinsics(camera: Camera) -> tuple[Float[np.ndarray, "3 3"], tuple[int, int]]:
    """K and the (width, height) in whole pixels of one camera. Raises ValueError for a batch."""
    if camera.K.ndim != 2:
        raise ValueError(
            f"camera: expected one camera with K [3, 3], got a batch with K {list(camera.K.shape)}"
        )
    width, height = (int(round(float(side))) for side in camera.image_size)
    return array(camera.K), (width, height)


def draw_people(
    people: Sequence[Figure],
    faces: Faces,
    K: Float[np.ndarray, "3 3"],
    size: tuple[int, int],
    renderer: Renderer,
) -> Layer:
    """All bodies lit and drawn into one depth buffer: right whatever the order of `people`."""
    meshes = [mesh for mesh, _ in _lit_bodies(people, faces)]
    layer = render(join(meshes), K, size, renderer)
    return add_depth_cue(layer, focal=float(K[1, 1]))


def draw_marks(
    people: Sequence[Figure],
    faces: Faces,
    K: Float[np.ndarray, "3 3"],
    size: tuple[int, int],
    renderer: Renderer,
) -> Layer:
    """The marks of all bodies alone, as if nothing hid them."""
    bodies = _lit_bodies(people, faces)
    meshes = [only_marks(mesh, marks) for mesh, marks in bodies if marks is not None]
    return render(join(meshes), K, size, renderer)


def composite(image: Image, layer: Layer, opacity: float = 1.0) -> Image:
    """A copy of the image with the layer over it; opacity 0..1."""
    out = image.copy()
    window = out[layer.window]  # a view into `out`
    for start in range(0, len(layer.alpha), COMPOSITE_LINES):
        part = slice(start, start + COMPOSITE_LINES)
        kept = 1 - opacity * layer.alpha[part, :, None]
        # the layer's colour is premultiplied; + 0.5 rounds, since uint8 cuts
        mixed = 255 * opacity * layer.colour[part] + window[part] * kept + 0.5
        window[part] = np.clip(mixed, 0, 255)
    return out


def _lit_bodies(people: Sequence[Figure], faces: Faces) -> list[tuple[Mesh, Marks | None]]:
    """The lit meshes of those who have a finite one, with their marks on them."""
    triangles = array(faces, np.int64)
    bodies: list[tuple[Mesh, Marks | None]] = []
    for person in people:
        if person.vertices is None:
            continue
        vertices = array(person.vertices)
        if not np.isfinite(vertices).all():
            continue
        colour = person.colour
        if person.unsure is not None:
            colour = tinted(colour, person.unsure)
        mesh = Mesh(vertices, triangles, shade(vertices, triangles, colour))
        if person.marks is not None:
            mesh = marked(mesh, person.marks)
        bodies.append((mesh, person.marks))
    return bodies
