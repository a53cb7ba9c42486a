"""Writing pictures: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..core.npz import replacing
from .scene import Image


def write_image(path: Path, image: Image, quality: int = 90) -> Path:
    """Writes RGB uint8 as .jpg or .png (by the suffix), folders included, whole or not at all;
    returns the path.

    `quality` 0..100 is for JPEG. Raises ValueError for another suffix.
    """
    if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise ValueError(f"{path}: images are written as .jpg or .png")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix.lower() != ".png" else []
    _, data = cv2.imencode(
        path.suffix, cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR), options
    )
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return path
