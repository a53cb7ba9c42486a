"""The same people seen from their side, where errors in depth cannot hide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float

from .mesh import array
from .render import Renderer
from .scene import Faces, Figure, Image, composite, draw_marks, draw_people

BACKGROUND = (244, 245, 247)
GRID = (205, 210, 217)
INK = (92, 99, 110)
EYE_HEIGHT = 1.5  # metres above the ground from which the people are looked at
FOCAL = 1.5  # of the view's camera, in image heights: about 37 degrees
THROUGH = 0.55  # opacity of marks that something hides
FILL = 0.84  # of the image that the people may take
# 90 degrees about the vertical: what lies farther from the photo's camera comes to the right
_TURN = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
_SHIFT = 4


@dataclass(frozen=True)
class SideCamera:
    """A level camera beside the group: turned points + offset [3] are in its frame, the ground at y
    = ground.
    """

    K: Float[np.ndarray, "3 3"]
    offset: np.ndarray
    ground: float


def side_view(
    people: Sequence[Figure],
    faces: Faces,
    size: tuple[int, int],
    renderer: Renderer = Renderer.SOFTWARE,
) -> Image:
    """People turned by 90 degrees about the vertical through their common centre, on a ground grid
    of 1 m.

    The photo's camera is to the left, depth grows to the right; `size` is (width, height) in
    pixels. The ground lies at the lowest vertex. Marks of people are seen through what hides them.
    People without vertices are left out; nobody gives an empty picture.
    """
    out = np.full((size[1], size[0], 3), BACKGROUND, np.uint8)
    turned = [(p, array(p.vertices) @ _TURN.T) for p in people if p.vertices is not None]
    turned = [(person, vertices) for person, vertices in turned if np.isfinite(vertices).all()]
    if not turned:
        return out
    points = np.concatenate([vertices for _, vertices in turned])
    camera = _framed(points, size)
    _draw_grid(out, camera, points + camera.offset)
    moved = [replace(person, vertices=vertices + camera.offset) for person, vertices in turned]
    out = composite(out, draw_people(moved, faces, camera.K, size, renderer))
    if any(person.marks is not None for person in moved):
        out = composite(out, draw_marks(moved, faces, camera.K, size, renderer), THROUGH)
    _draw_scale(out, camera, points + camera.offset)
    return out


def _framed(points: np.ndarray, size: tuple[int, int]) -> SideCamera:
    """The camera that just holds all points, level, shifted instead of tilted so that uprights stay
    upright.
    """
    width, height = size
    focal = FOCAL * height
    low, high = points.min(0), points.max(0)
    centre = (low + high) / 2
    eye = np.array([centre[0], high[1] - EYE_HEIGHT, centre[2]])
    local = points - eye
    wide = (np.abs(local[:, 0]) * focal / (0.5 * FILL * width) - local[:, 2]).max()
    tall = (high[1] - low[1]) * focal / (FILL * height) - local[:, 2].min()
    offset = -eye + (0, 0, max(wide, tall, 0.3 - local[:, 2].min()))
    seen = (points + offset)[:, 1] / (points + offset)[:, 2] * focal
    middle = 0.49 * height - (seen.min() + seen.max()) / 2
    return SideCamera(
        np.array([[focal, 0, width / 2], [0, focal, middle], [0, 0, 1]]), offset, EYE_HEIGHT
    )


def _draw_grid(out: Image, camera: SideCamera, points: np.ndarray) -> None:
    """Lines on the ground every metre from the group's middle, across the picture and a metre
    beyond in depth.
    """
    middle = (points[:, 2].min() + points[:, 2].max()) / 2
    deep = np.ceil(np.ptp(points[:, 2]) / 2) + 1
    reach = np.ceil(0.5 * out.shape[1] / camera.K[0, 0] * (middle + deep))
    near = max(middle - deep, 0.3)
    for x in _steps(reach):
        _ground_line(out, camera, (x, near), (x, middle + deep))
    for z in middle + _steps(deep):
        if z >= near:
            _ground_line(out, camera, (-reach, z), (reach, z))


def _steps(reach: float) -> np.ndarray:
    """Whole metres from -reach to reach, thinned where there would be too many lines to read."""
    step = max(1, int(reach // 20))
    return np.arange(-reach, reach + 0.5, step)


def _ground_line(
    out: Image, camera: SideCamera, start: tuple[float, float], end: tuple[float, float]
) -> None:
    a, b = _ground_pixel(camera, *start), _ground_pixel(camera, *end)
    cv2.line(out, a, b, GRID, 1, cv2.LINE_AA, _SHIFT)


def _ground_pixel(camera: SideCamera, x: float, z: float) -> tuple[int, int]:
    u, v, w = camera.K @ (x, camera.ground, z)
    u, v = np.clip(np.array([u, v]) / w - 0.5, -1e5, 1e5) * 2**_SHIFT
    return int(round(u)), int(round(v))


def _draw_scale(out: Image, camera: SideCamera, points: np.ndarray) -> None:
    """A bar of 1 m at the depth of the group's middle, and where the photo's camera stands."""
    height, width = out.shape[:2]
    middle = (points[:, 2].min() + points[:, 2].max()) / 2
    metre = camera.K[0, 0] / middle
    text = max(0.32, height / 1100)
    right, y = width - round(0.04 * width), height - round(0.035 * height)
    left = right - round(metre)
    for a, b in (
        ((left, y), (right, y)),
        ((left, y - 4), (left, y + 4)),
        ((right, y - 4), (right, y + 4)),
    ):
        cv2.line(out, a, b, INK, 1, cv2.LINE_AA)
    cv2.putText(out, "1 m", (left, y - 8), cv2.FONT_HERSHEY_SIMPLEX, text, INK, 1, cv2.LINE_AA)
    word = cv2.getTextSize("camera", cv2.FONT_HERSHEY_SIMPLEX, text, 1)[0][0]
    start, top = right - word - 32, 18  # away from the bar, which may be as wide as the picture
    cv2.arrowedLine(out, (start + 26, top), (start, top), INK, 1, cv2.LINE_AA, tipLength=0.35)
    cv2.putText(
        out, "camera", (start + 32, top + 4), cv2.FONT_HERSHEY_SIMPLEX, text, INK, 1, cv2.LINE_AA
    )
