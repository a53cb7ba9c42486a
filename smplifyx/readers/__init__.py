"""From files to frames of people: one file per format, images, sidecars, cameras, and who is worth
fitting.
"""

from .folder import read_frames

__all__ = ["read_frames"]
