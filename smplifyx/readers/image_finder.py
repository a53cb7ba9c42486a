"""Which image belongs to a frame: by its name, exactly where there is one of that name, else by
what the name may mean. Two that may be meant alike are never guessed between.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .frames import Note
from .likeness import NearestNames, Numbered, bare, may_be_frames_of, normal, numbered
from .photo_listing import PhotoListing, Series
from .stems import plain_stem, safe_name


@dataclass(frozen=True)
class FoundImage:
    """The image of a frame, if there is one, and what is to be told of how it was looked for."""

    path: Path | None
    notes: tuple[Note, ...] = ()


class ImageFinder:
    """Images by the names of frames, in folders that were listed once; earlier folders win."""

    def __init__(
        self, folders: Sequence[Path], recursive: bool, stems: Sequence[str], asked_for: bool
    ) -> None:
        """Lists the folders; with `recursive`, folders within are part of the stem.

        `stems` are those of the files of keypoints. `asked_for` says that the first folder was
        given for its images: then it is told what of it belongs to no frame, and each frame without
        an image has a note.
        """
        self._listings = tuple(PhotoListing(folder, recursive) for folder in folders)
        self._stems = stems
        self._given = self._listings[0] if asked_for else None
        self._used: set[str] = set()  # stems of the given folder
        self._taken_by_tail: dict[Path, str] = {}
        # series of names in files of many images whose numbers are not those of the images
        self._distrusted: set[tuple[Path, Series]] = set()

    def find(self, stem: str, needed: bool = True) -> FoundImage:
        """The image of a file of keypoints with that stem; that a `needed` one is missing is
        told.
        """
        found = self._exact(stem) or self._alike(stem, None)
        return self._told(stem, found) if needed else found or FoundImage(None)

    def find_named(self, name: str, inner: str, file: Path) -> FoundImage:
        """The image that a `file` of many images names, which may lie in folders of its own.

        `inner` is the folder of the file within that of all keypoints, empty where it is that one.
        """
        name = safe_name(name)
        names = [name]
        if inner and not name.startswith(f"{inner}/"):
            names.insert(0, f"{inner}/{name}")
        stems = [plain_stem(name) for name in names]
        for name, stem in zip(names, stems, strict=True):
            found = self._on_disk(name) or self._exact(stem)
            if found is not None:
                return self._told(stem, found)
        tail = self._tail_on_disk(name)
        return self._told(stems[0], tail or self._alike(stems[0], file))

    def leftovers(self) -> Iterator[Note]:
        """What was given and not used, a note of each kind."""
        for listing in self._listings:
            for folder in listing.unreadable:
                yield Note("folder that cannot be read", str(folder))
        if self._given is None:
            return
        unused = sorted(self._given.names.keys() - self._used)
        if unused:
            first = self._given.names[unused[0]]
            nearest = NearestNames(self._stems).nearest(unused[0])
            detail = f"{len(unused)} of {len(self._given.names)}; first: {first}"
            if nearest is not None:
                detail += f" (nearest keypoints: {nearest})"
            yield Note("photos that belong to no keypoints", detail)
        if self._given.passed_over:
            count = len(self._given.passed_over)
            first = self._given.passed_over[0]
            yield Note("pictures of other kinds passed over", f"{count}; first: {first}")

    def _told(self, stem: str, found: FoundImage | None) -> FoundImage:
        """What was found; in a folder that was given, what was not is told."""
        if found is None and self._given is not None:
            nearest = self._given.nearest(stem)
            where = f"nearest name: {nearest}" if nearest else f"{self._given.folder} holds none"
            found = FoundImage(None, (Note("no photo", f"none is called {stem}; {where}"),))
        return found or FoundImage(None)

    def _take(self, listing: PhotoListing, stem: str, *notes: Note) -> FoundImage:
        if listing is self._given:
            self._used.add(stem)
        return FoundImage(listing.path(stem), notes)

    def _exact(self, stem: str) -> FoundImage | None:
        for listing in self._listings:
            if stem in listing.names:
                return self._take(listing, stem)
        return None

    def _on_disk(self, name: str) -> FoundImage | None:
        """An image of exactly that name, which need not be in the listing of a search that is not
        recursive, or not the first of its stem.
        """
        stem = plain_stem(name)
        for listing in self._listings:
            if listing.names.get(stem) == name:
                return self._take(listing, stem)
            if stem != name and os.path.isfile(listing.folder / name):
                self._used.add(stem)
                return FoundImage(listing.folder / name)
        return None

    def _tail_on_disk(self, name: str) -> FoundImage | None:
        """The image of the longest tail of a path that is there."""
        parts = name.split("/")
        for first in range(1, len(parts)):
            tail = "/".join(parts[first:])
            found = self._on_disk(tail) or self._exact(plain_stem(tail))
            if found is not None:
                return self._of_tail(found, name)
        return None

    def _alike(self, stem: str, file: Path | None) -> FoundImage | None:
        """The image whose name may mean the stem, by the closest likeness that any has."""
        stem = normal(stem)
        plain = bare(stem)
        for listing in self._listings:
            if not listing.names:
                continue
            candidates = (
                listing.by_normal.get(stem)
                or listing.by_normal.get(plain)
                or listing.by_bare.get(plain)
            )
            if candidates:
                return self._only(listing, candidates)
            found = self._by_number(listing, plain, file) or self._by_tail(listing, plain, file)
            if found is not None:
                return found
        return None

    def _only(self, listing: PhotoListing, stems: Sequence[str], *notes: Note) -> FoundImage:
        """The one image that may be meant; where there are more, none, and a note."""
        if len(stems) == 1:
            return self._take(listing, stems[0], *notes)
        names = " and ".join(listing.names[stem] for stem in stems[:2])
        return FoundImage(None, (Note("no photo", f"{names} may be meant alike"),))

    def _by_tail(self, listing: PhotoListing, stem: str, file: Path | None) -> FoundImage | None:
        """The image whose path ends most like the stem."""
        last_part = stem.rpartition("/")[2]
        candidates = listing.by_last_part.get(last_part, [])
        if not candidates or (file is None and self._last_parts[last_part] != 1):
            return None
        common = [_common_tail(stem, normal(candidate)) for candidate in candidates]
        longest = [
            candidate
            for candidate, length in zip(candidates, common, strict=True)
            if length == max(common)
        ]
        found = self._only(listing, longest)
        return found if found.path is None else self._of_tail(found, stem)

    @cached_property
    def _last_parts(self) -> Counter[str]:
        return Counter(bare(normal(stem)).rpartition("/")[2] for stem in self._stems)

    def _of_tail(self, found: FoundImage, name: str) -> FoundImage:
        """An image found by the tail of a name, which only one name may have."""
        assert found.path is not None  # as the callers saw
        first = self._taken_by_tail.setdefault(found.path, name)
        if first == name:
            return found
        detail = f"{found.path.name} was already taken for {first}"
        return FoundImage(None, (Note("no photo", detail),))

    def _by_number(self, listing: PhotoListing, stem: str, file: Path | None) -> FoundImage | None:
        """The image with the number of the stem, where series of names are frames of one video."""
        wanted = numbered(stem)
        if wanted is None:
            return None
        fitting = [
            series for series in listing.by_number if may_be_frames_of(series, wanted.series)
        ]
        fitting = [series for series in fitting if self._consistent(listing, series, wanted, file)]
        if len(fitting) != 1:
            return None
        candidates = listing.by_number[fitting[0]].get(wanted.number, [])
        if not candidates:
            return None
        name = listing.names[candidates[0]]
        return self._only(listing, candidates, Note("photo taken by its number", name))

    def _consistent(
        self, listing: PhotoListing, series: Series, wanted: Numbered, file: Path | None
    ) -> bool:
        """Whether every number of the keypoints is that of a photo: programs count frames from 0
        or from 1, and one off is a photo of somebody who stands elsewhere.
        """
        numbers = listing.by_number[series]
        if file is None:
            rivals = [other for other in self._numbers if may_be_frames_of(series, other)]
            return len(rivals) == 1 and self._numbers[wanted.series] <= numbers.keys()
        if wanted.number not in numbers:
            self._distrusted.add((file, wanted.series))
        return (file, wanted.series) not in self._distrusted

    @cached_property
    def _numbers(self) -> dict[Series, set[str]]:
        """The numbers of the files of keypoints by series."""
        numbers: dict[Series, set[str]] = {}
        for stem in self._stems:
            found = numbered(bare(normal(stem)))
            if found is not None:
                numbers.setdefault(found.series, set()).add(found.number)
        return numbers


def _common_tail(one: str, other: str) -> int:
    """How many parts at their ends two paths share."""
    pairs = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
