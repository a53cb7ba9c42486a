"""Which files of a folder may hold keypoints, by their names alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .frames import KeypointError
from .point_table import is_point_table
from .reader import Reader
from .sidecars import CAMERA_SUFFIX, CAMERA_TABLES, PEOPLE_SUFFIX
from .stems import safe_name

_ENDING = "_keypoints"


@dataclass(frozen=True)
class ListedFile:
    """A file to be read and the stem of its frame, where it is of one image."""

    stem: str
    path: Path


def list_files(source: Path, recursive: bool, readers: Sequence[Reader]) -> list[ListedFile]:
    """The files of a folder that one of the readers may read, or the one file, sorted by stem.

    Of one stem `X_keypoints.json` comes before `X.json`, which may be about anything. Raises
    KeypointError where there is none.
    """
    suffixes = tuple(suffix for reader in readers for suffix in reader.suffixes)
    if source.is_file():
        return [ListedFile(_stem_of(source.name, suffixes), source)]
    if not source.is_dir():
        raise KeypointError(f"{source}: no such file or folder of keypoints")
    found: list[tuple[str, bool, str]] = []
    for name in _relative_names(source, recursive, suffixes):
        is_plain = _ENDING not in name.rsplit("/", 1)[-1]
        found.append((_stem_of(name, suffixes), is_plain, name))
    if not found:
        raise KeypointError(f"{source}: holds no keypoint files (X_keypoints.json or X.json)")
    return [ListedFile(stem, source / name) for stem, _, name in sorted(found)]


def _relative_names(folder: Path, recursive: bool, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Paths relative to the folder, with `/`, of what may hold keypoints."""
    for parent, subfolders, names in os.walk(folder):
        inner = Path(parent).relative_to(folder)
        for name in names:
            if not _may_hold_keypoints(name.lower(), suffixes):
                continue
            # tables are about anything: one of something else is nobody's keypoints
            if not name.lower().endswith(".csv") or is_point_table(folder / inner / name):
                yield (inner / name).as_posix()
        if not recursive:
            subfolders.clear()  # os.walk goes on into what is left here


def _may_hold_keypoints(lower_name: str, suffixes: tuple[str, ...]) -> bool:
    if not lower_name.endswith(suffixes) or lower_name.startswith("."):
        return False
    is_sidecar = lower_name.endswith((CAMERA_SUFFIX, PEOPLE_SUFFIX))
    return not is_sidecar and lower_name not in CAMERA_TABLES


def _stem_of(name: str, suffixes: tuple[str, ...]) -> str:
    lower_name = name.lower()
    endings = [suffix for suffix in suffixes if lower_name.endswith(suffix)]
    longest = max(map(len, endings), default=0)  # of .gz and .json.gz the whole one
    base = name[: len(name) - longest]
    return safe_name(base.removesuffix(_ENDING) or base)
