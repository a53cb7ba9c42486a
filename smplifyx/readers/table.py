"""The file formats that keypoints are read from: one line each, asked in this order."""

from __future__ import annotations

from .coco import CocoReader
from .detectors import DetectorReader
from .mediapipe import MediaPipeReader
from .openpose import OpenPoseReader
from .point_table import PointTableReader
from .reader import Reader

READERS: tuple[Reader, ...] = (
    PointTableReader(),  # first: what is no JSON is not to be parsed as such
    OpenPoseReader(),
    CocoReader(),
    DetectorReader(),
    MediaPipeReader(),
)
