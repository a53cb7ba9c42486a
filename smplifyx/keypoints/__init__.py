"""2D keypoints: one canonical 137-point type, layouts as tables, tolerant readers."""

from .reading import read_frames
from .types import Keypoints

__all__ = ["Keypoints", "read_frames"]
