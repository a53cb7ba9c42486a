"""The files of a folder and, where asked for, of the folders in it, links to folders followed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

DEEPEST = 64  # folders within folders
MOST_VISITS = 8  # of one folder, by as many links; each link to a link could double them
_RESULTS = frozenset(("summary.csv", "config.yaml", "results"))


def is_results(names: Iterable[str]) -> bool:
    """Whether a folder of these names is one that smplifyx wrote its results into."""
    return _RESULTS <= set(names)


@dataclass
class Walk:
    """A walk over a folder; `unreadable` are the folders that could not be listed, or lie too deep,
    once it ended.

    With `recursive`, folders within are gone into, links to folders too, but never to one that the
    walk is already in: no link leads round in circles. Folders of smplifyx's results are passed
    over, but for `folder` itself.
    """

    folder: Path
    recursive: bool
    unreadable: list[Path] = field(default_factory=list)
    _visits: dict[tuple[int, int], int] = field(default_factory=dict)

    def names(self) -> Iterator[str]:
        """The files' paths relative to the folder, with `/`; hidden files are passed over."""
        yield from self._names_in("", ())

    def _names_in(self, inner: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
        """Those of one folder within, `inner` being empty or its path with a `/` behind; `above`
        are the folders that it lies in.
        """
        path = os.path.join(self.folder, inner)
        try:
            entries = _entries(path)
            about = os.stat(path)
        except OSError:
            self.unreadable.append(Path(path))
            return
        here = (about.st_dev, about.st_ino)
        self._visits[here] = self._visits.get(here, 0) + 1
        if here in above or self._visits[here] > MOST_VISITS:
            return
        if len(above) == DEEPEST:
            self.unreadable.append(Path(path))
            return
        if above and is_results(name for name, _ in entries):
            return
        for name, is_folder in entries:
            if not is_folder:
                yield inner + name
            elif self.recursive:
                yield from self._names_in(f"{inner}{name}/", (*above, here))


def _entries(path: str) -> list[tuple[str, bool]]:
    """The names in a folder, in order, and whether each is a folder or a link to one."""
    with os.scandir(path) as entries:
        return sorted((entry.name, _is_folder(entry)) for entry in entries if entry.name[0] != ".")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that goes round in circles itself
        return False
