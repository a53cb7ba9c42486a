"""What is drawn: people with their colours and points, and the step from them to one shaded layer."""

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

Faces = Integer[Tensor, "f 3"] | Integer[np.ndarray, "f 3"]
Image = np.ndarray  # [height, width, 3] RGB uint8
COMPOSITE_ROWS = 512  # at once: bounds the temporaries on huge photos


@dataclass(frozen=True)
class Figure:
    """One person to draw; anything but the colour may be missing.

    vertices [V, 3] in metres in the camera's frame; colour RGB 0..1; keypoints [137, 3] as detected
    (x, y in pixels, confidence, 0 = unseen); points2d [137, 2] the model's own projected points in
    pixels (NaN = none); marks: where the body passes through itself.
    """

    colour: Colour
    vertices: Float[Tensor, "v 3"] | Float[np.ndarray, "v 3"] | None = None
    keypoints: Float[Tensor, "137 3"] | Float[np.ndarray, "137 3"] | None = None
    points2d: Float[Tensor, "137 2"] | Float[np.ndarray, "137 2"] | None = None
    marks: Marks | None = None


def intrinsics(camera: Camera) -> tuple[np.ndarray, tuple[int, int]]:
    """K [3, 3] and the (width, height) in whole pixels of an unbatched camera; ValueError for a
    batch.
    """
    if camera.K.ndim != 2:
        raise ValueError(
            f"camera: expected one camera with K [3, 3], got a batch with K {list(camera.K.shape)}"
        )
    width, height = (int(round(float(side))) for side in camera.image_size)
    return array(camera.K), (width, height)


def draw_people(
    people: Sequence[Figure], faces: Faces, K: np.ndarray, size: tuple[int, int], renderer: Renderer
) -> Layer:
    """All bodies lit and drawn into one depth buffer, in the right order whatever the order of
    `people`.
    """
    meshes = [mesh for mesh, _ in _bodies(people, faces)]
    return add_depth_cue(render(join(meshes), K, size, renderer), float(K[1, 1]))


def draw_marks(
    people: Sequence[Figure], faces: Faces, K: np.ndarray, size: tuple[int, int], renderer: Renderer
) -> Layer:
    """The marks of all bodies alone, as if nothing hid them."""
    meshes = [
        only_marks(mesh, marks) for mesh, marks in _bodies(people, faces) if marks is not None
    ]
    return render(join(meshes), K, size, renderer)


def _bodies(people: Sequence[Figure], faces: Faces) -> list[tuple[Mesh, Marks | None]]:
    """The lit meshes of those who have one, with their marks on them."""
    triangles, found = array(faces, np.int64), []
    for person in people:
        vertices = None if person.vertices is None else array(person.vertices)
        if vertices is not None and np.isfinite(vertices).all():
            mesh = Mesh(vertices, triangles, shade(vertices, triangles, person.colour))
            found.append(
                (mesh if person.marks is None else marked(mesh, person.marks), person.marks)
            )
    return found


def composite(image: Image, layer: Layer, opacity: float = 1.0) -> Image:
    """A copy of the image with the layer over it."""
    out = image.copy()
    rows, columns = layer.window
    for start in range(0, len(layer.alpha), COMPOSITE_ROWS):
        part = slice(start, start + COMPOSITE_ROWS)
        window = out[rows, columns][part]
        keep = 1 - opacity * layer.alpha[part, :, None]
        window[:] = np.clip(255 * opacity * layer.colour[part] + window * keep + 0.5, 0, 255)
    return out
