"""CameraHMR: its published labels, and dictionaries of the network's output that people save.

The camera is that of the whole image. The labels are laid out as BEDLAM's are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .hmr2 import is_output, people_of_output
from .people import People, boxes_of_center, find_people, holds_people, vectors_under
from .poses import BODY, ROOT, GivenPoses, matrices, of_smpl
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, numbers, texts

_PIXELS_OF_SCALE = 200.0  # a box's side is counted in these


def _is_output(value: object) -> bool:
    return is_output(value) and has(value, "cam_int")


class CameraHmrReader:
    """Outputs beside their `cam_int`, and labels of many images."""

    system = "camerahmr"
    content = "CameraHMR outputs (.pkl, .npz) and labels (.npz)"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there are SMPL parameters and the camera of the whole image."""
        return _are_labels(file.content) or holds_people(file.content, _is_output)

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Image after image."""
        if _are_labels(file.content):
            yield from _people_of_labels(file).predictions(file)
            return
        for found in find_people(file.content, _is_output):
            read: list[Prediction] = []
            with file.about(str(found)):
                read = list(people_of_output(found, self.system, Axes.CAMERA).predictions(file))
            yield from read


def _are_labels(content: object) -> bool:
    has_pose = has(content, "pose_cam") or has(content, "pose")
    return has_pose and has(content, "imgname", "center", "scale", "shape", "cam_int")


def _people_of_labels(file: PredictionFile) -> People:
    """SMPL's 72 numbers for each person, or SMPL-X's 165."""
    content = file.content
    pose = numbers(entry(content, "pose_cam", "pose"))
    photos = texts(entry(content, "imgname"))
    rows = len(photos)
    if pose.size == rows * 165:
        whole = matrices(pose.reshape(rows, 55, 3), 55, rows)
        poses = GivenPoses.nothing(rows)
        poses.put(slice(ROOT.start, BODY.stop), whole[:, : BODY.stop])
        poses.put(slice(25, 55), whole[:, 25:])
    else:
        poses = of_smpl(pose)
    if len(poses) != rows:
        raise ValueError(f"{len(poses)} poses for {rows} images")
    side = numbers(entry(content, "scale")) * _PIXELS_OF_SCALE
    return People(
        CameraHmrReader.system,
        poses,
        Axes.CAMERA,
        "smplx" if pose.size == rows * 165 else "smpl",
        betas=vectors_under(content, rows, "shape"),
        boxes=boxes_of_center(entry(content, "center"), np.asarray(side), rows),
        photos=photos,
    )
