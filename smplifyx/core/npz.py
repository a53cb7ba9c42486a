"""An npz of plain arrays: written whole or not at all, read without pickle."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from . import npy
from .archives import ALWAYS_ALLOWED, open_archive
from .files import boundary, read_bounded
from .messages import one_line, plain

TEMPORARY = ".tmp"  # half-written files end so; they are never results
LARGEST = 16 * 2**20  # bytes of a result's file, and of what it unpacks to; most have 20,000
_FLOAT_BYTES = (4, 8)


class ResultFileError(ValueError):
    """A file that is not a readable result; the message is one line with its path."""


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the arrays; makes the folder. Another process sees the whole file or none.

    Raises OSError where the file cannot be written, ValueError for an array of objects.
    """
    content = content_of(arrays)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def content_of(arrays: Mapping[str, np.ndarray]) -> memoryview:
    """The bytes of an npz of these arrays: the same for equal ones.

    What `np.savez` writes, in half its time, which counts where thousands of files are written a
    minute. Raises ValueError for an array of objects.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            # A ZipInfo made by name alone has a fixed date: equal arrays make equal files.
            member = zipfile.ZipInfo(f"{name}.npy")
            if array.dtype.hasobject:
                raise ValueError(f"an array of {array.dtype} cannot be written without pickle")
            archive.writestr(member, npy.header(array.shape, array.dtype) + array.tobytes())
    return content.getbuffer()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path that becomes `path` when the block ends without an error.

    It lies in the same folder, because only within a file system is a rename all or nothing. Every
    OSError of the block names a file: a full disk does not say by itself where it is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


class Expected(NamedTuple):
    """What an array of a file must be; a length of None stands for any."""

    shape: tuple[int | None, ...]
    kinds: str  # of dtypes, by numpy's letters: f(loat), i(nteger), b(ool), U(nicode)


def read(
    path: Path,
    expected: Mapping[str, Expected],
    optional: Mapping[str, Expected] = MappingProxyType({}),
) -> dict[str, np.ndarray]:
    """The arrays of an npz that has at least the `expected` ones, and perhaps the `optional`.

    Raises ResultFileError for a missing, broken or foreign file.
    """
    with boundary(path, "a readable npz", ResultFileError):
        arrays = arrays_of(read_bounded(path, LARGEST), allowed=LARGEST)
    check(path, arrays, expected, optional)
    return arrays


def check(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    expected: Mapping[str, Expected],
    optional: Mapping[str, Expected] = MappingProxyType({}),
) -> None:
    """Raises ResultFileError, which names `path`, where arrays are not the `expected` ones."""
    for key, wanted in expected.items():
        _check(path, key, arrays.get(key), wanted)
    for key in optional.keys() & arrays.keys():
        _check(path, key, arrays[key], optional[key])


def arrays_of(
    content: bytes, keys: Collection[str] | None = None, allowed: int = ALWAYS_ALLOWED
) -> dict[str, np.ndarray]:
    """The arrays of an npz (None: all of them; else those of these keys that it has).

    allowed: as for `open_archive`. Arrays share the file's bytes and cannot be written to. Raises
    ValueError, or whatever the zip module raises, for what is damaged or needs pickle.
    """
    archive = open_archive(content, allowed)
    arrays: dict[str, np.ndarray] = {}
    for name in archive.names:
        key = name.removesuffix(".npy")
        if keys is None or key in keys:
            arrays[key] = _array(key, archive.read(name))
    return arrays


def _array(key: str, content: bytes) -> np.ndarray:
    try:
        return npy.parse(content).array()
    except ValueError as error:
        raise ValueError(f"{plain(key, limit=60)}: {one_line(error)}") from error


def _check(path: Path, key: str, array: np.ndarray | None, wanted: Expected) -> None:
    """Raises ResultFileError where there is no array of this key in this shape and of such a
    dtype.
    """
    if array is None:
        raise ResultFileError(f"{path}: not a result of smplifyx: no {key!r}")
    same_rank = array.ndim == len(wanted.shape)
    lengths = zip(wanted.shape, array.shape, strict=False)
    if not (same_rank and all(want in (None, got) for want, got in lengths)):
        shape = ", ".join("n" if size is None else str(size) for size in wanted.shape)
        raise ResultFileError(f"{path}: {key!r} has shape {list(array.shape)}, expected [{shape}]")
    # half precision is not written, and torch has nothing like a longdouble
    is_odd = array.dtype.kind == "f" and array.dtype.itemsize not in _FLOAT_BYTES
    if array.dtype.kind not in wanted.kinds or is_odd:
        raise ResultFileError(f"{path}: {key!r} is of dtype {array.dtype}, not of a result's")
