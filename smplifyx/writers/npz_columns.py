"""Formats whose files are columns of numbers, an npz or a single npy: joined from parts as streams.

A column of a million people is never in memory: its parts are copied one by one.
"""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ..core import npy, npz
from . import row_table
from .dataset_format import FormatFacts
from .dataset_rows import DatasetRows
from .old_pickle import ChunkedArray, Write, dump
from .reader_body import ReaderBody

_PART = ".columns.npz"
_NPY = ".npy"
_ENTRY = "/"  # "smplx/betas": the entry "betas" of the dict "smplx"


@dataclass(frozen=True, eq=False)
class Table:
    """What one file holds of a block.

    columns: arrays [rows, ...] by member; `smplx/betas` is the entry `betas` of a member `smplx`
    that is a pickled dict. rows: the people of its rows.
    """

    columns: Mapping[str, np.ndarray]
    rows: DatasetRows


@dataclass(frozen=True, eq=False)
class NpzColumns:
    """A format of one or more npz or npy files.

    tables: from a block to what each file holds of it, by the ending that its name gets instead of
    the target's `.npz`, e.g. `.npz` and `_fits.npy`. An npy has one column, of any name. A block of
    which a file has nobody still gives its columns, without rows; a file that nobody is in is not
    made, and goes where an earlier export made one.
    constants: of each file, by its ending: members that are not of rows. Arrays, or anything that
    `old_pickle` writes, as the 0-d array of objects that readers call `.item()` on.
    row_counts: names of members that hold how many rows a file has.
    """

    facts: FormatFacts
    tables: Callable[[DatasetRows, ReaderBody], Mapping[str, Table]]
    constants: Mapping[str, Mapping[str, object]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    row_counts: tuple[str, ...] = ()

    def write_part(self, rows: DatasetRows, reader: ReaderBody, folder: Path) -> None:
        """Writes the columns of one block, and its lines of the table beside each file."""
        for ending, table in self.tables(rows, reader).items():
            arrays = {name: np.ascontiguousarray(array) for name, array in table.columns.items()}
            npz.write(folder / f"{ending}{_PART}", arrays)
            row_table.write_part(folder / ending, table.rows, reader)

    def assemble(self, parts: Sequence[Path], target: Path) -> list[Path]:
        """Makes each file, and the table beside it."""
        made: list[Path] = []
        stem = target.name.removesuffix(self.facts.suffix)
        for ending in sorted(path.name.removesuffix(_PART) for path in parts[0].glob(f"*{_PART}")):
            path = target.with_name(f"{stem}{ending}")
            columns = _Columns(tuple(part / f"{ending}{_PART}" for part in parts))
            rows = columns.whole(columns.names[0]).shape[0]
            if not rows:
                path.unlink(missing_ok=True)
                row_table.remove(path)
                continue
            with npz.replacing(path) as temporary:
                if path.suffix == _NPY:
                    with open(temporary, "wb") as stream:
                        columns.write_npy(columns.names[0], stream.write)
                else:
                    counts = dict.fromkeys(self.row_counts, rows)
                    _write_npz(columns, {**self.constants.get(ending, {}), **counts}, temporary)
            made += [path, row_table.assemble([part / ending for part in parts], path)]
        return made


@dataclass(frozen=True)
class _Columns:
    """The columns of one file in its parts' files."""

    parts: tuple[Path, ...]

    @functools.cached_property
    def names(self) -> list[str]:
        """Of the columns, in the order of the first part."""
        with np.load(self.parts[0], allow_pickle=False) as first:
            return list(first.files)

    def chunks(self, name: str) -> Iterator[np.ndarray]:
        """A column, part by part."""
        for part in self.parts:
            with np.load(part, allow_pickle=False) as arrays:
                yield arrays[name]

    def whole(self, name: str) -> ChunkedArray:
        """A column as one array that is read while it is written.

        Raises ValueError where parts have rows of different shapes.
        """
        heads = [(chunk.shape, chunk.dtype) for chunk in self.chunks(name)]
        shapes = {shape[1:] for shape, _ in heads}
        if len(shapes) > 1:
            raise ValueError(f"{name}: rows of shapes {sorted(shapes)} in one column")
        count = sum(shape[0] for shape, _ in heads)
        dtype = np.result_type(*(dtype for _, dtype in heads))  # texts: the longest
        return ChunkedArray((count, *shapes.pop()), dtype, self.chunks(name))

    def write_npy(self, name: str, write: Write) -> None:
        """A column as an npy."""
        column = self.whole(name)
        write(npy.header(column.shape, column.dtype))
        for chunk in column.chunks:
            write(np.ascontiguousarray(chunk, column.dtype).tobytes())


def _write_npz(columns: _Columns, constants: Mapping[str, object], path: Path) -> None:
    """All members; their sizes are not known before, so each has room for more than 4 GiB."""
    dicts: dict[str, dict[str, object]] = {
        name: dict(value) for name, value in constants.items() if isinstance(value, Mapping)
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name in columns.names:
            member, _, entry = name.partition(_ENTRY)
            if entry:
                dicts.setdefault(member, {})[entry] = columns.whole(name)
                continue
            with archive.open(_info(member), "w", force_zip64=True) as file:
                columns.write_npy(name, file.write)
        for name, value in constants.items():
            if name not in dicts:
                array = np.asarray(value)
                with archive.open(_info(name), "w", force_zip64=True) as file:
                    file.write(npy.header(array.shape, array.dtype))
                    file.write(np.ascontiguousarray(array).tobytes())
        for name, value in dicts.items():
            with archive.open(_info(name), "w", force_zip64=True) as file:
                file.write(npy.header((), np.dtype(object)))
                dump(np.array(value, dtype=object), file.write)


def _info(name: str) -> zipfile.ZipInfo:
    """Made by its name alone it has a fixed date: equal data make equal files."""
    return zipfile.ZipInfo(f"{name}.npy")
