"""TRAM: `hps_track_K.npy`, one person's track of a video, in the camera's frame.

SMPL's rotation matrices. `camera.npy` beside it is the camera's own path and is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .people import People, vectors_under
from .poses import of_smpl
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, wholes

_NAME = re.compile(r"hps_track_(?P<person>\d+)")


class TramReader:
    """One track."""

    system = "tram"
    content = "TRAM hps_track_K.npy"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there are rotations, places in the camera's frame and frame numbers."""
        return has(file.content, "pred_rotmat", "pred_trans", "frame")

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Frame after frame."""
        poses = of_smpl(entry(file.content, "pred_rotmat"))
        frames = wholes(entry(file.content, "frame"))
        if len(frames) != len(poses):
            raise ValueError(f"{len(poses)} poses for {len(frames)} frames")
        name = _NAME.match(file.base_name)
        people = People(
            self.system,
            poses,
            Axes.CAMERA,
            "smpl",
            betas=vectors_under(file.content, len(poses), "pred_shape"),
            frames=frames,
            ids=[name["person"]] if name else (),
        )
        yield from people.predictions(file)


def is_camera(content: object) -> bool:
    """Whether a file is TRAM's `camera.npy` or `tracks.npy`, which are no predictions."""
    return has(content, "img_focal", "img_center")
