"""Writing pictures: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..core.npz import replacing
from .scene import Image

JPEG_SUFFIXES = (".jpg", ".jpeg")
JFIF_HEADER = b"\xff\xe0"
JPEG_COMMENT = b"\xff\xfe"
PNG_SUFFIXES = (".png",)


def write_image(path: Path, image: Image, quality: int = 90, comment: str = "") -> Path:
    """Writes an image as .jpg or .png, by the suffix of the path; makes its folders.

    Args:
        path: where to; the file appears whole or not at all.
        image: [height, width, 3] RGB uint8.
        quality: 0..100, for JPEG alone.
        comment: text that a JPEG carries at its beginning, up to 65,533 bytes; for JPEG alone.

    Returns: the path. Raises ValueError for another suffix, OSError where it cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (*JPEG_SUFFIXES, *PNG_SUFFIXES):
        raise ValueError(f"{path}: images are written as .jpg or .png")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix in JPEG_SUFFIXES else []
    bgr = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(path.suffix, bgr, options)
    content = encoded.tobytes()
    if comment and suffix in JPEG_SUFFIXES:
        content = _with_comment(content, comment.encode())
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def _with_comment(jpeg: bytes, comment: bytes) -> bytes:
    """A JPEG with a comment near its beginning. Raises ValueError for one that is too long."""
    length = len(comment) + 2  # of the segment, its own two bytes included
    if length > 0xFFFF:
        raise ValueError(f"a comment of {len(comment)} bytes does not fit into a JPEG")
    at = 2  # after the mark that begins every JPEG
    if jpeg[at : at + 2] == JFIF_HEADER:  # which must be the first segment
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return jpeg[:at] + JPEG_COMMENT + length.to_bytes(2, "big") + comment + jpeg[at:]
