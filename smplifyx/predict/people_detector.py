"""What finds people in pictures: one protocol, whichever network is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from ..keypoints.layouts import LayoutName
from ..predictions.prediction import Prediction


@dataclass(frozen=True, eq=False)
class Detected:
    """One person in a picture.

    keypoints: the canonical points, (x px, y px, confidence 0..1), zero rows where unseen.
    prediction: where the points are in 3D, for a start; None: the network does not tell.
    layout: whose idea it is of where the points are.
    """

    keypoints: Float[np.ndarray, "137 3"]
    prediction: Prediction | None
    layout: LayoutName


class DetectorError(ValueError):
    """There is nothing to detect with; the message is one line that says what to do."""


@runtime_checkable
class PeopleDetector(Protocol):
    """A network with its models. It keeps nothing of a picture for the next one."""

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> tuple[Detected, ...]:
        """Everybody in an RGB picture, the largest first."""
        ...
