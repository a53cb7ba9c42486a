"""What a reader of one file format is, what it is given, and what it answers.

To add a format: a class with the members of `Reader` in a file of its own, and a line in
`table.READERS`. Nothing else knows which formats there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

from ..core.files import read_bounded
from ..core.messages import one_line
from .frames import ImageSize, Note, Person, Units
from .options import AS_IT_COMES, ReadOptions

LARGEST_FILE = 256 * 2**20  # bytes; parsed JSON takes about ten times the file's size


@dataclass(frozen=True, eq=False)
class KeypointFile:
    """One file on disk, not opened yet: a reader may go by its name alone or look into it.

    `options` is what the user says of all files of the run.
    """

    path: Path
    options: ReadOptions = AS_IT_COMES

    @cached_property
    def document(self) -> object:
        """The file as one JSON document.

        Parsed once, however many readers look whether it is theirs, and kept as long as this
        object, which is while the file is read. Raises OSError, and ValueError in one line for a
        file that is too large, empty or not JSON.
        """
        content = read_bounded(self.path, LARGEST_FILE)
        if not content.strip():
            raise ValueError("the file is empty")
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"not valid JSON, perhaps cut off ({one_line(error, limit=None)})"
            ) from error


@dataclass(frozen=True, eq=False)
class ImagePeople:
    """What a file says of one image.

    `file_name` is the image's name as written in the file, which nobody has checked; None in files
    of one image, which are named like it. `image_size` is (width, height) in pixels where the file
    tells it. `units` are those of the people's keypoints as they stand here; who knows the image's
    size makes pixels of them. `problem` says in one line why the image's people could not be read
    (there are none then). `notes` say what could not be used besides the people's own notes.
    """

    people: tuple[Person, ...]
    file_name: str | None = None
    image_size: ImageSize | None = None
    units: Units = Units.PIXELS
    problem: str | None = None
    notes: tuple[Note, ...] = ()


@runtime_checkable
class Reader(Protocol):
    """One file format of keypoints."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the names of its files may end in, in lower case, e.g. `.json`.

        Where a format has a suffix to itself, `recognises` may answer True to every file.
        """
        ...

    @property
    def content(self) -> str:
        """What its files hold, in the words of a message: "holds neither CONTENT nor ..."."""
        ...

    def recognises(self, file: KeypointFile) -> bool:
        """Whether the file is of this format.

        The first reader of the table that recognises a file reads it. May raise OSError or
        ValueError, in one line, for a file that cannot be opened at all.
        """
        ...

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        """The images of a file that it recognises, in file order.

        What is wrong with one person costs only that person (see `frames.unusable`). Raises OSError
        or ValueError, in one line, where the rest of the file cannot be read.
        """
        ...
