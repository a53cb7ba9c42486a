"""The poses in the pictures, as degrees about the axes of each joint."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from .hands import FINGERS, finger_pose, flexion_axis, thumb_pose
from .model import Model
from .tables import JOINT, JOINTS, other_side

Pose = dict[str, tuple[float, float, float]]


def both(pose: Pose) -> Pose:
    """The pose with its left side mirrored to the right."""
    return pose | {
        other_side(name): (x, -y, -z)
        for name, (x, y, z) in pose.items()
        if name.startswith("left_")
    }


RELAXED = both({"left_shoulder": (0, 0, -68), "left_elbow": (0, -18, 0), "left_collar": (0, 0, -3)})
POSES: dict[str, Pose] = {
    "T-pose": {},
    "relaxed": RELAXED,
    "arms up": both({"left_collar": (0, 0, 22), "left_shoulder": (0, 0, 62), "left_elbow": (0, -8, 0)}),
    "arms up, shoulders only": both({"left_shoulder": (0, 0, 80)}),
    "arms forward": both({"left_collar": (0, -8, 0), "left_shoulder": (0, -80, 0)}),
    "sitting": both({"left_hip": (-88, 6, 0), "left_knee": (88, 0, 0), "left_shoulder": (0, -25, -60),
                     "left_elbow": (0, -55, 0), "spine1": (4, 0, 0)}),
    "crouching": both({"left_hip": (-115, 12, 8), "left_knee": (135, 0, 0), "left_ankle": (-22, 0, 0),
                       "spine1": (18, 0, 0), "spine2": (14, 0, 0), "left_shoulder": (0, -60, -35),
                       "left_elbow": (0, -45, 0), "neck": (-18, 0, 0)}),
    "running": {"left_hip": (-60, 0, 0), "left_knee": (85, 0, 0), "right_hip": (22, 0, 0), "right_knee": (55, 0, 0),
                "left_shoulder": (0, 35, -65), "right_shoulder": (0, 40, 62), "left_elbow": (0, -85, 0),
                "right_elbow": (0, 85, 0), "spine2": (8, 12, 0), "left_ankle": (10, 0, 0), "right_ankle": (20, 0, 0)},
    "hands on hips": both({"left_shoulder": (72, 12, -45), "left_elbow": (0, -95, 0), "left_wrist": (0, 0, -35)}),
}  # fmt: skip


def rotations(pose: Pose) -> np.ndarray:
    """Axis-angle [55, 3] in radians."""
    out = np.zeros((len(JOINTS), 3))
    for name, degrees in pose.items():
        out[JOINT[name]] = Rotation.from_euler("xyz", degrees, degrees=True).as_rotvec()
    return out


def with_hands(pose: np.ndarray, hand: np.ndarray) -> np.ndarray:
    """The pose with a left-hand pose [15, 3] on both hands."""
    out = pose.copy()
    out[25:40], out[40:55] = hand, hand * np.array([1.0, -1.0, -1.0])
    return out


def _hand(curl: dict[str, tuple[float, float, float]], spread: float, thumb: tuple[float, ...], axis: np.ndarray
          ) -> np.ndarray:  # fmt: skip
    pose = {
        f: finger_pose(np.radians([curl[f]]), np.full(1, np.radians(spread)), f)[0] for f in curl
    }
    first, second, opposition, abduction = (np.radians([value]) for value in thumb)
    pose["thumb"] = thumb_pose(np.stack([first, second], 1), opposition, abduction, axis)[0]
    return np.concatenate([pose[finger] for finger in FINGERS])


def hand_poses(model: Model) -> dict[str, np.ndarray]:
    """Left-hand poses [15, 3] by name."""
    axis = flexion_axis(model.arrays["J_regressor"] @ model.arrays["v_template"])
    fist = dict.fromkeys(("index", "middle", "ring", "pinky"), (82.0, 98.0, 65.0))
    pinch = {
        "index": (52.0, 55.0, 20.0),
        "middle": (30.0, 30.0, 18.0),
        "ring": (24.0, 24.0, 14.0),
        "pinky": (18.0, 20.0, 12.0),
    }
    return {
        "flat": np.zeros((15, 3)), "relaxed": relaxed_hands(model),
        "fist": _hand(fist, 0.0, (40.0, 62.0, 30.0, -8.0), axis),
        "pinch": _hand(pinch, 2.0, (5.0, 25.0, 25.0, -5.0), axis),
        "point": _hand(fist | {"index": (4.0, 4.0, 2.0)}, 0.0, (40.0, 62.0, 30.0, -8.0), axis),
        "spread": _hand(dict.fromkeys(fist, (-4.0, 0.0, 0.0)), 16.0, (-8.0, -8.0, -12.0, 10.0), axis),
    }  # fmt: skip


def relaxed_hands(model: Model) -> np.ndarray:
    """The hand mean of the file, [15, 3]."""
    return model.arrays["hands_meanl"].reshape(15, 3).astype(float)
