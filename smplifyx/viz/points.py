"""Keypoints on an image: what was detected (dots) and where the model puts the same points
(crosses).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..keypoints.names import BODY, FACE, LEFT_HAND, POINT_INDEX, RIGHT_HAND
from .mesh import array
from .scene import Figure, Image

RGB = tuple[int, int, int]
BONES: tuple[tuple[str, str], ...] = (
    ("nose", "neck"), ("neck", "mid_hip"), ("nose", "right_eye"), ("nose", "left_eye"),
    ("right_eye", "right_ear"), ("left_eye", "left_ear"),
    *((a.format(side), b.format(side)) for side in ("left", "right") for a, b in (
        ("neck", "{}_shoulder"), ("{}_shoulder", "{}_elbow"), ("{}_elbow", "{}_wrist"),
        ("mid_hip", "{}_hip"), ("{}_hip", "{}_knee"), ("{}_knee", "{}_ankle"),
        ("{}_ankle", "{}_heel"), ("{}_ankle", "{}_big_toe"), ("{}_big_toe", "{}_small_toe"),
    )),
)  # fmt: skip
DOTS: tuple[tuple[slice, RGB, float], ...] = (  # part, colour, size relative to a body point
    (FACE, (255, 255, 255), 0.45),
    (LEFT_HAND, (86, 200, 255), 0.6),
    (RIGHT_HAND, (255, 150, 200), 0.6),
    (BODY, (255, 214, 10), 1.0),
)
BONE: RGB = (255, 232, 130)
EDGE: RGB = (30, 30, 34)
CROSS: RGB = (226, 40, 20)
_SHIFT = 4  # cv2's fixed point: positions to 1/16 pixel


def draw_points(image: Image, people: Sequence[Figure]) -> Image:
    """A copy of the image with everyone's keypoints: detected ones as dots with bones, the model's
    as crosses.

    Dots scale with the person, so that a crowd stays readable; points outside the image are left
    out by themselves.
    """
    out = np.ascontiguousarray(image).copy()
    for person in people:
        radius = _radius(person, image.shape[0])
        if person.keypoints is not None:
            _draw_bones(out, array(person.keypoints), radius)
            _draw_dots(out, array(person.keypoints), radius)
        if person.points2d is not None:
            _draw_crosses(out, array(person.points2d), _trusted(person), radius)
    return out


def _radius(person: Figure, height: int) -> float:
    """Pixels of a body point: 1/95 of the person's extent, within what can be seen."""
    points = person.keypoints if person.keypoints is not None else person.points2d
    if points is None:
        return 1.0
    points = array(points)
    seen = points[points[:, 2] > 0] if points.shape[1] == 3 else points[np.isfinite(points).all(1)]
    extent = np.ptp(seen[:, :2], axis=0).max() if len(seen) else 0.0
    return float(np.clip(extent / 95, height / 300, height / 130))


def _trusted(person: Figure) -> np.ndarray:
    """Which of the model's points to mark: those that were detected, or all where nothing was
    given.
    """
    if person.keypoints is None:
        return np.ones(len(person.points2d), bool)
    return array(person.keypoints)[:, 2] > 0


def _draw_bones(out: Image, keypoints: np.ndarray, radius: float) -> None:
    thickness = max(1, round(0.5 * radius))
    places, seen = _fixed(keypoints), keypoints[:, 2] > 0
    for names in BONES:
        a, b = (POINT_INDEX[name] for name in names)
        if seen[a] and seen[b]:
            cv2.line(
                out,
                places[a],
                places[b],
                EDGE,
                thickness + (1 if thickness == 1 else 2),
                cv2.LINE_AA,
                _SHIFT,
            )
            cv2.line(out, places[a], places[b], BONE, thickness, cv2.LINE_AA, _SHIFT)


def _draw_dots(out: Image, keypoints: np.ndarray, radius: float) -> None:
    for part, colour, relative in DOTS:
        size = max(0.8, radius * relative)
        for place in _fixed(keypoints[part][keypoints[part][:, 2] > 0]):
            cv2.circle(
                out, place, int((size + 0.8) * 2**_SHIFT), EDGE, cv2.FILLED, cv2.LINE_AA, _SHIFT
            )
            cv2.circle(out, place, int(size * 2**_SHIFT), colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _draw_crosses(out: Image, points: np.ndarray, marked: np.ndarray, radius: float) -> None:
    for part, _, relative in DOTS:
        arm = max(1.5, 1.3 * radius * relative)
        drawn = points[part][marked[part] & np.isfinite(points[part]).all(1)]
        thickness = max(1, round(0.4 * radius * relative))
        corners = (
            _fixed(drawn + np.array(sign) * arm) for sign in ((-1, -1), (1, 1), (-1, 1), (1, -1))
        )
        for a, b, c, d in zip(*corners, strict=True):
            cv2.line(out, a, b, CROSS, thickness, cv2.LINE_AA, _SHIFT)
            cv2.line(out, c, d, CROSS, thickness, cv2.LINE_AA, _SHIFT)


def _fixed(points: np.ndarray) -> list[list[int]]:
    """Positions in pixels as cv2 wants them; cv2 counts from pixel centres, keypoints from the
    image's corner.
    """
    return np.rint(np.clip(points[:, :2] - 0.5, -1e5, 1e5) * 2**_SHIFT).astype(int).tolist()
