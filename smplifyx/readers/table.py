"""The file formats that keypoints are read from: one line each, asked in this order."""

from __future__ import annotations

from .coco import CocoReader
from .detectors import DetectorReader
from .openpose import OpenPoseReader
from .reader import Reader

READERS: tuple[Reader, ...] = (
    OpenPoseReader(),
    CocoReader(),
    DetectorReader(),
)
