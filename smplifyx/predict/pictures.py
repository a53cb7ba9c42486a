"""Pictures to look for people in: a photo, a video's frames, or a folder of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from ..core.files import boundary, open_regular
from ..core.signatures import HEAD_BYTES, FileKind, kind_of, kind_of_name
from ..readers.images import MOST_PIXELS, read_image


class PictureError(ValueError):
    """A picture, a video or a folder that cannot be used; the message is one line with its path."""


@dataclass(frozen=True, eq=False)
class SourcePicture:
    """One picture.

    stem: what its files are called.
    photo: its name, without folders; of a frame its stem, which tells it from others of the video.
    image: RGB, upright; None where it cannot be read.
    problem: why not, one line with its path; empty where it can.
    """

    stem: str
    photo: str
    image: UInt8[np.ndarray, "h w 3"] | None
    problem: str = ""


def files_of(source: Path) -> list[Path]:
    """The photos and videos of a folder, in the order of their names; a file is alone.

    Raises PictureError where there are none, or there is no such file or folder.
    """
    if not source.exists():
        raise PictureError(f"{source}: there is no such file or folder")
    if not source.is_dir():
        return [source]
    kinds = (FileKind.PHOTO, FileKind.VIDEO)
    files = sorted(path for path in source.iterdir() if kind_of_name(path.name) in kinds)
    if not files:
        raise PictureError(f"{source}: no photos or videos in this folder")
    return files


def has_videos(source: Path) -> bool:
    """Whether any of the files, by its name, is a video. Raises PictureError as `files_of` does."""
    return any(kind_of_name(path.name) is FileKind.VIDEO for path in files_of(source))


def pictures_of(source: Path, every: int = 1) -> Iterator[SourcePicture]:
    """The pictures of a photo, of every so manieth frame of a video, or of everything in a folder.

    One that cannot be read comes with its problem. Raises PictureError as `files_of` does.
    """
    taken: set[str] = set()
    for path in files_of(source):
        # photo.jpg and photo.png are two pictures, and need two names
        stem = path.name if path.stem.casefold() in taken else path.stem
        taken.add(path.stem.casefold())
        if _is_video(path):
            yield from _frames(path, stem, every)
        else:
            yield _photo(path, stem)


def _is_video(path: Path) -> bool:
    try:
        with open_regular(path) as stream:
            return kind_of(stream.read(HEAD_BYTES), path.name) is FileKind.VIDEO
    except OSError:
        return False  # the reader of photos says what is wrong with it


def _photo(path: Path, stem: str) -> SourcePicture:
    try:
        return SourcePicture(stem, path.name, read_image(path))
    except ValueError as error:
        return SourcePicture(stem, path.name, None, str(error))


def _frames(path: Path, stem: str, every: int) -> Iterator[SourcePicture]:
    """Frames are called STEM_000012: their number in the video, from 0."""
    frames = _decoded(path, every)
    count = 0
    try:
        with boundary(path, "a readable video", PictureError):
            for number, image in frames:
                name = f"{stem}_{number:06d}"
                yield SourcePicture(name, name, image)
                count += 1
            if not count:
                raise ValueError("no frame of it can be decoded")
    except PictureError as error:
        yield SourcePicture(stem, path.name, None, str(error))


def _decoded(path: Path, every: int) -> Iterator[tuple[int, UInt8[np.ndarray, "h w 3"]]]:
    video = cv2.VideoCapture(str(path))
    try:
        width = video.get(cv2.CAP_PROP_FRAME_WIDTH)
        height = video.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if width * height > MOST_PIXELS:
            raise ValueError(f"{width:.0f}x{height:.0f} pixels a frame")
        number = 0
        while video.grab():
            if number % every == 0:
                is_decoded, image = video.retrieve()
                if is_decoded:
                    yield number, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            number += 1
    finally:
        video.release()
