"""MediaPipe's holistic landmarker on pictures, as the canonical 137 points.

Needs mediapipe 1.2 (`pip install mediapipe`) and a bundle of its models, `holistic_landmarker.task`:
the package brings none. smplifyx itself does not need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from smplifyx.keypoints import names
from smplifyx.keypoints.face_mesh import face_of_mesh
from smplifyx.keypoints.layouts import LayoutName, to_canonical
from smplifyx.readers.mediapipe import FACE_CONFIDENCE, HAND_CONFIDENCE

TASK = Path("../shared/data/models/holistic_landmarker.task")
HANDS = {"left_hand_landmarks": names.LEFT_HAND, "right_hand_landmarks": names.RIGHT_HAND}


class Landmarker:
    """MediaPipe with the models of one file; each picture is looked at as if it were the first."""

    def __init__(self, task: Path = TASK) -> None:
        """Raises SystemExit, in a line, where mediapipe or the file is missing."""
        self._mediapipe = _mediapipe()
        if not task.is_file():
            raise SystemExit(f"{task}: no such file; mediapipe needs a bundle of holistic models")
        self._models = task.read_bytes()

    def __call__(self, image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "137 3"] | None:
        """The person in an RGB picture: x, y in pixels and the confidence that the reader of
        MediaPipe's files would give; None where nobody is found.
        """
        mediapipe = self._mediapipe
        vision = mediapipe.tasks.vision
        options = vision.HolisticLandmarkerOptions(
            base_options=mediapipe.tasks.BaseOptions(model_asset_buffer=self._models),
            running_mode=vision.RunningMode.IMAGE,
        )
        picture = mediapipe.Image(
            image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image)
        )
        # one for each picture: it would look for the next person where the last one was
        with vision.HolisticLandmarker.create_from_options(options) as landmarker:
            found = landmarker.detect(picture)
        height, width = image.shape[:2]
        return canonical_points(found, (width, height))


def canonical_points(found: Any, size: tuple[int, int]) -> Float[np.ndarray, "137 3"] | None:
    """MediaPipe's result for a picture of `size` (width, height) as x, y (pixels), confidence."""
    if not found.pose_landmarks:
        return None
    pose = found.pose_landmarks
    visibility = [[mark.visibility] for mark in pose]
    body = np.concatenate([_pixels(pose, size), visibility], 1)
    points = to_canonical(body, LayoutName.MEDIAPIPE_33)
    for part, where in HANDS.items():
        marks = getattr(found, part)
        if marks:
            points[where] = _with_confidence(_pixels(marks, size), HAND_CONFIDENCE)
    if found.face_landmarks:
        face = face_of_mesh(_pixels(found.face_landmarks, size))
        points[names.FACE] = _with_confidence(face, FACE_CONFIDENCE)
    return points


def _pixels(marks: Sequence[Any], size: tuple[int, int]) -> Float[np.ndarray, "n 2"]:
    return np.array([(mark.x, mark.y) for mark in marks]) * size


def _with_confidence(xy: Float[np.ndarray, "n 2"], confidence: float) -> Float[np.ndarray, "n 3"]:
    return np.concatenate([xy, np.full((len(xy), 1), confidence)], 1)


def _mediapipe() -> ModuleType:
    """The package. Raises SystemExit, in a line, where it is missing or too old."""
    try:
        import mediapipe  # pyright: ignore[reportMissingImports]

        mediapipe.tasks.vision.HolisticLandmarker  # noqa: B018  (0.10.21 has none)
    except (ImportError, AttributeError):
        raise SystemExit(
            "this recipe needs mediapipe 1.2 or later: pip install mediapipe"
        ) from None
    return mediapipe
