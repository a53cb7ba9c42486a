"""OpenPose's --write_keypoint output, which is named, not read."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.files import open_regular
from .reader import ImagePeople, KeypointFile

_PARTS = ("_pose", "_face", "_hand_left", "_hand_right")
_BEGINNINGS = (b"%YAML", b"<?xml", b"<opencv_storage")


class OpenCvStorageReader:
    """OpenCV's YAML or XML of a matrix of points."""

    suffixes = tuple(f"{part}{kind}" for part in _PARTS for kind in (".yml", ".yaml", ".xml"))
    content = "OpenCV matrices"

    def recognises(self, file: KeypointFile) -> bool:
        """Whether the file is called and begins like OpenCV's storage."""
        if not file.path.name.lower().endswith((".yml", ".yaml", ".xml")):
            return False
        with open_regular(file.path) as stream:
            return stream.read(100).lstrip().startswith(_BEGINNINGS)

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        """Raises ValueError with what to do."""
        kind = file.path.suffix[1:].upper()
        raise ValueError(
            f"OpenPose's --write_keypoint in {kind}, which smplifyx does not read: "
            "run OpenPose with --write_json"
        )
