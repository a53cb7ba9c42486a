"""Cameras by name, and which of them a frame means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from .camera_sidecar import CameraRecord
from .frames import Frame, Note
from .likeness import NearestNames, bare, normal
from .stems import plain_stem, safe_name

EVERY = "*"  # the key of a record that holds for all images
_TOKENS = re.compile(r"[^\W_]+")


class CameraTable(Mapping[str, CameraRecord]):
    """Records by the name of an image or a camera, or EVERY; it knows which were used."""

    def __init__(self, records: Mapping[str, CameraRecord], path: Path) -> None:
        """`path` is the file that they were read from."""
        self._records = records
        self.path = path
        self._used: set[str] = set()

    def __getitem__(self, name: str) -> CameraRecord:
        return self._records[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def of_frame(self, frame: Frame) -> CameraRecord | None:
        """The camera of a frame: by its stem, its photo's name, a folder that it lies in, a
        camera's name within its own, or the one that holds for all.
        """
        names = names_of_frame(frame)
        key = next(filter(None, map(self.key_of, names)), None)
        if key is None:
            return None
        self._used.add(key)
        return self._records[key]

    def key_of(self, stem: str) -> str | None:
        """The name in the table that a stem means, None where none does."""
        last_part = stem.rpartition("/")[2]
        for name in (stem, last_part):
            if name in self._records:
                return name
        plain = bare(normal(stem))
        folders = normal(stem).split("/")[-2::-1]  # the innermost first
        for name in (normal(stem), normal(last_part), plain, plain.rpartition("/")[2], *folders):
            if name in self._by_normal:
                return self._by_normal[name]
        within = [token for token in _TOKENS.findall(normal(last_part)) if token in self._words]
        if len(within) == 1:
            return self._words[within[0]]
        return EVERY if EVERY in self._records else None

    @cached_property
    def _by_normal(self) -> dict[str, str]:
        return {normal(name): name for name in self._records}

    @cached_property
    def _words(self) -> dict[str, str]:
        """Names that may stand within a stem; numbers may not, since frames have them too."""
        return {name: key for name, key in self._by_normal.items() if not name.isdecimal()}

    def nearest(self, frame: Frame) -> str | None:
        """The name in the table that is most like the frame's."""
        return self._nearest_names.nearest(bare(normal(frame.stem)))

    @cached_property
    def _nearest_names(self) -> NearestNames:
        return NearestNames(self._records)

    def leftovers(self) -> Sequence[Note]:
        """A note about the cameras that no frame meant."""
        unused = sorted(self._records.keys() - self._used - {EVERY})
        if not unused:
            return ()
        detail = f"{len(unused)} of {len(self._records)} in {self.path.name}; first: {unused[0]}"
        return (Note("cameras that match nothing", detail),)


def names_of_frame(frame: Frame) -> list[str]:
    """What a frame may be called in a table, its own stem first."""
    names = [frame.stem]
    if frame.photo:
        names.append(safe_name(plain_stem(frame.photo)))
    if frame.image is not None:
        names += [frame.image.stem, f"{frame.image.parent.name}/{frame.image.stem}"]
    return list(dict.fromkeys(names))
