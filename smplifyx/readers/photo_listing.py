"""The images of one folder, listed once, by what they may be called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path

from ..core.signatures import FileKind, kind_of_name
from .images import SUFFIXES
from .likeness import NearestNames, bare, bare_picture, normal, numbered
from .stems import safe_name
from .walking import Walk

_ORDER = {suffix: place for place, suffix in enumerate(SUFFIXES)}
_PICTURES = (FileKind.PHOTO, FileKind.OTHER_PICTURE)

Series = tuple[str, str, str]  # see likeness.Numbered


class PhotoListing:
    """The images of a folder by stem; with `recursive`, folders within are part of the stem.

    `names` are the images' paths in the folder by stem; of several images with one stem the first
    by suffix counts, in the order of SUFFIXES. `passed_over` are pictures of other kinds,
    `unreadable` folders that could not be listed. The tables of what else a name may mean are made
    when somebody first asks.
    """

    def __init__(self, folder: Path, recursive: bool) -> None:
        """Lists the folder."""
        self.folder = folder
        self.names: dict[str, str] = {}
        self.passed_over: list[str] = []
        walk = Walk(folder, recursive)
        for name in walk.names():
            stem, dot, suffix = name.rpartition(".")
            order = _ORDER.get(dot + suffix.lower())
            if order is not None:
                self._add(safe_name(stem), name, order)
            elif kind_of_name(name) in _PICTURES:
                self.passed_over.append(name)
        self.unreadable = tuple(walk.unreadable)

    def _add(self, stem: str, name: str, order: int) -> None:
        rival = self.names.setdefault(stem, name)
        if rival is not name and order < _ORDER[f".{rival.rpartition('.')[2].lower()}"]:
            self.names[stem] = name

    def path(self, stem: str) -> Path:
        """The path of the image of one of the stems."""
        return self.folder / self.names[stem]

    @cached_property
    def by_normal(self) -> Mapping[str, list[str]]:
        """Stems by their normal form."""
        return _grouped(self.names, normal)

    @cached_property
    def by_bare(self) -> Mapping[str, list[str]]:
        """Stems by their normal form without what programs put behind it."""
        return _grouped(self.names, lambda stem: bare_picture(normal(stem)))

    @cached_property
    def by_last_part(self) -> Mapping[str, list[str]]:
        """Stems by the normal form of their last part, whatever folder it lies in."""
        return _grouped(self.names, lambda stem: normal(stem.rpartition("/")[2]))

    @cached_property
    def by_number(self) -> Mapping[Series, Mapping[str, list[str]]]:
        """Stems with a number: by series, then by number."""
        series: dict[Series, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for stem in self.names:
            found = numbered(bare_picture(normal(stem)))
            if found is not None:
                series[found.series][found.number].append(stem)
        return series

    def nearest(self, stem: str) -> str | None:
        """The name of the image that is called most like the stem."""
        found = self._nearest_names.nearest(bare(normal(stem)))
        return None if found is None else self.names[found]

    @cached_property
    def _nearest_names(self) -> NearestNames:
        return NearestNames(self.names)


def _grouped(stems: Iterable[str], key: Callable[[str], str]) -> Mapping[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for stem in stems:
        groups[key(stem)].append(stem)
    return dict(groups)
