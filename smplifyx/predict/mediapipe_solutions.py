"""MediaPipe 0.10.21, the last release that carries its models: its solutions.

Each of these finds one person in an image, the most prominent one. Who was found is painted over,
and the image shown again, until nobody is found. Its hands have no metres: a start from it has the
body alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from .landmarks import HandLandmarks, ImageSize, PersonLandmarks, Trust, detected
from .people_detector import Detected
from .search import SEEN, box_of, everybody

MOST_PEOPLE = 10  # of one image
COVER = 0.1  # how far beyond the points is painted, of the longer side of their box
MADE_UP = 0.3  # part of the points that lie in the paint, from which on it is what was found


class SolutionsDetector:
    """People by the pose solution, each with hands and face by the holistic one."""

    def __init__(self, solutions: Any, trust: Trust | None = None) -> None:
        """solutions: `mediapipe.solutions`."""
        self._solutions = solutions
        self._trust = trust or Trust()

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> tuple[Detected, ...]:
        """Everybody in an RGB picture, the largest first."""
        height, width = image.shape[:2]
        people = everybody(image, self)
        return tuple(detected(person, (width, height), self._trust) for person in people)

    def bodies(self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> list[list[PersonLandmarks]]:
        """People at a glance, of each image, without hands and faces."""
        # static: each image is looked at as if it were the first
        with self._solutions.pose.Pose(static_image_mode=True, model_complexity=1) as pose:
            return [_one_after_the_other(image, pose) for image in images]

    def closely(self, image: UInt8[np.ndarray, "h w 3"]) -> PersonLandmarks | None:
        """One person with hands and face; None where nobody is found."""
        with self._solutions.holistic.Holistic(
            static_image_mode=True, model_complexity=1, refine_face_landmarks=True
        ) as holistic:
            found = holistic.process(np.ascontiguousarray(image))
        size = (image.shape[1], image.shape[0])
        body = _body(found, size)
        if body is None:
            return None
        face = found.face_landmarks
        return PersonLandmarks(
            pose=body.pose,
            visibility=body.visibility,
            world=body.world,
            left_hand=_hand(found.left_hand_landmarks, size),
            right_hand=_hand(found.right_hand_landmarks, size),
            mesh=None if face is None else _pixels(face, size),
        )


def _one_after_the_other(image: UInt8[np.ndarray, "h w 3"], pose: Any) -> list[PersonLandmarks]:
    """People of an image, until nobody else is found."""
    height, width = image.shape[:2]
    left_over = np.array(image)
    is_painted = np.zeros((height, width), np.uint8)
    people: list[PersonLandmarks] = []
    while len(people) < MOST_PEOPLE:
        person = _body(pose.process(left_over), (width, height))
        if person is None or _share_inside(person, is_painted) > MADE_UP:
            break
        people.append(person)
        _cover(person, is_painted)
        left_over[is_painted > 0] = image.mean((0, 1))
    return people


def _share_inside(person: PersonLandmarks, mask: UInt8[np.ndarray, "h w"]) -> float:
    """Part of the visible points that lie in the mask; 1 where none is visible in the image."""
    height, width = mask.shape
    x, y = np.floor(person.pose.T).astype(int)
    is_visible = (person.visibility >= SEEN) & (x >= 0) & (y >= 0) & (x < width) & (y < height)
    if not is_visible.any():
        return 1.0
    return float((mask[y[is_visible], x[is_visible]] > 0).mean())


def _cover(person: PersonLandmarks, mask: UInt8[np.ndarray, "h w"]) -> None:
    """Adds to the mask where the person is."""
    low, high = box_of(person)
    reach = COVER * float((high - low).max())
    is_near = ((person.pose >= low - reach) & (person.pose <= high + reach)).all(1)
    hull = cv2.convexHull(person.pose[is_near].astype(np.float32)).round().astype(np.int32)
    cv2.fillConvexPoly(mask, hull, 1)
    cv2.polylines(mask, [hull], isClosed=True, color=1, thickness=max(1, round(2 * reach)))


def _body(found: Any, size: ImageSize) -> PersonLandmarks | None:
    if found.pose_landmarks is None:
        return None
    marks = found.pose_landmarks
    world = found.pose_world_landmarks.landmark
    return PersonLandmarks(
        pose=_pixels(marks, size)[:, :2],
        visibility=np.array([mark.visibility for mark in marks.landmark], float),
        world=np.array([(mark.x, mark.y, mark.z) for mark in world]),
    )


def _hand(marks: Any, size: ImageSize) -> HandLandmarks | None:
    return None if marks is None else HandLandmarks(_pixels(marks, size)[:, :2], None)


def _pixels(marks: Any, size: ImageSize) -> Float[np.ndarray, "n 3"]:
    """x, y in pixels, z in the same unit: MediaPipe counts it in widths of the picture."""
    width, height = size
    values = [(mark.x, mark.y, mark.z) for mark in marks.landmark]
    return np.array(values) * (width, height, width)
