"""Bodies on their photo, by the fit's own camera, and the panel that shows what an overlay alone
hides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch

from ..camera import Camera
from .mesh import array
from .points import draw_points
from .render import Renderer
from .scene import Faces, Figure, Image, composite, draw_people, intrinsics
from .side import side_view

CANVAS = (244, 245, 247)
GAP = 8  # pixels between the pictures of a panel


def canvas(size: tuple[int, int]) -> Image:
    """A plain light image of (width, height) pixels, where there is no photo."""
    return np.full((size[1], size[0], 3), CANVAS, np.uint8)


def overlay(
    image: Image | None,
    people: Sequence[Figure],
    faces: Faces,
    camera: Camera,
    renderer: Renderer = Renderer.SOFTWARE,
    opacity: float = 0.95,
) -> Image:
    """Everyone of a photo drawn over it together, in depth order.

    `image` RGB uint8 of the camera's size, or None for a plain canvas; `camera` unbatched; `faces`
    [F, 3] shared by all people; opacity 0..1. Bodies may reach out of the image or behind the
    camera. Raises ValueError where image and camera disagree on the size, RendererUnavailable where
    pyrender or GL is missing.
    """
    K, size = intrinsics(camera)
    base = canvas(size) if image is None else _checked(image, size)
    return composite(base, draw_people(people, faces, K, size, renderer), opacity)


def panel(
    image: Image | None,
    people: Sequence[Figure],
    faces: Faces,
    camera: Camera,
    renderer: Renderer = Renderer.SOFTWARE,
    longest: int = 1000,
) -> Image:
    """Photo with keypoints | overlay | the same people turned by 90 degrees, side by side.

    Larger photos are drawn at `longest` pixels on their longer side. Detected points are dots, the
    model's own points crosses. Errors as for `overlay`.
    """
    image, people, camera = shrink(image, people, camera, longest)
    _, size = intrinsics(camera)
    photo = canvas(size) if image is None else _checked(image, size)
    pictures = [
        draw_points(photo, people),
        overlay(photo, people, faces, camera, renderer),
        side_view(people, faces, (min(size[0], size[1]), size[1]), renderer),
    ]
    gap = np.full((size[1], GAP, 3), 255, np.uint8)
    return np.concatenate([pictures[0], gap, pictures[1], gap, pictures[2]], axis=1)


def shrink(
    image: Image | None, people: Sequence[Figure], camera: Camera, longest: int
) -> tuple[Image | None, tuple[Figure, ...], Camera]:
    """Photo, points and camera scaled together so that the longer side has at most `longest`
    pixels; never enlarged.
    """
    _, size = intrinsics(camera)
    small = tuple(max(1, round(side * min(1.0, longest / max(size)))) for side in size)
    if small == size:
        return image, tuple(people), camera
    factor = np.array(small) / np.array(size)
    scale = torch.as_tensor(
        [[factor[0]], [factor[1]], [1.0]], dtype=camera.K.dtype, device=camera.K.device
    )
    camera = Camera(K=camera.K * scale, image_size=torch.as_tensor(small, dtype=camera.K.dtype))
    if image is not None:
        image = cv2.resize(_checked(image, size), small, interpolation=cv2.INTER_AREA)
    return image, tuple(_scaled(person, factor) for person in people), camera


def _scaled(person: Figure, factor: np.ndarray) -> Figure:
    keypoints, points2d = person.keypoints, person.points2d
    return replace(
        person,
        keypoints=None if keypoints is None else array(keypoints) * (*factor, 1.0),
        points2d=None if points2d is None else array(points2d) * factor,
    )


def _checked(image: Image, size: tuple[int, int]) -> Image:
    """The image, if it is RGB bytes of the camera's size."""
    if image.dtype != np.uint8 or image.shape != (size[1], size[0], 3):
        raise ValueError(
            f"image: expected uint8 [{size[1]}, {size[0]}, 3] for the camera's {size[0]}x{size[1]} pixels, "
            f"got {image.dtype} {list(image.shape)}"
        )
    return image
