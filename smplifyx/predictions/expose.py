"""ExPose: `NAME_params.npz`, one person of one image.

Rotation matrices, hands with their mean, the root along the axes of the crop. Of the box only the
middle is told (`center`): the box here has no size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from .people import People, boxes_of_center, photo_of, vectors_under
from .poses import GivenPoses
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import entry, has


class ExPoseReader:
    """One person."""

    system = "expose"
    content = "ExPose parameters (_params.npz)"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there are rotations beside the camera that ExPose's demo makes up."""
        names = ("focal_length_in_px", "shift_x", "center", "global_orient", "body_pose")
        return has(file.content, *names)

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """The one person."""
        content = file.content
        assert isinstance(content, Mapping)  # as recognised
        poses = GivenPoses.nothing(1)
        poses.put_parts(content, "global_orient", "body_pose", "jaw_pose")
        poses.put_parts(content, "left_hand_pose", "right_hand_pose")
        photo = photo_of(entry(content, "fname")) or file.base_name.removesuffix("_params")
        people = People(
            self.system,
            poses,
            Axes.CROP,
            "smplx",
            betas=vectors_under(content, 1, "betas"),
            expressions=vectors_under(content, 1, "expression"),
            boxes=boxes_of_center(content["center"], np.zeros(1), 1),
            photos=[photo],
        )
        yield from people.predictions(file)
