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
