"""An npz of plain arrays: written whole or not at all, read without pickle."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from .messages import one_line

TEMPORARY = ".tmp"  # half-written files end so; they are never results


class ResultFileError(ValueError):
    """A file that is not a readable result; the message is one line with its path."""


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the arrays; makes the folder. Another process sees the whole file or none.

    What `np.savez` writes, in half its time, which counts where thousands of files are written a
    minute. Raises OSError where the file cannot be written, ValueError for an array of objects.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            # A ZipInfo made by name alone has a fixed date: equal arrays make equal files.
            member = zipfile.ZipInfo(f"{name}.npy")
            archive.writestr(member, _header(array.dtype, array.shape) + array.tobytes())
    with replacing(path) as temporary:
        temporary.write_bytes(content.getbuffer())


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


def read(path: Path, expected: Mapping[str, tuple[int | None, ...]]) -> dict[str, np.ndarray]:
    """The arrays of an npz that has at least the `expected` keys in those shapes.

    A length of None stands for any. Raises ResultFileError for a missing, broken or foreign file.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except FileNotFoundError as error:
        raise ResultFileError(f"{path}: no such file") from error
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise ResultFileError(
            f"{path}: not a readable npz ({one_line(error, limit=200)})"
        ) from error
    for key, shape in expected.items():
        _check(path, key, arrays.get(key), shape)
    return arrays


@lru_cache(maxsize=256)
def _header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """What an npy file of such an array in C order begins with.

    Kept because results of a job have the same few dtypes and shapes. Raises ValueError for an
    array that needs pickle.
    """
    if dtype.hasobject:
        raise ValueError(f"an array of {dtype} cannot be written without pickle")
    stream = io.BytesIO()
    described = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue()


def _check(path: Path, key: str, array: np.ndarray | None, shape: tuple[int | None, ...]) -> None:
    """Raises ResultFileError where there is no array of this key in this shape."""
    if array is None:
        raise ResultFileError(f"{path}: not a result of smplifyx: no {key!r}")
    same_rank = array.ndim == len(shape)
    lengths = zip(shape, array.shape, strict=False)
    if not (same_rank and all(want in (None, got) for want, got in lengths)):
        wanted = ", ".join("n" if size is None else str(size) for size in shape)
        raise ResultFileError(f"{path}: {key!r} has shape {list(array.shape)}, expected [{wanted}]")
