"""Makers for the tests of readers: points, documents and files of keypoints."""

from __future__ import annotations

import json
from pathlib import Path


def flat(count: int, confidence: float = 0.9, start: float = 100.0) -> list[float]:
    """`count` points, each somewhere else; the first at x = `start`."""
    return [value for i in range(count) for value in (start + i, 200.0 + 2 * i, confidence)]


def openpose(**parts: object) -> dict[str, object]:
    """An OpenPose document of one person."""
    return {"version": 1.3, "people": [{f"{key}_2d": value for key, value in parts.items()}]}


BODY = [value for i in range(25) for value in (100.0 + i, 200.0 + 2 * i, 0.9)]

GOOD = {"version": 1.3, "people": [{"pose_keypoints_2d": BODY}]}


def write(folder: Path, name: str, document: object = GOOD) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = document if isinstance(document, (str, bytes)) else json.dumps(document)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# a standing adult, in pixels of an image of 640 x 480
STANDING = {
    "nose": (320, 80), "neck": (320, 120), "right_shoulder": (290, 121),
    "right_elbow": (276, 170), "right_wrist": (268, 214), "left_shoulder": (352, 120),
    "left_elbow": (366, 169), "left_wrist": (375, 213), "mid_hip": (321, 205),
    "right_hip": (303, 206), "right_knee": (299, 275), "right_ankle": (297, 345),
    "left_hip": (340, 205), "left_knee": (344, 274), "left_ankle": (347, 344),
    "right_eye": (311, 72), "left_eye": (329, 71), "right_ear": (300, 78), "left_ear": (340, 77),
    "left_big_toe": (352, 366), "left_small_toe": (362, 362), "left_heel": (344, 356),
    "right_big_toe": (291, 367), "right_small_toe": (281, 363), "right_heel": (299, 357),
}  # fmt: skip


def standing(order: list[str], confidence: float = 0.9) -> list[float]:
    """The standing adult in the order of a layout, names that no body has at the hands."""
    places = [STANDING.get(name, (375, 213)) for name in order]
    return [float(value) for x, y in places for value in (x, y, confidence)]
