"""What people give in place of keypoints, and the line that says what it is and what to do."""

from __future__ import annotations

import os
import re
from collections import Counter
from itertools import islice
from pathlib import Path

from ..core.files import open_regular
from ..core.signatures import HEAD_BYTES, FileKind, kind_of, kind_of_name
from .walking import is_results

_DETECT = "smplifyx reads keypoints, which a detector finds in photos first (smplifyx predict does)"
_EXPECTED = "smplifyx reads 2D keypoints as JSON (OpenPose, COCO and others)"
_REMEDIES = {
    FileKind.PHOTO: _DETECT,
    FileKind.OTHER_PICTURE: _DETECT,
    FileKind.VIDEO: f"cut it into photos (ffmpeg -i VIDEO %06d.jpg); {_DETECT}",
    FileKind.LFS_POINTER: "",
    FileKind.ANNEX_POINTER: "",
    FileKind.WEB_PAGE: "download it again, signed in where the site wants it",
    FileKind.ZIP: "unpack it and give the folder",
    FileKind.TAR: "unpack it and give the folder",
    FileKind.PACKED: "unpack it",
    FileKind.OPENCV_YAML: f"{_EXPECTED}: let OpenPose write them with --write_json",
    FileKind.XML: f"{_EXPECTED}: let OpenPose write them with --write_json",
}
# read where a reader has their suffix: what is wrong with one is for the reader to say
_MAY_HOLD_TEXT = (FileKind.PACKED, FileKind.OPENCV_YAML, FileKind.XML)
_BODY_MODEL = re.compile(r"(?:basicmodel|smpl[hx]?|mano|flame)_.*\.(?:pkl|npz)$", re.IGNORECASE)
_MODELS = "an unpacked download of body models: give it as --model, and keypoints here"
_MOST_LOOKED_AT = 2000  # files of a folder
_SOLID_POINTS = re.compile(r"keypoints_?3d|joints?_?3d|3d_?(?:joints|keypoints|pose)|pose_?3d")
SOLID = "holds 3D keypoints only; smplifyx fits bodies to 2D keypoints of photos"


def kind_of_file(path: Path) -> FileKind | None:
    """What a file is, where it is of a kind that is told by its first bytes or its name."""
    try:
        with open_regular(path) as stream:
            return kind_of(stream.read(HEAD_BYTES), path.name)
    except OSError:
        return None


def is_wrong(kind: FileKind | None, name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a file of that kind is none for readers of files with these suffixes."""
    if kind is None:
        return False
    return kind not in _MAY_HOLD_TEXT or not name.lower().endswith(suffixes)


def refusal(path: Path, kind: FileKind) -> str:
    """The line about a file that is no file of keypoints."""
    if _BODY_MODEL.match(path.name) and kind not in (FileKind.LFS_POINTER, FileKind.WEB_PAGE):
        return f"{path}: this is a body model: give it as --model, and keypoints here"
    return "; ".join(filter(None, (f"{path}: this is {kind.value}", _remedy(kind))))


def _remedy(kind: FileKind) -> str:
    return _REMEDIES.get(kind, _EXPECTED)


def what_folder(folder: Path) -> str | None:
    """What a folder without files of keypoints holds instead, None where nobody could say."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _MOST_LOOKED_AT)]
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if is_results(names):
        return "this is a folder of smplifyx's results"
    if not names:
        return "it is empty"
    if any(map(_BODY_MODEL.match, names)) or _holds_models(folder):
        return f"this is {_MODELS}"
    kinds = Counter(filter(None, map(kind_of_name, names)))
    if not kinds:
        return None
    kind, _ = kinds.most_common(1)[0]
    several = "photos" if kind is FileKind.PHOTO else f"files of which each is {kind.value}"
    return "; ".join(filter(None, (f"it holds {several}", _remedy(kind))))


def _holds_models(folder: Path) -> bool:
    """Whether the folders in a folder hold body models, as the downloads do."""
    places = ("models", "smplx", "smplh", "smpl", "models/smplx", "models/smplh", "models/smpl")
    for place in places:
        try:
            if any(map(_BODY_MODEL.match, os.listdir(folder / place))):
                return True
        except OSError:
            continue
    return False


def holds_only_solid_points(document: object) -> bool:
    """Whether a document without 2D keypoints has some in 3D."""
    if isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, dict):
        return False
    people = document.get("people")
    if isinstance(people, list):
        return any(_is_solid(person) for person in people[:100])
    return _is_solid(document)


def _is_solid(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    return any(values and _SOLID_POINTS.search(str(key).lower()) for key, values in entry.items())
