"""Where the small files about one frame lie that are not keypoints."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..core.files import boundary, read_bounded
from .frames import Frame

CAMERA_SUFFIX = ".camera.json"
PEOPLE_SUFFIX = ".people.json"
# looked for in the keypoint folder
CAMERA_TABLES = (
    "cameras.csv", "cameras.json", "intri.yml", "intri.yaml", "cameras.yml", "cameras.yaml",
    "cameras.toml",
)  # fmt: skip
LARGEST_SIDECAR = 16 * 2**20  # bytes


def find_sidecar(frame: Frame, suffix: str) -> Path | None:
    """The frame's `X` + `suffix` in the folder of its keypoints, else of its image, if there is
    one; X is the frame's own name, or its image's.
    """
    own = frame.stem.rpartition("/")[2]
    places = [(frame.keypoint_file.parent, own)]
    if frame.image is not None:
        places.append((frame.image.parent, own))
        if frame.image.stem != own:
            places.append((frame.image.parent, frame.image.stem))
            places.append((frame.keypoint_file.parent, frame.image.stem))
    for folder, name in places:
        path = os.path.join(folder, name + suffix)
        # anything but a folder: that a pipe cannot be read is to be told
        if os.path.exists(path) and not os.path.isdir(path):
            return Path(path)
    return None


def load_json(path: Path, error: type[ValueError]) -> object:
    """The content of a small JSON file. Raises `error`, in one line, where there is none."""
    with boundary(path, "readable as JSON", error):
        return json.loads(read_bounded(path, LARGEST_SIDECAR))
