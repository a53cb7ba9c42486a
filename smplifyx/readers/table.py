"""The file formats that keypoints are read from: one line each, asked in this order."""

from __future__ import annotations

from .coco import CocoReader
from .detectors import DetectorReader
from .mediapipe import MediaPipeReader
from .opencv_storage import OpenCvStorageReader
from .openpose import OpenPoseReader
from .point_table import PointTableReader
from .reader import Reader

READERS: tuple[Reader, ...] = (
    PointTableReader(),  # before those that parse JSON, as the next
    OpenCvStorageReader(),
    OpenPoseReader(),
    CocoReader(),
    DetectorReader(),
    MediaPipeReader(),
)
