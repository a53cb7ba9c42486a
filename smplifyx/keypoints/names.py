"""The canonical 137 points by name: OpenPose body 25, left hand 21, right hand 21, face 70."""

from __future__ import annotations

from types import MappingProxyType

BODY_NAMES = (
    "nose", "neck",
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
FACE_PARTS = (
    ("jaw", 17), ("right_brow", 5), ("left_brow", 5), ("nose_bridge", 4), ("nose_base", 5),
    ("right_eye", 6), ("left_eye", 6), ("outer_lip", 12), ("inner_lip", 8),
)  # fmt: skip


def _hand(side: str) -> tuple[str, ...]:
    knuckles = tuple(f"{side}_{finger}_{i}" for finger in FINGERS for i in range(1, 5))
    return (f"{side}_hand_wrist", *knuckles)


def _face() -> tuple[str, ...]:
    landmarks = tuple(f"face_{part}_{i}" for part, count in FACE_PARTS for i in range(count))
    return (*landmarks, "right_pupil", "left_pupil")


POINT_NAMES: tuple[str, ...] = BODY_NAMES + _hand("left") + _hand("right") + _face()
POINT_INDEX = MappingProxyType({name: i for i, name in enumerate(POINT_NAMES)})
COUNT = len(POINT_NAMES)

BODY = slice(0, 25)
LEFT_HAND = slice(25, 46)
RIGHT_HAND = slice(46, 67)
FACE = slice(67, 137)
CONTOUR = slice(67, 84)
PARTS = MappingProxyType(
    {"body": BODY, "left_hand": LEFT_HAND, "right_hand": RIGHT_HAND, "face": FACE}
)
