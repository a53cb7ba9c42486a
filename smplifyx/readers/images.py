"""Images of the people: measured and read upright, as EXIF says they were taken."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image

from .frames import KeypointError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_FAILURES = (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError)
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(KeypointError):
    """An image that cannot be read: the message names the file and why."""


def upright_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels of the image once turned as EXIF says; only the header is read.

    Raises ImageError.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            if _orientation(image) in _SIDEWAYS:
                return height, width
            return width, height
    except _FAILURES as error:
        raise ImageError(f"{path}: not a readable image ({error})") from error


def read_image(path: Path | str) -> UInt8[np.ndarray, "height width 3"]:
    """The image in RGB, turned upright as EXIF says; transparency is dropped. Raises ImageError."""
    try:
        with Image.open(path) as image:
            orientation = _orientation(image)
            pixels = _to_rgb(image)
    except _FAILURES as error:
        raise ImageError(f"{path}: not a readable image ({error})") from error
    turn = _TRANSPOSE.get(orientation)
    if turn is not None:
        pixels = pixels.transpose(turn)
    return np.array(pixels)


def _to_rgb(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I"):
        return image.convert("RGB")
    # 16-bit grey, which Pillow would clip rather than scale: 257 * 255 is 65535
    grey = np.asarray(image).astype(np.float64) / 257
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")


def focal_35mm(path: Path) -> float | None:
    """The focal length in 35 mm-equivalent millimetres from EXIF, None where it is absent or
    absurd.

    Raises ImageError for an unreadable image.
    """
    try:
        with Image.open(path) as image:
            tags = _exif(image).get_ifd(ExifTags.IFD.Exif)
            value = float(tags.get(ExifTags.Base.FocalLengthIn35mmFilm) or 0)
    except TypeError:  # several values where one belongs
        return None
    except _FAILURES as error:
        raise ImageError(f"{path}: not a readable image ({error})") from error
    return value if 3 <= value <= 3000 else None  # 0 means unknown, 65535 is a common filler


def _orientation(image: Image.Image) -> int:
    return _exif(image).get(ExifTags.Base.Orientation, 1)


def _exif(image: Image.Image) -> Image.Exif:
    """EXIF from the header alone (`getexif` decodes a whole PNG to look for a late chunk), empty
    where damaged.
    """
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
    except (SyntaxError, ValueError, OSError, struct.error, KeyError):
        return Image.Exif()  # damaged metadata does not make the picture unreadable
    return exif
