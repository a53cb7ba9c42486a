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
    width, height = size
    return np.full((height, width, 3), CANVAS, np.uint8)


def overlay(
    image: Image | None,
    people: Sequence[Figure],
    faces: Faces,
    camera: Camera,
    renderer: Renderer = Renderer.SOFTWARE,
    opacity: float = 0.95,
) -> Image:
    """Everyone of a photo drawn over it together, in depth order.

    Args:
        image: RGB uint8 of the camera's size, or None for a plain canvas.
        people: bodies in the camera's frame; they may reach out of the image or behind the camera.
        faces: [F, 3], shared by all people.
        camera: one, without batch axes.
        renderer: what draws.
        opacity: 0..1, of the bodies.

    Raises ValueError where image and camera disagree on the size, RendererUnavailable where
    pyrender or GL is missing.
    """
    K, size = intrinsics(camera)
    base = _photo_or_canvas(image, size)
    layer = draw_people(people, faces, K, size, renderer)
    return composite(base, layer, opacity)


def panel(
    image: Image | None,
    people: Sequence[Figure],
    faces: Faces,
    camera: Camera,
    renderer: Renderer = Renderer.SOFTWARE,
    longest: int = 1000,
) -> Image:
    """Photo with keypoints | overlay | the same people turned by 90 degrees, side by side.

    Photos larger than `longest` pixels on their longer side are drawn at that size. Detected points
    are dots, the model's own points crosses. The other arguments and errors are those of `overlay`.
    """
    image, people, camera = shrink(image, people, camera, longest)
    _, size = intrinsics(camera)
    width, height = size
    photo = _photo_or_canvas(image, size)
    with_points = draw_points(photo, people)
    with_bodies = overlay(photo, people, faces, camera, renderer)
    turned = side_view(people, faces, (min(width, height), height), renderer)
    gap = np.full((height, GAP, 3), 255, np.uint8)
    return np.concatenate([with_points, gap, with_bodies, gap, turned], axis=1)


def shrink(
    image: Image | None, people: Sequence[Figure], camera: Camera, longest: int
) -> tuple[Image | None, tuple[Figure, ...], Camera]:
    """Photo, points and camera scaled together, until no side is longer than `longest` pixels.

    Nothing is ever enlarged. Errors as for `overlay`.
    """
    _, size = intrinsics(camera)
    factor = min(1.0, longest / max(size))
    width, height = (max(1, round(side * factor)) for side in size)
    small = (width, height)
    if small == size:
        return image, tuple(people), camera
    # whole pixels make the two sides' scales differ a little
    scale = np.array(small) / np.array(size)
    like = camera.K
    K_scale = torch.as_tensor([[scale[0]], [scale[1]], [1.0]], dtype=like.dtype, device=like.device)
    small_camera = Camera(K=camera.K * K_scale, image_size=torch.as_tensor(small, dtype=like.dtype))
    if image is not None:
        image = cv2.resize(_checked(image, size), small, interpolation=cv2.INTER_AREA)
    return image, tuple(_scaled(person, scale) for person in people), small_camera


def _scaled(person: Figure, scale: np.ndarray) -> Figure:
    """A person whose points lie on an image that was scaled by (across, down)."""
    keypoints = person.keypoints
    if keypoints is not None:
        keypoints = array(keypoints) * (*scale, 1.0)  # the confidence stays
    points2d = person.points2d
    if points2d is not None:
        points2d = array(points2d) * scale
    return replace(person, keypoints=keypoints, points2d=points2d)


def _photo_or_canvas(image: Image | None, size: tuple[int, int]) -> Image:
    return canvas(size) if image is None else _checked(image, size)


def _checked(image: Image, size: tuple[int, int]) -> Image:
    """The image, if it is RGB bytes of the camera's size."""
    width, height = size
    if image.dtype != np.uint8 or image.shape != (height, width, 3):
        raise ValueError(
            f"image: expected uint8 [{height}, {width}, 3] for the camera's {width}x{height} "
            f"pixels, got {image.dtype} {list(image.shape)}"
        )
    return image
