"""Our own Parquet back to results: all that is in a result file but where the photo lies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.files import boundary
from ..fitting.result import FitResult
from ..writers import people_columns as columns
from ..writers.parquet import FOLDER, arrow
from .imported import Import, ImportedFileError, ImportedPerson

ROWS = 256  # that are read at once
LARGEST_FILE = 2**31  # bytes
_TEXT_LISTS = ("energy_terms", "versions")
_DOUBLES = ("energies",)  # of two words in a result file


class ParquetReader:
    """Files of `smplifyx export --format parquet`, or a folder of them."""

    def read(self, given: Import) -> Iterator[ImportedPerson]:
        """As `DatasetReader.read`; the bodies are named, not needed."""
        arrow()
        for path in _files(given.path):
            with boundary(path, "Parquet of smplifyx", ImportedFileError):
                yield from _people(path, given)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    folder = path / FOLDER if (path / FOLDER).is_dir() else path
    found = sorted(folder.glob("*.parquet"))
    if not found:
        raise ImportedFileError(f"{path}: no .parquet files")
    return found


def _people(path: Path, given: Import) -> Iterator[ImportedPerson]:
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"more than {LARGEST_FILE // 2**20} MiB")
    with arrow().parquet.ParquetFile(path) as file:
        if b"smplifyx" not in (file.schema_arrow.metadata or {}):
            raise ValueError("its schema does not name smplifyx")
        for batch in file.iter_batches(batch_size=ROWS):
            for row in batch.to_pylist():
                arrays = _arrays(row)
                arrays["image"] = np.array(given.photo(row["image"]))
                frame = row["id"].rpartition("/")[0] or row["id"]
                yield ImportedPerson(frame, FitResult.from_arrays(arrays, path))


def _arrays(row: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A row as the arrays of a result file."""
    arrays: dict[str, np.ndarray] = {}
    shapes = {name: field.shape for name, field in columns.FIXED.items()}
    shapes |= dict([columns.KEYPOINTS])
    for name, shape in shapes.items():
        # nothing known of a whole list, e.g. of points: null
        values = [None] * math.prod(shape) if row[name] is None else row[name]
        arrays[name] = _floats(values).reshape(shape)
    for name in (*columns.LISTS, "energies"):
        arrays[name] = _floats(row[name]).astype(float if name in _DOUBLES else np.float32)
    for name in _TEXT_LISTS:
        arrays[name] = np.array(row[name], str)
    for name in (*columns.TEXTS, "status"):
        if name in row:  # files of older versions have fewer
            arrays[name] = np.array(row[name])
    for name in columns.NUMBERS:
        arrays[name] = _floats(row[name])
    for name in (*columns.COUNTS, *columns.FLAGS):
        if row.get(name) is not None:
            arrays[name] = np.array(row[name])
    if row["penetration_mm"] is None:
        arrays.pop("penetration_mm")
    covariance, shape = columns.COVARIANCE
    if row[covariance] is not None:
        arrays[covariance] = columns.symmetric(_floats(row[covariance]).reshape(shape))
    for name in columns.OPTIONAL:
        if row[name] is not None:
            arrays[name] = _floats(row[name])
    for entry in row["evidence"]:
        arrays[entry["name"]] = _floats(entry["values"]).reshape(entry["shape"])
    return arrays


def _floats(values: object) -> np.ndarray:
    """float32, NaN where nothing is known."""
    return np.array(values, dtype=float).astype(np.float32)
