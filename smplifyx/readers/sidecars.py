"""Where the small files about one frame lie that are not keypoints."""

from __future__ import annotations

from pathlib import Path

from .frames import Frame

CAMERA_SUFFIX = ".camera.json"
PEOPLE_SUFFIX = ".people.json"
CAMERA_TABLES = ("cameras.csv", "cameras.json")  # looked for in the keypoint folder


def find_sidecar(frame: Frame, suffix: str) -> Path | None:
    """The frame's `X` + `suffix` in the folder of its keypoints, else of its image, if there is
    one.
    """
    name = Path(frame.stem).name + suffix
    folders = [frame.keypoint_file.parent]
    if frame.image is not None:
        folders.append(frame.image.parent)
    for folder in folders:
        path = folder / name
        if path.is_file():
            return path
    return None
