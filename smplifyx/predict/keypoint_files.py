"""What was found in a picture as files: keypoints in OpenPose's form, and starts beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..core.npz import replacing, write
from ..keypoints import names
from ..predictions.prediction import Axes, no_points
from .people_detector import Detected

VERSION = 1  # of the form of predictions
PARTS = (
    ("pose", names.BODY),
    ("face", names.FACE),
    ("hand_left", names.LEFT_HAND),
    ("hand_right", names.RIGHT_HAND),
)


def write_people(folder: Path, stem: str, photo: str, people: Sequence[Detected]) -> None:
    """Writes STEM_keypoints.json and STEM.prediction.npz, each whole or not at all.

    photo: the name of the picture. Raises OSError where they cannot be written.
    """
    text = json.dumps(openpose_document(people))
    with replacing(folder / f"{stem}_keypoints.json") as temporary:
        temporary.write_text(text, encoding="utf-8")
    write(folder / f"{stem}.prediction.npz", prediction_arrays(photo, people))


def openpose_document(people: Sequence[Detected]) -> dict[str, object]:
    """The content of an OpenPose 1.3 file.

    `layout` is not OpenPose's: it tells smplifyx whose idea of a body the 25 points are.
    """
    document: dict[str, object] = {"version": 1.3}
    if people:
        document["layout"] = people[0].layout.value
    document["people"] = [_openpose_person(person.keypoints) for person in people]
    return document


def prediction_arrays(photo: str, people: Sequence[Detected]) -> dict[str, np.ndarray]:
    """The starts of a picture's people as plain arrays, a row for each.

    smplifyx_prediction: VERSION. system: which network. photo: the picture's name. person: place
    in the keypoint file. points3d: [n, 137, 3] metres along `axes`, from an origin of each person's
    own, NaN where absent. axes: `camera` or `crop`. box: [n, 4] where in the picture the person was
    looked for, (left, top, right, bottom) in pixels.
    """
    points = np.zeros((0, names.COUNT, 3), np.float32)
    boxes = np.zeros((0, 4), np.float32)
    system, axes = "", Axes.CAMERA
    for person in people:
        prediction = person.prediction
        if prediction is None:
            found, box = no_points(names.COUNT), np.full(4, np.nan, np.float32)
        else:
            found, box = prediction.points, prediction.box
            system, axes = prediction.system, prediction.axes
        points = np.concatenate([points, found[None]])
        boxes = np.concatenate([boxes, box[None]])
    return {
        "smplifyx_prediction": np.array(VERSION),
        "system": np.array(system),
        "photo": np.array(photo),
        "person": np.arange(len(people)),
        "points3d": points,
        "axes": np.array(axes.value),
        "box": boxes,
    }


def _openpose_person(keypoints: Float[np.ndarray, "137 3"]) -> dict[str, list[float]]:
    """An entry of OpenPose's `people`."""
    entry: dict[str, list[float]] = {"person_id": [-1]}
    for name, part in PARTS:
        entry[f"{name}_keypoints_2d"] = keypoints[part].astype(float).round(3).ravel().tolist()
    for name, _ in PARTS:
        entry[f"{name}_keypoints_3d"] = []
    return entry
