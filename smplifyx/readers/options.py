"""What a user says of all keypoint files of a run, where the files themselves do not tell."""

from __future__ import annotations

from dataclasses import dataclass

from ..keypoints.layouts import LayoutName
from .frames import ImageSize


@dataclass(frozen=True)
class ReadOptions:
    """How files are to be read.

    `layout` is that of the body points, of files that do not name their points (None: by their
    number). `keypoint_size` is (width, height) in pixels of the images that the keypoints were made
    in, where no file tells (None: the images' own). `seen` and `confident` are the scores from
    which a point counts as seen and as confident, 0..1 (None: as `keypoints.confidence` has them).
    """

    layout: LayoutName | None = None
    keypoint_size: ImageSize | None = None
    seen: float | None = None
    confident: float | None = None


AS_IT_COMES = ReadOptions()  # nothing is said: files and usage tell
