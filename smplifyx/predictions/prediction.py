"""One person as a network predicted them: what every reader of predictions makes of its files."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from jaxtyping import Bool, Float

from ..body.joints import JOINT_NAMES
from ..keypoints import names

JOINTS = len(JOINT_NAMES)


class Axes(Enum):
    """Along which axes a prediction stands: x to the right, y down, z away from the viewer."""

    CAMERA = "camera"  # of the whole image
    CROP = "crop"  # of a camera that looks straight at the middle of the person's box


def no_rotations() -> Float[np.ndarray, "55 3 3"]:
    """Identities."""
    return np.tile(np.eye(3, dtype=np.float32), (JOINTS, 1, 1))


def no_points(count: int) -> Float[np.ndarray, "points 3"]:
    """NaN, which is: not told."""
    return np.full((count, 3), np.nan, np.float32)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Rotations, or points in metres, or both; what is absent says so.

    system: which network, in lower case (`hmr2`, `smplerx`, `mediapipe`): its card has its errors.
    rotations: of each SMPL-X joint against its parent, of the root against `axes`; hands
        with their mean included. Identity where `told` is False.
    points: the canonical points, metres, along `axes` from any origin; NaN where absent.
    joints: SMPL-X joints, likewise, from the same origin.
    betas: as the network's body has them, of `shape_space` (`smplx`, `smpl`, ...); empty: unknown.
    expression: likewise.
    box: where in the image the person was looked for, (left, top, right, bottom) in pixels; NaN:
        not told.
    photo: the image's name as the file tells it, perhaps with folders and suffix; empty: not told.
    frame: its number in a video, from 0; None: not told.
    person_id: what the file calls the person; empty: nothing.
    gender: of the network's body; empty: not told.
    """

    system: str
    rotations: Float[np.ndarray, "55 3 3"] = field(default_factory=no_rotations)
    told: Bool[np.ndarray, " 55"] = field(default_factory=lambda: np.zeros(JOINTS, bool))
    points: Float[np.ndarray, "137 3"] = field(default_factory=lambda: no_points(names.COUNT))
    joints: Float[np.ndarray, "55 3"] = field(default_factory=lambda: no_points(JOINTS))
    axes: Axes = Axes.CAMERA
    betas: Float[np.ndarray, " betas"] = field(default_factory=lambda: np.zeros(0, np.float32))
    expression: Float[np.ndarray, " expressions"] = field(
        default_factory=lambda: np.zeros(0, np.float32)
    )
    shape_space: str = ""
    box: Float[np.ndarray, " 4"] = field(default_factory=lambda: np.full(4, np.nan, np.float32))
    photo: str = ""
    frame: int | None = None
    person_id: str = ""
    gender: str = ""
