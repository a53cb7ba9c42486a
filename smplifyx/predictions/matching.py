"""Whose prediction is whose: by where their points lie in the picture, never by their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..body.model import BodyModel
from ..camera import Camera
from ..evidence.pose_estimate import PoseEstimate
from ..keypoints import Keypoints
from ..keypoints.confidence import SEEN
from .estimating import STRANGER, estimated
from .prediction import Prediction

NOBODY = 10.0  # metres: worse than any prediction
APART = 0.5  # least overlap of a told box with the keypoints', of the smaller one


@dataclass(frozen=True)
class Match:
    """What a picture's predictions say of one of its people.

    estimate: None where no prediction is of this person. error: metres, of the nearest prediction
    (see `Placed`); NaN where there is none. place: which one, None where none is of this person.
    """

    estimate: PoseEstimate | None = None
    error: float = float("nan")
    place: int | None = None


def matched(
    predictions: Sequence[Prediction], keypoints: Keypoints, camera: Camera, body: BodyModel
) -> list[Match]:
    """A match for each person [batch] of a picture.

    Each prediction goes to one person at most, so that all errors together are least (the Hungarian
    method). One that lies elsewhere in the picture, or too far off, is nobody's.
    """
    count = len(keypoints.confidence)
    if not predictions:
        return [Match()] * count
    errors = np.full((count, len(predictions)), NOBODY)
    rows: list[PoseEstimate] = []
    for place, prediction in enumerate(predictions):
        said = estimated([prediction] * count, keypoints, camera, body)
        rows.append(said.estimate)
        error = said.error.nan_to_num(nan=NOBODY).clamp(max=NOBODY).cpu().numpy()
        errors[:, place] = np.where(_elsewhere(prediction, keypoints), NOBODY, error)
    answers: list[Match] = []
    place_of = dict(zip(*linear_sum_assignment(errors), strict=True))
    for person in range(count):
        nearest = float(errors[person].min())
        said = nearest if nearest < NOBODY else float("nan")
        place = place_of.get(person)
        if place is None or errors[person, place] >= STRANGER:
            answers.append(Match(error=said))
        else:
            estimate = rows[place][person]
            answers.append(Match(estimate, float(errors[person, place]), int(place)))
    return answers


def _elsewhere(prediction: Prediction, keypoints: Keypoints) -> np.ndarray:
    """Which people's keypoints lie outside the box that the prediction names; nobody's where it
    names none.
    """
    left, top, right, bottom = prediction.box.tolist()
    has_size = right > left and bottom > top
    if not has_size:  # NaN, or the middle alone
        return np.zeros(len(keypoints.confidence), bool)
    seen = keypoints.confidence >= SEEN
    x, y = keypoints.xy.unbind(-1)
    inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    share = (inside & seen).sum(-1) / seen.sum(-1).clamp(min=1)
    return (share < APART).cpu().numpy()
