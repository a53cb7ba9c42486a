"""Formats of many files in a folder: shards, or a file for each person or clip."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import row_table
from .dataset_format import FormatFacts
from .dataset_rows import DatasetRows
from .reader_body import ReaderBody

_FILES = "files"
_NAMES = "names.txt"
_PEOPLE = "people"


@dataclass(frozen=True, eq=False)
class WholeFiles:
    """A format whose target is a folder.

    write: the files of a block into a folder, by names that no other block has.
    """

    facts: FormatFacts
    write: Callable[[DatasetRows, ReaderBody, Path], None]

    def write_part(self, rows: DatasetRows, reader: ReaderBody, folder: Path) -> None:
        """Writes the files of one block, and its lines of the table."""
        files = folder / _FILES
        files.mkdir()
        self.write(rows, reader, files)
        found = sorted(path for path in files.rglob("*") if path.is_file())
        lines = [f"{path.relative_to(files).as_posix()}\n" for path in found]
        (folder / _NAMES).write_text("".join(lines), encoding="utf-8")
        row_table.write_part(folder / _PEOPLE, rows, reader)

    def assemble(self, parts: Sequence[Path], target: Path) -> list[Path]:
        """Moves the files into the target, and writes one table beside them."""
        made: list[Path] = []
        for part in parts:
            for name in (part / _NAMES).read_text(encoding="utf-8").splitlines():
                place = target / name
                place.parent.mkdir(parents=True, exist_ok=True)
                piece = part / _FILES / name
                if piece.exists():  # else a run that was stopped has moved it
                    os.replace(piece, place)
                made.append(place)
        made.append(row_table.assemble([part / _PEOPLE for part in parts], target / _PEOPLE))
        return made


def add_member(tar: tarfile.TarFile, name: str, content: bytes | memoryview) -> None:
    """Adds a file without dates and owners: equal data make equal tars."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
