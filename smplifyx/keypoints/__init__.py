"""2D keypoints: one canonical 137-point type, its names, and detectors' layouts as tables."""

from .types import Keypoints

__all__ = ["Keypoints"]
