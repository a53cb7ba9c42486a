"""Photos as datasets need them: upright, without an orientation that readers apply or do not."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from PIL import Image

from ..core.npz import replacing
from ..readers.images import photo_size, read_image

_QUALITY = 95  # of a JPEG that is made anew
_JPEG = (".jpg", ".jpeg")


def is_turned(photo: Path) -> bool:
    """Whether its EXIF says that it is to be turned. Raises ImageError."""
    return photo_size(photo).orientation != 1


def upright_jpeg(photo: Path) -> bytes:
    """The photo as an upright JPEG; its own bytes where it is one. Raises ImageError, OSError."""
    if photo.suffix.lower() in _JPEG and not is_turned(photo):
        return photo.read_bytes()
    return encoded(photo, "JPEG")


def copy_upright(photo: Path, target: Path) -> None:
    """Copies the photo, turned upright where its EXIF says so; whole or not at all.

    Raises ImageError, OSError.
    """
    with replacing(target) as temporary:
        if is_turned(photo):
            kind = "PNG" if photo.suffix.lower() == ".png" else "JPEG"
            temporary.write_bytes(encoded(photo, kind))
        else:
            shutil.copyfile(photo, temporary)


def encoded(photo: Path, kind: str) -> bytes:
    """The upright pixels, without any tags, as JPEG or PNG. Raises ImageError."""
    stream = io.BytesIO()
    Image.fromarray(read_image(photo)).save(stream, kind, quality=_QUALITY)
    return stream.getvalue()
