"""Pickles of plain values that every NumPy reads, also 1.23 and older.

NumPy 2 writes arrays by a module that older ones do not have (`numpy._core`). Here each opcode is
written by name, so the module is the one that all have, and the bytes are the same whatever is
installed. Arrays may come in chunks: a column of a million people is never in memory.

Protocol 3, which Python 3.0 and later read.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

Write = Callable[[bytes], object]
_PROTOCOL = pickle.PROTO + b"\x03"
_RECONSTRUCT = pickle.GLOBAL + b"numpy.core.multiarray\n_reconstruct\n"
_NDARRAY = pickle.GLOBAL + b"numpy\nndarray\n"
_DTYPE = pickle.GLOBAL + b"numpy\ndtype\n"
_LONGEST = 2**32 - 1  # bytes of an array: its length has four


@dataclass(frozen=True)
class ChunkedArray:
    """An array that is written chunk by chunk, along its first axis.

    chunks: C-ordered arrays of this dtype, together of this shape.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    chunks: Iterable[np.ndarray]


def dumps(value: object) -> bytes:
    """The pickle of a value as bytes. Raises as `dump` does."""
    parts: list[bytes] = []
    dump(value, parts.append)
    return b"".join(parts)


def dump(value: object, write: Write) -> None:
    """Writes the pickle of dicts, lists, texts, numbers, None, and arrays of numbers or texts.

    A 0-d array of objects may hold another such value: trainers call `.item()` on it. Raises
    TypeError for anything else, ValueError for an array of 4 GiB or more.
    """
    write(_PROTOCOL)
    _save(value, write)
    write(pickle.STOP)


def _save(value: object, write: Write) -> None:
    if value is None:
        write(pickle.NONE)
    elif isinstance(value, (bool, np.bool_)):
        write(pickle.NEWTRUE if value else pickle.NEWFALSE)
    elif isinstance(value, (int, np.integer)):
        _save_int(int(value), write)
    elif isinstance(value, (float, np.floating)):
        write(pickle.BINFLOAT + struct.pack(">d", float(value)))
    elif isinstance(value, str):
        _save_text(value, write)
    elif isinstance(value, Mapping):
        _save_dict(value, write)
    elif isinstance(value, list):
        write(pickle.EMPTY_LIST + pickle.MARK)
        for item in value:
            _save(item, write)
        write(pickle.APPENDS)
    elif isinstance(value, ChunkedArray):
        _save_array(value, write)
    elif isinstance(value, np.ndarray) and value.dtype.hasobject:
        _save_object_array(value, write)
    elif isinstance(value, np.ndarray):
        whole = np.ascontiguousarray(value).reshape(value.shape)
        _save_array(ChunkedArray(value.shape, value.dtype, [whole]), write)
    else:
        raise TypeError(f"a {type(value).__name__} is nothing that old readers know")


def _save_int(value: int, write: Write) -> None:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    write(pickle.LONG1 + bytes([len(data)]) + data)


def _save_text(value: str, write: Write) -> None:
    data = value.encode("utf-8", "surrogatepass")
    write(pickle.BINUNICODE + struct.pack("<I", len(data)) + data)


def _save_dict(value: Mapping[str, object], write: Write) -> None:
    write(pickle.EMPTY_DICT + pickle.MARK)
    for key, item in value.items():
        _save(key, write)
        _save(item, write)
    write(pickle.SETITEMS)


def _save_array(array: ChunkedArray, write: Write) -> None:
    size = array.dtype.itemsize * int(np.prod(array.shape, dtype=np.int64))
    if size > _LONGEST:
        raise ValueError(f"an array of {size} bytes: pickles of this kind hold less than 4 GiB")
    _begin_array(array.shape, array.dtype, write)
    write(pickle.BINBYTES + struct.pack("<I", size))
    written = 0
    for chunk in array.chunks:
        data = np.ascontiguousarray(chunk, array.dtype).tobytes()
        written += len(data)
        write(data)
    if written != size:
        raise ValueError(f"chunks of {written} bytes for an array of {size}")
    write(pickle.TUPLE + pickle.BUILD)


def _save_object_array(array: np.ndarray, write: Write) -> None:
    if array.shape:
        raise TypeError(f"an array of objects of shape {list(array.shape)}: only single ones")
    _begin_array((), np.dtype(object), write)
    _save([array.item()], write)
    write(pickle.TUPLE + pickle.BUILD)


def _begin_array(shape: tuple[int, ...], dtype: np.dtype, write: Write) -> None:
    """An empty array, and its state up to the data: version, shape, dtype, Fortran order."""
    write(_RECONSTRUCT + _NDARRAY)
    write(pickle.BININT1 + b"\0" + pickle.TUPLE1)
    write(pickle.SHORT_BINBYTES + b"\x01b")
    write(pickle.TUPLE3 + pickle.REDUCE)
    write(pickle.MARK + pickle.BININT1 + b"\x01")
    write(pickle.MARK)
    for length in shape:
        _save_int(length, write)
    write(pickle.TUPLE)
    _save_dtype(dtype, write)
    write(pickle.NEWFALSE)


def _save_dtype(dtype: np.dtype, write: Write) -> None:
    """As numpy pickles it: what it is called, then version, byte order, sizes and flags."""
    order, size, alignment, flags = "<", -1, -1, 0
    if dtype.itemsize == 1:
        order = "|"
    if dtype.kind == "U":
        size, alignment, flags = dtype.itemsize, 4, 8
    if dtype.hasobject:
        order, flags = "|", 63
    _write_dtype_call(dtype, write)
    write(pickle.MARK + pickle.BININT1 + b"\x03")
    _save_text(order, write)
    write(pickle.NONE * 3)  # no parts of its own: subarray, names, fields
    for number in (size, alignment, flags):
        _save_int(number, write)
    write(pickle.TUPLE + pickle.BUILD)


def _write_dtype_call(dtype: np.dtype, write: Write) -> None:
    write(_DTYPE)
    _save_text(dtype.str[1:], write)
    write(pickle.NEWFALSE + pickle.NEWTRUE + pickle.TUPLE3 + pickle.REDUCE)
