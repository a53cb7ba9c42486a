"""Images of the people: measured and read upright, as EXIF says they were taken.

Only the formats of FORMATS are opened: Pillow knows dozens more, some of which start other programs
(EPS) or fail in ways of their own.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, UnidentifiedImageError

from ..core.files import boundary, open_regular
from ..core.signatures import HEAD_BYTES, FileKind, kind_of
from .frames import ImageSize, KeypointError

# in the order in which they are taken where a frame has several
SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".jfif", ".tif", ".tiff", ".gif", ".heic", ".heif",
)  # fmt: skip
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")
MOST_PIXELS = 100_000_000  # that are decoded, 300 MB of RGB; a header may claim any number
HEIF_EXTRA = "HEIC photos need pillow-heif: pip install 'smplifyx[heif]'"
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# what Pillow remarks upon (size, damaged EXIF) is no message for users of this program
warnings.filterwarnings("ignore", module=r"PIL\.")


class ImageError(KeypointError):
    """An image that cannot be read: the message names the file and why."""


class PhotoSize(NamedTuple):
    """Sizes in pixels, (width, height): of the upright photo and of its pixels as they are stored.

    `orientation` is EXIF's, 1..8: how the one becomes the other.
    """

    upright: ImageSize
    stored: ImageSize
    orientation: int


def photo_size(path: Path) -> PhotoSize:
    """The sizes of the image; only the header is read. Raises ImageError."""
    with _opened(path) as image:
        width, height = image.size
        orientation = _orientation(image)
    upright = (height, width) if orientation in _SIDEWAYS else (width, height)
    return PhotoSize(upright=upright, stored=(width, height), orientation=orientation)


def upright_size(path: Path) -> ImageSize:
    """(width, height) in pixels of the image once turned as EXIF says; only the header is read.

    Raises ImageError.
    """
    return photo_size(path).upright


def turned_upright(points: np.ndarray, stored: ImageSize, orientation: int) -> np.ndarray:
    """Points (x, y) [n, 2] of the image as it is stored, in pixels of the upright one."""
    width, height = stored
    x, y = points[:, 0], points[:, 1]
    mirrored_x, mirrored_y = width - x, height - y
    turned = {
        2: (mirrored_x, y),
        3: (mirrored_x, mirrored_y),
        4: (x, mirrored_y),
        5: (y, x),
        6: (mirrored_y, x),
        7: (mirrored_y, mirrored_x),
        8: (y, mirrored_x),
    }
    return np.stack(turned.get(orientation, (x, y)), axis=1)


def read_image(path: Path | str) -> UInt8[np.ndarray, "height width 3"]:
    """The image in RGB, turned upright as EXIF says; transparency is dropped, and of several
    pictures in a file the first is taken.

    A JPEG of more than MOST_PIXELS comes at a half, a quarter or an eighth of its size. Raises
    ImageError, also for another image of so many pixels.
    """
    path = Path(path)
    with _opened(path) as image:
        orientation = _orientation(image)
        _bound_pixels(image)
        pixels = _to_rgb(image)
        turn = _TRANSPOSE.get(orientation)
        return np.array(pixels if turn is None else pixels.transpose(turn))


def _bound_pixels(image: Image.Image) -> None:
    """Raises ValueError for an image that is too large to be decoded."""
    width, height = image.size
    excess = width * height / MOST_PIXELS
    if excess > 1:
        shrink = 2 ** math.ceil(math.log2(excess) / 2)  # JPEGs are halved, once or more
        image.draft("RGB", (width // shrink, height // shrink))  # does nothing but to a JPEG
    if image.width * image.height > MOST_PIXELS:
        most = MOST_PIXELS // 1_000_000
        raise ValueError(f"{width}x{height} pixels, at most {most} million are decoded")


def _to_rgb(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I"):
        return image.convert("RGB")
    # 16-bit grey, which Pillow would clip rather than scale: 257 * 255 is 65535
    grey = np.asarray(image).astype(np.float32) / 257
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")


def focal_35mm(path: Path) -> float | None:
    """The focal length in 35 mm-equivalent millimetres from EXIF, None where it is absent or
    absurd.

    Raises ImageError for an unreadable image.
    """
    with _opened(path) as image:
        tags = _exif(image).get_ifd(ExifTags.IFD.Exif)
        try:
            value = float(tags.get(ExifTags.Base.FocalLengthIn35mmFilm) or 0)
        except (TypeError, ValueError):  # several values where one belongs, or a text
            return None
    return value if 3 <= value <= 3000 else None  # 0 means unknown, 65535 is a common filler


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image, its header read. Whatever goes wrong until it is closed becomes an ImageError."""
    with boundary(path, "a readable image", ImageError), open_regular(path) as stream:
        head = stream.read(HEAD_BYTES)
        formats = FORMATS
        if _is_heif(head) and _reads_heif():
            formats = ("HEIF",)
        try:
            image = Image.open(stream, formats=formats)
        except UnidentifiedImageError as error:
            raise ValueError(_why_not(head, path)) from error
        with image:
            yield image


def _is_heif(head: bytes) -> bool:
    """Whether a file is HEIC or HEIF (not AVIF, which has the same container)."""
    return head[4:8] == b"ftyp" and kind_of(head) is FileKind.PHOTO and head[8:11] != b"avi"


def _reads_heif() -> bool:
    """Whether HEIC can be read: the extra is asked for only where such a file is met."""
    if "HEIF" in Image.OPEN:
        return True
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError:
        return False
    return True


def _why_not(head: bytes, path: Path) -> str:
    """What there is instead of an image that can be read."""
    if not head:
        return "the file is empty"
    if _is_heif(head):
        return "damaged or cut off" if _reads_heif() else HEIF_EXTRA
    kind = kind_of(head, path.name)
    if kind in (None, FileKind.PHOTO):
        return "damaged, cut off, or of a kind that is not read"
    return f"this is {kind.value}"


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # Pillow has turned these already
        return 1
    orientation = _exif(image).get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in _TRANSPOSE else 1


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
