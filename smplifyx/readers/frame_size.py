"""How large the image of a frame is, and who says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from .camera_sidecar import IntrinsicsError, read_camera_file
from .frames import Frame, ImageSize, Note, Person, SizeSource
from .images import ImageError, upright_size
from .sidecars import CAMERA_SUFFIX, find_sidecar

MOST_OUTSIDE = 0.5  # share of the seen points; more means that the image is not theirs as it is


def with_image_size(frame: Frame, stated: ImageSize | None) -> Frame:
    """The frame with its image's size: the image's own, else a sidecar's, else `stated` by the
    keypoint file, else bounded by the points.

    An image that cannot be read is as good as none: it becomes a note.
    """
    notes = list(frame.notes)
    size = None
    image = None
    source = SizeSource.IMAGE
    if frame.image is not None:
        try:
            size = upright_size(frame.image)
            image = frame.image
        except ImageError as error:
            notes.append(Note("image not readable", str(error)))
    if size is None:
        source = SizeSource.SIDECAR
        try:
            size = _sidecar_size(frame) or stated
        except IntrinsicsError as error:
            notes.append(Note("camera file not usable", str(error)))
            size = stated
    if size is not None:
        outside = _share_outside(frame.people, size)
        if outside > MOST_OUTSIDE:
            which = f"{outside:.0%} of them, image of {size[0]}x{size[1]}: resized or turned?"
            notes.append(Note("points outside the image", which))
    elif frame.people:
        source = SizeSource.KEYPOINTS
        size = _bounding_size(frame.people)
    return replace(
        frame,
        image=image,
        image_size=size,
        size_source=None if size is None else source,
        notes=tuple(notes),
    )


def _sidecar_size(frame: Frame) -> ImageSize | None:
    path = find_sidecar(frame, CAMERA_SUFFIX)
    return None if path is None else read_camera_file(path).image_size


def _bounding_size(people: Sequence[Person]) -> ImageSize:
    """The smallest image that holds every seen point."""
    farthest = _seen_points(people).max(0, initial=0)
    width, height = np.floor(farthest).astype(int) + 1
    return int(width), int(height)


def _share_outside(people: Sequence[Person], size: ImageSize) -> float:
    points = _seen_points(people)
    if not len(points):
        return 0.0
    outside = (points < 0) | (points > size)  # [points, 2]
    return float(outside.any(-1).mean())


def _seen_points(people: Sequence[Person]) -> Float[np.ndarray, "points 2"]:
    nobody = np.zeros((0, 3), np.float32)  # so that there is something to join
    points = np.concatenate([nobody, *(person.keypoints for person in people)])
    return points[points[:, 2] > 0, :2]
