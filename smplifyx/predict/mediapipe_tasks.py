"""MediaPipe from 1.0 on: its tasks, with models from a `.task` file that the user names.

The file is a zip of models. Of a holistic one the two of the pose make a pose landmarker too, which
finds several people at once.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from ..core.archives import open_archive
from ..core.files import boundary, read_bounded
from .landmarks import HandLandmarks, ImageSize, PersonLandmarks, Trust, detected
from .people_detector import Detected, DetectorError
from .search import everybody

LARGEST = 256 * 2**20  # bytes of a .task file; the holistic one has 19 MB, with the heavy pose 40
MOST_PEOPLE = 10  # of one look
POSE_MODELS = ("pose_detector.tflite", "pose_landmarks_detector.tflite")
# what a holistic landmarker needs beside; blendshapes are not asked for
HOLISTIC_MODELS = (
    *POSE_MODELS,
    "face_detector.tflite",
    "face_landmarks_detector.tflite",
    "hand_landmarks_detector.tflite",
    "hand_roi_refinement.tflite",
)


class TaskDetector:
    """People by the pose landmarker, each with hands and face by the holistic one where the file
    has its models.
    """

    def __init__(self, mediapipe: Any, task: Path, trust: Trust | None = None) -> None:
        """Raises DetectorError for a file that is no bundle of these models."""
        with boundary(task, "a bundle of MediaPipe's models", DetectorError):
            content = read_bounded(task, LARGEST)
            archive = open_archive(content, LARGEST)
            missing = [name for name in POSE_MODELS if name not in archive.names]
            if missing:
                raise DetectorError(f"{task}: no models of the pose in it ({', '.join(missing)})")
            models = {name: archive.read(name) for name in POSE_MODELS}
            self._holistic = content if set(HOLISTIC_MODELS) <= set(archive.names) else None
        self._pose = _bundle(models)
        self._mediapipe = mediapipe
        self._trust = trust or Trust()

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> tuple[Detected, ...]:
        """Everybody in an RGB picture, the largest first."""
        height, width = image.shape[:2]
        people = everybody(image, self)
        return tuple(detected(person, (width, height), self._trust) for person in people)

    def bodies(self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> list[list[PersonLandmarks]]:
        """People at a glance, of each image, without hands and faces."""
        vision = self._mediapipe.tasks.vision
        options = vision.PoseLandmarkerOptions(
            base_options=self._base_options(self._pose),
            running_mode=vision.RunningMode.IMAGE,
            num_poses=MOST_PEOPLE,
        )
        people: list[list[PersonLandmarks]] = []
        # this one may be used again: an image has the same answer, to the bit, after any others
        with vision.PoseLandmarker.create_from_options(options) as landmarker:
            for image in images:
                found = landmarker.detect(self._picture(image))
                size = (image.shape[1], image.shape[0])
                each = zip(found.pose_landmarks, found.pose_world_landmarks, strict=True)
                people.append([_body(marks, world, size) for marks, world in each])
        return people

    def closely(self, image: UInt8[np.ndarray, "h w 3"]) -> PersonLandmarks | None:
        """One person with hands and face; None where nobody is found, or without models of them."""
        if self._holistic is None:
            return None
        vision = self._mediapipe.tasks.vision
        options = vision.HolisticLandmarkerOptions(
            base_options=self._base_options(self._holistic), running_mode=vision.RunningMode.IMAGE
        )
        # One for each picture, though making one takes as long as using it: it would look for the
        # next person where the last one was.
        with vision.HolisticLandmarker.create_from_options(options) as landmarker:
            found = landmarker.detect(self._picture(image))
        if not found.pose_landmarks:
            return None
        size = (image.shape[1], image.shape[0])
        body = _body(found.pose_landmarks, found.pose_world_landmarks, size)
        return PersonLandmarks(
            pose=body.pose,
            visibility=body.visibility,
            world=body.world,
            left_hand=_hand(found.left_hand_landmarks, found.left_hand_world_landmarks, size),
            right_hand=_hand(found.right_hand_landmarks, found.right_hand_world_landmarks, size),
            mesh=_pixels(found.face_landmarks, size) if found.face_landmarks else None,
        )

    def _base_options(self, content: bytes) -> Any:
        return self._mediapipe.tasks.BaseOptions(model_asset_buffer=content)

    def _picture(self, image: UInt8[np.ndarray, "h w 3"]) -> Any:
        return self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image)
        )


def _bundle(models: Mapping[str, bytes]) -> bytes:
    """A .task file of these models. They are stored as they are: MediaPipe maps them."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, model in models.items():
            archive.writestr(name, model)
    return content.getvalue()


def _body(marks: Sequence[Any], world: Sequence[Any], size: ImageSize) -> PersonLandmarks:
    return PersonLandmarks(
        pose=_pixels(marks, size)[:, :2],
        visibility=np.array([mark.visibility for mark in marks], float),
        world=_metres(world),
    )


def _hand(marks: Sequence[Any], world: Sequence[Any], size: ImageSize) -> HandLandmarks | None:
    if not marks:
        return None
    return HandLandmarks(_pixels(marks, size)[:, :2], _metres(world) if world else None)


def _pixels(marks: Sequence[Any], size: ImageSize) -> Float[np.ndarray, "n 3"]:
    """x, y in pixels, z in the same unit: MediaPipe counts it in widths of the picture."""
    width, height = size
    return np.array([(mark.x, mark.y, mark.z) for mark in marks]) * (width, height, width)


def _metres(marks: Sequence[Any]) -> Float[np.ndarray, "n 3"]:
    return np.array([(mark.x, mark.y, mark.z) for mark in marks])
