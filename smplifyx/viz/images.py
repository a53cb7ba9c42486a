"""Writing pictures: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..core.npz import replacing
from .scene import Image

JPEG_SUFFIXES = (".jpg", ".jpeg")
PNG_SUFFIXES = (".png",)


def write_image(path: Path, image: Image, quality: int = 90) -> Path:
    """Writes an image as .jpg or .png, by the suffix of the path; makes its folders.

    Args:
        path: where to; the file appears whole or not at all.
        image: [height, width, 3] RGB uint8.
        quality: 0..100, for JPEG alone.

    Returns: the path. Raises ValueError for another suffix.
    """
    suffix = path.suffix.lower()
    if suffix not in (*JPEG_SUFFIXES, *PNG_SUFFIXES):
        raise ValueError(f"{path}: images are written as .jpg or .png")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix in JPEG_SUFFIXES else []
    bgr = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(path.suffix, bgr, options)
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
    return path
