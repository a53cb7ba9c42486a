"""Writing pictures: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from .scene import Image


def write_image(path: Path, image: Image, quality: int = 90) -> Path:
    """Writes RGB uint8 as .jpg or .png (by the suffix), folders included, whole or not at all; returns the path.

    `quality` 0..100 is for JPEG. Raises ValueError for another suffix.
    """
    if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise ValueError(f"{path}: images are written as .jpg or .png")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix.lower() != ".png" else []
    _, data = cv2.imencode(path.suffix, np.ascontiguousarray(image[..., ::-1]), options)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    partial.write_bytes(data.tobytes())
    os.replace(partial, path)
    return path
