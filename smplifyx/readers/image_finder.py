"""Which image belongs to a frame: folders of images, listed once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .images import SUFFIXES
from .stems import plain_stem, safe_name


@dataclass(frozen=True)
class ImageFinder:
    """Images by stem in folders that were listed once; earlier folders win.

    A listing has each image under its stem and, where no other image has exactly that, under its
    stem in lower case.
    """

    folders: tuple[Path, ...]
    listings: tuple[Mapping[str, Path], ...]

    @classmethod
    def of(cls, folders: tuple[Path, ...], recursive: bool) -> ImageFinder:
        """Lists the folders; with `recursive`, subfolders are part of the stem."""
        return cls(folders, tuple(_images_by_stem(folder, recursive) for folder in folders))

    def find(self, stem: str) -> Path | None:
        """The image of that stem, in any case of letters."""
        for listing in self.listings:
            path = listing.get(stem) or listing.get(stem.lower())
            if path is not None:
                return path
        return None

    def find_named(self, file_name: str) -> Path | None:
        """The image that an annotation names, which may lie in a subfolder."""
        name = safe_name(file_name)
        by_stem = self.find(plain_stem(name))
        if by_stem is not None:
            return by_stem
        # a subfolder is not in the listing of a search that is not recursive
        for folder in self.folders:
            path = folder / name
            if path.is_file():
                return path
        return None


def _images_by_stem(folder: Path, recursive: bool) -> Mapping[str, Path]:
    """Of several images with one stem the first by suffix, in the order of SUFFIXES."""
    by_stem: dict[str, Path] = {}
    for path in _images_in(folder, recursive):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        rival = by_stem.get(stem, path)
        by_stem[stem] = min(rival, path, key=_suffix_order)
    by_lower_stem = {stem.lower(): path for stem, path in sorted(by_stem.items())}
    return by_lower_stem | by_stem  # an exact stem before another's in lower case


def _images_in(folder: Path, recursive: bool) -> Iterator[Path]:
    for parent, subfolders, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                yield path
        if not recursive:
            subfolders.clear()  # os.walk goes on into what is left here


def _suffix_order(path: Path) -> tuple[int, str]:
    return SUFFIXES.index(path.suffix.lower()), path.name
