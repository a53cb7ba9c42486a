"""The same people seen from their side, where errors in depth cannot hide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float

from .mesh import array
from .points import FARTHEST, FRACTION_BITS
from .render import Renderer
from .scene import Faces, Figure, Image, composite, draw_marks, draw_people
from .unsure import draw_legend

BACKGROUND = (244, 245, 247)
GRID = (205, 210, 217)
INK = (92, 99, 110)
FONT = cv2.FONT_HERSHEY_SIMPLEX
EYE_HEIGHT = 1.5  # metres above the ground from which the people are looked at
FOCAL = 1.5  # of the view's camera, in image heights: about 37 degrees
THROUGH = 0.55  # opacity of marks that something hides
FILL = 0.84  # of the image that the people may take
NEAREST_GROUND = 0.3  # metres from the camera, for people and for the ground's lines
# 90 degrees about the vertical: what lies farther from the photo's camera comes to the right
TURN = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])


@dataclass(frozen=True)
class SideCamera:
    """A level camera at the side of the group.

    K: intrinsics in pixels.
    offset: turned points + offset are in the camera's frame, in metres.
    ground: y of the ground in that frame; y points down.
    """

    K: Float[np.ndarray, "3 3"]
    offset: Float[np.ndarray, " 3"]
    ground: float


def side_view(
    people: Sequence[Figure],
    faces: Faces,
    size: tuple[int, int],
    renderer: Renderer = Renderer.SOFTWARE,
) -> Image:
    """People turned by 90 degrees about the vertical through their common centre, on a ground grid
    of 1 m.

    The photo's camera is to the left, depth grows to the right. The ground lies at the lowest
    vertex. Marks of people are seen through what hides them. Where figures say how unsure they are,
    they are tinted and a bar says by how much. People without finite vertices are
    left out; nobody gives an empty picture.

    Args:
        people: bodies in the frame of the photo's camera.
        faces: [F, 3], shared by all people.
        size: (width, height) of the picture in pixels.
        renderer: what draws. Raises RendererUnavailable where it cannot.
    """
    width, height = size
    out = np.full((height, width, 3), BACKGROUND, np.uint8)
    shown: list[Figure] = []
    turned: list[np.ndarray] = []  # their vertices, [V, 3] each
    for person in people:
        if person.vertices is None:
            continue
        vertices = array(person.vertices) @ TURN.T
        if np.isfinite(vertices).all():
            shown.append(person)
            turned.append(vertices)
    if not shown:
        return out

    points = np.concatenate(turned)
    camera = _side_camera(points, size)
    seen_points = points + camera.offset
    figures = [
        replace(person, vertices=vertices + camera.offset)
        for person, vertices in zip(shown, turned, strict=True)
    ]
    _draw_grid(out, camera, seen_points)
    out = composite(out, draw_people(figures, faces, camera.K, size, renderer))
    if any(figure.marks is not None for figure in figures):
        out = composite(out, draw_marks(figures, faces, camera.K, size, renderer), THROUGH)
    _draw_scale(out, camera, seen_points)
    if any(figure.unsure is not None for figure in figures):
        draw_legend(out, INK, FONT)
    return out


def _side_camera(points: Float[np.ndarray, "n 3"], size: tuple[int, int]) -> SideCamera:
    """The camera that just holds all turned points.

    It is level, and its principal point is shifted where another camera would be tilted, so that
    uprights stay upright.
    """
    width, height = size
    focal = FOCAL * height
    low, high = points.min(0), points.max(0)
    centre = (low + high) / 2
    eye = np.array([centre[0], high[1] - EYE_HEIGHT, centre[2]])  # before it steps back
    local = points - eye
    nearest = local[:, 2].min()
    # how far the camera steps back: until the outermost point fits across, the whole group fits
    # upright, and nobody stands in the camera
    back_for_width = (np.abs(local[:, 0]) * focal / (0.5 * FILL * width) - local[:, 2]).max()
    back_for_height = (high[1] - low[1]) * focal / (FILL * height) - nearest
    back = max(back_for_width, back_for_height, NEAREST_GROUND - nearest)
    offset = -eye + (0, 0, back)
    seen = points + offset
    v = seen[:, 1] / seen[:, 2] * focal  # pixels from the principal point
    principal_v = 0.49 * height - (v.min() + v.max()) / 2
    K = np.array([[focal, 0, width / 2], [0, focal, principal_v], [0, 0, 1]])
    return SideCamera(K, offset, ground=EYE_HEIGHT)


def _draw_grid(out: Image, camera: SideCamera, points: Float[np.ndarray, "n 3"]) -> None:
    """Lines on the ground every metre from the group's middle, across the picture and a metre
    beyond the group in depth.
    """
    width = out.shape[1]
    middle = _middle_depth(points)
    reach_in_depth = np.ceil(np.ptp(points[:, 2]) / 2) + 1
    far = middle + reach_in_depth
    near = max(middle - reach_in_depth, NEAREST_GROUND)
    reach_across = np.ceil(0.5 * width / camera.K[0, 0] * far)
    for x in _metres(reach_across):
        _draw_ground_line(out, camera, start=(x, near), end=(x, far))
    for z in middle + _metres(reach_in_depth):
        if z >= near:
            _draw_ground_line(out, camera, start=(-reach_across, z), end=(reach_across, z))


def _middle_depth(points: Float[np.ndarray, "n 3"]) -> float:
    return (points[:, 2].min() + points[:, 2].max()) / 2


def _metres(reach: float) -> Float[np.ndarray, " n"]:
    """Whole metres from -reach to reach, thinned where there would be too many lines to read."""
    step = max(1, int(reach // 20))
    return np.arange(-reach, reach + 0.5, step)


def _draw_ground_line(
    out: Image, camera: SideCamera, start: tuple[float, float], end: tuple[float, float]
) -> None:
    """A line on the ground between two places (x, z) in metres."""
    start_pixel = _ground_pixel(camera, *start)
    end_pixel = _ground_pixel(camera, *end)
    cv2.line(out, start_pixel, end_pixel, GRID, 1, cv2.LINE_AA, FRACTION_BITS)


def _ground_pixel(camera: SideCamera, x: float, z: float) -> tuple[int, int]:
    """A place on the ground in cv2's fixed-point pixels, which count from a pixel's centre."""
    u, v, depth = camera.K @ (x, camera.ground, z)
    from_centre = np.clip(np.array([u, v]) / depth - 0.5, -FARTHEST, FARTHEST)
    fixed_u, fixed_v = from_centre * 2**FRACTION_BITS
    return int(round(fixed_u)), int(round(fixed_v))


def _draw_scale(out: Image, camera: SideCamera, points: Float[np.ndarray, "n 3"]) -> None:
    """A bar of 1 m at the depth of the group's middle, and where the photo's camera stands."""
    height, width = out.shape[:2]
    text_scale = max(0.32, height / 1100)
    right = width - round(0.04 * width)
    bottom = height - round(0.035 * height)

    metre = camera.K[0, 0] / _middle_depth(points)  # pixels
    left = right - round(metre)
    bar = ((left, bottom), (right, bottom))
    left_end = ((left, bottom - 4), (left, bottom + 4))
    right_end = ((right, bottom - 4), (right, bottom + 4))
    for start, end in (bar, left_end, right_end):
        cv2.line(out, start, end, INK, 1, cv2.LINE_AA)
    _draw_text(out, "1 m", (left, bottom - 8), text_scale)

    # at the top, away from the bar, which may be as wide as the picture
    (word_width, _), _ = cv2.getTextSize("camera", FONT, text_scale, 1)
    tip = right - word_width - 32
    top = 18
    cv2.arrowedLine(out, (tip + 26, top), (tip, top), INK, 1, cv2.LINE_AA, tipLength=0.35)
    _draw_text(out, "camera", (tip + 32, top + 4), text_scale)


def _draw_text(out: Image, text: str, place: tuple[int, int], scale: float) -> None:
    """A word whose lower left corner lies at a pixel."""
    cv2.putText(out, text, place, FONT, scale, INK, 1, cv2.LINE_AA)
