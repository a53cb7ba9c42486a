"""Keypoints on an image: what was detected (dots) and where the model puts the same points
(crosses).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

from ..keypoints.names import BODY, FACE, LEFT_HAND, POINT_INDEX, RIGHT_HAND
from .mesh import array
from .scene import Figure, Image

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class PartStyle:
    """How the points of one part of the person are drawn.

    part: which of the 137 points.
    colour: of its dots.
    size: relative to a body point.
    """

    part: slice
    colour: RGB
    size: float


TRUNK_BONES: tuple[tuple[str, str], ...] = (
    ("nose", "neck"),
    ("neck", "mid_hip"),
    ("nose", "right_eye"),
    ("nose", "left_eye"),
    ("right_eye", "right_ear"),
    ("left_eye", "left_ear"),
)
SIDE_BONES: tuple[tuple[str, str], ...] = (  # {} is left, then right
    ("neck", "{}_shoulder"),
    ("{}_shoulder", "{}_elbow"),
    ("{}_elbow", "{}_wrist"),
    ("mid_hip", "{}_hip"),
    ("{}_hip", "{}_knee"),
    ("{}_knee", "{}_ankle"),
    ("{}_ankle", "{}_heel"),
    ("{}_ankle", "{}_big_toe"),
    ("{}_big_toe", "{}_small_toe"),
)
BONES: tuple[tuple[str, str], ...] = (
    *TRUNK_BONES,
    *((start.format("left"), end.format("left")) for start, end in SIDE_BONES),
    *((start.format("right"), end.format("right")) for start, end in SIDE_BONES),
)
PARTS = (  # the last is drawn over the others
    PartStyle(FACE, (255, 255, 255), 0.45),
    PartStyle(LEFT_HAND, (86, 200, 255), 0.6),
    PartStyle(RIGHT_HAND, (255, 150, 200), 0.6),
    PartStyle(BODY, (255, 214, 10), 1.0),
)
BONE: RGB = (255, 232, 130)
EDGE: RGB = (30, 30, 34)
CROSS: RGB = (226, 40, 20)
FRACTION_BITS = 4  # of cv2's fixed-point positions: 1/16 pixel
FARTHEST = 1e5  # pixels; farther positions would overflow cv2's integers


def draw_points(image: Image, people: Sequence[Figure]) -> Image:
    """A copy of the image with everyone's keypoints: detected ones as dots with bones, the model's
    as crosses.

    Dots scale with the person, so that a crowd stays readable; cv2 leaves out what lies outside the
    image.
    """
    out = np.ascontiguousarray(image).copy()
    for person in people:
        radius = _radius(person, image.shape[0])
        keypoints = None if person.keypoints is None else array(person.keypoints)
        if keypoints is not None:
            _draw_bones(out, keypoints, radius)
            _draw_dots(out, keypoints, radius)
        if person.points2d is not None:
            points = array(person.points2d)
            # the model's points are marked where there is a detection to compare them with
            shown = np.ones(len(points), bool) if keypoints is None else keypoints[:, 2] > 0
            _draw_crosses(out, points, shown, radius)
    return out


def fixed_point(places: Float[np.ndarray, "n 2"]) -> list[list[int]]:
    """Positions in pixels as cv2 wants them, to be used with the shift FRACTION_BITS.

    cv2 counts from the centre of the first pixel, keypoints from the image's corner.
    """
    from_centre = np.clip(places - 0.5, -FARTHEST, FARTHEST)
    return np.rint(from_centre * 2**FRACTION_BITS).astype(int).tolist()


def _radius(person: Figure, image_height: int) -> float:
    """Pixels of a body point: 1/95 of the person's extent, within what can be seen."""
    if person.keypoints is not None:
        keypoints = array(person.keypoints)
        seen = keypoints[keypoints[:, 2] > 0, :2]
    elif person.points2d is not None:
        points = array(person.points2d)
        seen = points[np.isfinite(points).all(1)]
    else:
        return 1.0
    extent = np.ptp(seen, axis=0).max() if len(seen) else 0.0
    return float(np.clip(extent / 95, image_height / 300, image_height / 130))


def _draw_bones(out: Image, keypoints: Float[np.ndarray, "137 3"], radius: float) -> None:
    thickness = max(1, round(0.5 * radius))
    edge_thickness = thickness + (1 if thickness == 1 else 2)
    places = fixed_point(keypoints[:, :2])
    seen = keypoints[:, 2] > 0
    for start_name, end_name in BONES:
        start = POINT_INDEX[start_name]
        end = POINT_INDEX[end_name]
        if not (seen[start] and seen[end]):
            continue
        _draw_line(out, places[start], places[end], EDGE, edge_thickness)
        _draw_line(out, places[start], places[end], BONE, thickness)


def _draw_dots(out: Image, keypoints: Float[np.ndarray, "137 3"], radius: float) -> None:
    for style in PARTS:
        size = max(0.8, radius * style.size)
        points = keypoints[style.part]
        seen = points[points[:, 2] > 0]
        for place in fixed_point(seen[:, :2]):
            _draw_disc(out, place, size + 0.8, EDGE)
            _draw_disc(out, place, size, style.colour)


def _draw_crosses(
    out: Image,
    points: Float[np.ndarray, "137 2"],
    shown: Bool[np.ndarray, " 137"],
    radius: float,
) -> None:
    shown = shown & np.isfinite(points).all(1)
    for style in PARTS:
        arm = max(1.5, 1.3 * radius * style.size)
        thickness = max(1, round(0.4 * radius * style.size))
        centres = points[style.part][shown[style.part]]
        corners = [
            fixed_point(centres + np.array(direction) * arm)
            for direction in ((-1, -1), (1, 1), (-1, 1), (1, -1))
        ]
        for top_left, bottom_right, bottom_left, top_right in zip(*corners, strict=True):
            _draw_line(out, top_left, bottom_right, CROSS, thickness)
            _draw_line(out, bottom_left, top_right, CROSS, thickness)


def _draw_line(out: Image, start: list[int], end: list[int], colour: RGB, thickness: int) -> None:
    cv2.line(out, start, end, colour, thickness, cv2.LINE_AA, FRACTION_BITS)


def _draw_disc(out: Image, centre: list[int], radius: float, colour: RGB) -> None:
    fixed_radius = int(radius * 2**FRACTION_BITS)
    cv2.circle(out, centre, fixed_radius, colour, cv2.FILLED, cv2.LINE_AA, FRACTION_BITS)
