"""From a folder or a file of keypoint JSON to frames of people, one at a time."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..parallel.prefetch import prefetch
from . import coco, openpose
from .camera_sidecar import SUFFIX as CAMERA_SUFFIX
from .camera_sidecar import (
    TABLES,
    IntrinsicsError,
    find_sidecar,
    plain_stem,
    read_camera_file,
    read_size,
)
from .frames import Frame, KeypointError, Person, SizeSource
from .images import ImageError, index_images, read_image, upright_size
from .people_sidecar import SUFFIX as PEOPLE_SUFFIX
from .people_sidecar import with_facts

__all__ = ["count_files", "prefetch", "read_frames", "read_image"]

LARGEST_FILE = 256 * 2**20  # bytes; parsed JSON takes about ten times the file's size
_ENDING = "_keypoints"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f:*?\"<>|]")  # in file names, on one system or another


@dataclass(frozen=True)
class _Finder:
    """Images by stem in folders that were listed once; earlier folders win."""

    folders: tuple[Path, ...]
    listings: tuple[Mapping[str, Path], ...]

    @classmethod
    def of(cls, folders: tuple[Path, ...], recursive: bool) -> _Finder:
        return cls(folders, tuple(index_images(folder, recursive) for folder in folders))

    def find(self, stem: str) -> Path | None:
        found = (listing.get(stem) or listing.get(stem.lower()) for listing in self.listings)
        return next((path for path in found if path is not None), None)

    def find_named(self, file_name: str) -> Path | None:
        """The image an annotation names, which may lie in a subfolder."""
        name = _safe(file_name)
        paths = (folder / name for folder in self.folders)
        return self.find(plain_stem(name)) or next((path for path in paths if path.is_file()), None)


def read_frames(
    source: Path | str, images: Path | str | None = None, recursive: bool = False
) -> Iterator[Frame]:
    """Every frame of a folder of keypoint files, or of one file, sorted by stem and read one at a
    time.

    Files are `X_keypoints.json` or `X.json`: OpenPose (one frame each), or COCO, COCO-WholeBody and
    Halpe annotations or results (a frame per image), told apart by their content. A frame's image
    has the same stem and lies in `images` or beside the file; with `recursive`, subfolders are part
    of the stem on both sides. A file that cannot be read becomes a frame with a `problem`, and so
    does the second of two with the same stem.

    Raises KeypointError, at once, when `source` or `images` does not exist or holds no JSON file.
    """
    source, images = Path(source), Path(images) if images is not None else None
    files = _list_files(source, recursive)
    if images is not None and not images.is_dir():
        raise KeypointError(f"{images}: no such folder of images")
    beside = source if source.is_dir() else source.parent
    folders = (beside,) if images is None else (images, beside)
    return _read_files(files, _Finder.of(folders, recursive))


def count_files(source: Path | str, recursive: bool = False) -> int:
    """How many keypoint files `read_frames` would read: its frames, where each file is of one
    image.
    """
    return len(_list_files(Path(source), recursive))


def _list_files(source: Path, recursive: bool) -> list[tuple[str, Path]]:
    """(stem, file), sorted; `X_keypoints.json` comes before `X.json`, which may be about anything."""
    if source.is_file():
        return [(_stem_of(source.name), source)]
    if not source.is_dir():
        raise KeypointError(f"{source}: no such file or folder of keypoints")
    found = [path.relative_to(source) for path in _walk(source, recursive)]
    files = sorted(
        found,
        key=lambda path: (_stem_of(path.as_posix()), _ENDING not in path.name, path.as_posix()),
    )
    if not files:
        raise KeypointError(f"{source}: holds no keypoint files (X_keypoints.json or X.json)")
    return [(_stem_of(path.as_posix()), source / path) for path in files]


def _walk(folder: Path, recursive: bool) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        for name in names:
            if _may_hold_keypoints(name.lower()):
                yield Path(parent, name)
        if not recursive:
            folders.clear()


def _may_hold_keypoints(lower_name: str) -> bool:
    aside = lower_name.endswith((CAMERA_SUFFIX, PEOPLE_SUFFIX)) or lower_name in TABLES
    return lower_name.endswith(".json") and not lower_name.startswith(".") and not aside


def _stem_of(name: str) -> str:
    base = name[: -len(".json")] if name.lower().endswith(".json") else name
    return _safe(base.removesuffix(_ENDING) or base)


def _safe(name: str) -> str:
    """A relative path of plain parts, whatever `name` holds: it becomes the name of an output
    folder.
    """
    parts = [_UNSAFE.sub("_", part).strip() for part in name.replace("\\", "/").split("/")]
    return "/".join(part for part in parts if part.strip(".")) or "unnamed"


def _read_files(files: list[tuple[str, Path]], finder: _Finder) -> Iterator[Frame]:
    taken: dict[str, Path] = {}
    for stem, path in files:
        for frame in _read_file(stem, path, finder):
            if frame.stem in taken:
                twice = f"{path}: {frame.stem!r} was already read from {taken[frame.stem].name}"
                yield Frame(stem=path.name, keypoint_file=path, problem=frame.problem or twice)
            else:
                taken[frame.stem] = path
                yield frame
            del frame  # not to be kept alive while the next is read


def _read_file(stem: str, path: Path, finder: _Finder) -> Iterator[Frame]:
    """The frames of one file; what makes it unreadable becomes the problem of a single frame."""
    empty = Frame(stem=stem, keypoint_file=path, image=finder.find(stem))
    try:
        document = _load(path)
        if openpose.is_openpose(document):
            yield _finish(
                replace(empty, people=openpose.read_people(document)), _stated_size(document)
            )
        elif coco.is_coco(document):
            yield from _annotated_frames(document, path, finder)
        else:
            raise ValueError("holds neither OpenPose 'people' nor COCO 'annotations' or results")
    except (OSError, ValueError, RecursionError) as error:
        yield replace(empty, problem=f"{path}: {_one_line(error)}")


def _load(path: Path) -> object:
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise ValueError(f"{size / 2**20:.0f} MiB, more than {LARGEST_FILE // 2**20} MiB: split it")
    content = path.read_bytes()
    if not content.strip():
        raise ValueError("the file is empty")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON, perhaps cut off ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _annotated_frames(
    document: Mapping[str, object] | list[object], path: Path, finder: _Finder
) -> Iterator[Frame]:
    for image in coco.read_images(document):
        frame = Frame(
            stem=_safe(plain_stem(image.file_name)),
            keypoint_file=path,
            people=image.people,
            image=finder.find_named(image.file_name),
            notes=image.notes,
        )
        yield _finish(frame, image.image_size)


def _finish(frame: Frame, stated: tuple[int, int] | str | None) -> Frame:
    """The frame with its image's size: the image's own, else a sidecar's or the file's, else
    bounded by the points.

    `stated` is what the keypoint file itself says, a string where that is unusable.
    """
    notes = [*frame.notes, *(f"person {p.index}: {note}" for p in frame.people for note in p.notes)]
    if isinstance(stated, str):
        notes.append(stated)
    size, source = _measured_size(frame, notes), SizeSource.IMAGE
    image = frame.image if size else None  # one that cannot be read is as good as none
    if size is None:
        size, source = (
            _sidecar_size(frame, notes) or (None if isinstance(stated, str) else stated),
            SizeSource.SIDECAR,
        )
    if size is None:
        size, source = _bounding_size(frame.people), SizeSource.KEYPOINTS
    elif (outside := _share_outside(frame.people, size)) > 0.5:
        notes.append(
            f"{outside:.0%} of the points lie outside the image of {size[0]}x{size[1]}: resized or turned?"
        )
    finished = replace(
        frame,
        image=image,
        image_size=size,
        size_source=source if size else None,
        notes=tuple(notes),
    )
    try:
        return replace(finished, people=with_facts(frame))
    except KeypointError as error:  # a frame whose people would be taken for others is not fitted
        return replace(finished, people=(), problem=str(error))


def _stated_size(document: Mapping[str, object]) -> tuple[int, int] | str | None:
    try:
        return read_size(document, "keypoint file")
    except IntrinsicsError as error:
        return str(error)


def _measured_size(frame: Frame, notes: list[str]) -> tuple[int, int] | None:
    try:
        return None if frame.image is None else upright_size(frame.image)
    except ImageError as error:
        notes.append(str(error))
        return None


def _sidecar_size(frame: Frame, notes: list[str]) -> tuple[int, int] | None:
    path = find_sidecar(frame)
    try:
        return None if path is None else read_camera_file(path).image_size
    except IntrinsicsError as error:
        notes.append(str(error))
        return None


def _bounding_size(people: Sequence[Person]) -> tuple[int, int] | None:
    """(width, height) of the smallest image that holds every seen point, None where there are no
    people.
    """
    if not people:
        return None
    width, height = np.floor(_seen_points(people).max(0, initial=0)).astype(int) + 1
    return int(width), int(height)


def _share_outside(people: Sequence[Person], size: tuple[int, int]) -> float:
    points = _seen_points(people)
    return float(((points < 0) | (points > size)).any(-1).mean()) if len(points) else 0.0


def _seen_points(people: Sequence[Person]) -> Float[np.ndarray, "points 2"]:
    points = np.concatenate([np.zeros((0, 3), np.float32), *(p.keypoints for p in people)])
    return points[points[:, 2] > 0, :2]
