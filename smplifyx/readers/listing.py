"""Which files of a folder may hold keypoints, by their names alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .frames import KeypointError, Note
from .point_table import is_point_table
from .reader import Reader
from .sidecars import CAMERA_SUFFIX, CAMERA_TABLES, PEOPLE_SUFFIX
from .stems import plain_stem, safe_name
from .walking import Walk
from .wrong_input import is_wrong, kind_of_file, refusal, what_folder

_ENDING = "_keypoints"
_PREDICTIONS = ".predictions"  # OpenPifPaf writes `x.jpg.predictions.json`
_OWN_TABLE = "summary.csv"  # of results that lie beside the keypoints


@dataclass(frozen=True)
class ListedFile:
    """A file to be read, the stem of its frame where it is of one image, and the folder that it
    lies in within that of all (empty: that one itself).
    """

    stem: str
    path: Path
    inner: str = ""


@dataclass(frozen=True)
class Listing:
    """The files of keypoints of a source, the folders where their images may lie, and what is to
    be told of the search.
    """

    files: tuple[ListedFile, ...]
    folder: Path
    images: Path | None
    notes: tuple[Note, ...] = ()


def list_source(
    source: Path, images: Path | None, recursive: bool, readers: Sequence[Reader]
) -> Listing:
    """The files of a folder that one of the readers may read, or the one file, sorted by stem.

    A folder with the folders `keypoints` and `images` in it, as the program of 2019 had them, is
    read as these two. Of one stem `X_keypoints.json` comes before `X.json`, which may be about
    anything. Raises KeypointError where there is no file, or `images` is no folder.
    """
    found = {suffix for reader in readers for suffix in reader.suffixes}
    suffixes = tuple(sorted(found, key=len, reverse=True))  # .json.gz before .gz
    if images is not None and not images.is_dir():
        raise KeypointError(_no_images(images))
    if not source.is_dir():
        _check_file(source, suffixes)
        file = ListedFile(_stem_of(source.name, suffixes), source)
        return Listing((file,), source.parent, images)
    notes: list[Note] = []
    old = keypoint_folder(source, suffixes)
    if old != source:
        own_images = source / "images"
        if images is None and own_images.is_dir():
            images = own_images
        place = "" if images is None else f", photos of {images}"
        notes.append(Note("folder of the 2019 layout", f"keypoints of {old}{place}"))
    walk = Walk(old, recursive)
    files = tuple(_files_of(walk, suffixes))
    if not files:
        raise KeypointError(_nothing_in(source, recursive, suffixes))
    notes += [Note("folder that cannot be read", str(folder)) for folder in walk.unreadable]
    return Listing(files, old, images, tuple(notes))


def keypoint_folder(source: Path, suffixes: tuple[str, ...] = (".json",)) -> Path:
    """The folder itself, or `keypoints` in one of the 2019 layout."""
    inner = source / "keypoints"
    if not inner.is_dir() or not (source / "images").is_dir():
        return source
    has_own = any(_names_of(Walk(source, recursive=False), suffixes))
    return source if has_own else inner


def _no_images(images: Path) -> str:
    if images.exists():
        return f"{images}: is a file; --images takes the folder that the photos lie in"
    return f"{images}: no such folder of images"


def _check_file(source: Path, suffixes: tuple[str, ...]) -> None:
    """Raises KeypointError for a single file that is not there, or is something else by its first
    bytes.
    """
    if not os.path.lexists(source):
        raise KeypointError(f"{source}: no such file or folder of keypoints")
    if not source.is_file():
        raise KeypointError(f"{source}: not a regular file, but a pipe, a device or a broken link")
    kind = kind_of_file(source)
    if kind is not None and is_wrong(kind, source.name, suffixes):
        raise KeypointError(refusal(source, kind))


def _nothing_in(source: Path, recursive: bool, suffixes: tuple[str, ...]) -> str:
    line = f"{source}: holds no keypoint files (X_keypoints.json or X.json)"
    if not recursive and any(_names_of(Walk(source, recursive=True), suffixes)):
        return f"{line}; the folders in it do: --recursive reads them"
    what = what_folder(source)
    return line if what is None else f"{line}; {what}"


def _files_of(walk: Walk, suffixes: tuple[str, ...]) -> Iterator[ListedFile]:
    """The files that may hold keypoints, sorted by stem."""
    found: list[tuple[str, bool, str]] = []
    for name in _names_of(walk, suffixes):
        is_plain = _ENDING not in name.rpartition("/")[2]
        found.append((_stem_of(name, suffixes), is_plain, name))
    for stem, _, name in sorted(found):
        folder = name.rpartition("/")[0]
        yield ListedFile(stem, walk.folder / name, safe_name(folder) if folder else "")


def _names_of(walk: Walk, suffixes: tuple[str, ...]) -> Iterator[str]:
    for name in walk.names():
        lower_name = name.rpartition("/")[2].lower()
        if not _may_hold_keypoints(lower_name, suffixes):
            continue
        # tables are about anything: one of something else is nobody's keypoints
        if not lower_name.endswith(".csv") or is_point_table(walk.folder / name):
            yield name


def _may_hold_keypoints(lower_name: str, suffixes: tuple[str, ...]) -> bool:
    if not lower_name.endswith(suffixes) or lower_name.startswith("."):
        return False
    is_sidecar = lower_name.endswith((CAMERA_SUFFIX, PEOPLE_SUFFIX))
    return not is_sidecar and lower_name not in (*CAMERA_TABLES, _OWN_TABLE)


def _stem_of(name: str, suffixes: tuple[str, ...]) -> str:
    """The name without what readers and OpenPose put behind it, and without the suffix of an image:
    `x.jpg.json` is about `x.jpg`. `suffixes` come longest first.
    """
    lower_name = name.lower()
    ending = next((suffix for suffix in suffixes if lower_name.endswith(suffix)), "")
    base = name[: len(name) - len(ending)]
    base = base.removesuffix(_ENDING).removesuffix(_PREDICTIONS) or base
    return safe_name(plain_stem(base))
