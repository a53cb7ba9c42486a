"""One array as .npy files hold it, in memory: its size checked before it is made."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000  # bytes, as numpy has it
_LARGEST_EMPTY = 2**20  # how far an array without numbers may reach


class Npy(NamedTuple):
    """What the header of an .npy tells, and the bytes behind it."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype
    data: memoryview

    def array(self) -> np.ndarray:
        """The array; it shares the bytes and cannot be written to.

        Raises ValueError for an array of objects, and where shape and bytes do not agree.
        """
        if self.dtype.hasobject:
            raise ValueError("an array of objects")
        count = math.prod(self.shape)
        if count * self.dtype.itemsize != len(self.data) or not self.dtype.itemsize:
            raise ValueError(
                f"{self.dtype} of shape {list(self.shape)[:8]} in {len(self.data)} bytes"
            )
        # an axis of no length hides the lengths of the others
        if math.prod(max(size, 1) for size in self.shape) > max(count, _LARGEST_EMPTY):
            raise ValueError(f"shape {list(self.shape)[:8]}")
        order = "F" if self.is_fortran else "C"
        return np.ndarray(self.shape, self.dtype, self.data, order=order)


@lru_cache(maxsize=256)  # results of a job have the same few dtypes and shapes
def header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """What an .npy of such an array in C order begins with; behind it come the array's bytes, or
    the pickle of one of objects.
    """
    stream = io.BytesIO()
    described = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue()


def parse(content: bytes) -> Npy:
    """The .npy in these bytes. Raises ValueError where it is none."""
    if not content.startswith(MAGIC):
        raise ValueError("not an .npy array")
    version = tuple(content[6:8])
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an .npy array of version {list(version)}")
    length_bytes = 2 if version == (1, 0) else 4
    start = 8 + length_bytes
    length = int.from_bytes(content[8:start], "little")
    end = start + length
    if length > _LONGEST_HEADER or end > len(content):
        raise ValueError(f"an .npy header of {length} bytes")
    shape, is_fortran, dtype = _described(content[:end])
    return Npy(shape, is_fortran, dtype, memoryview(content)[end:])


@lru_cache(maxsize=256)  # results of a job have the same few headers
def _described(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and dtype. Raises ValueError for what is no header."""
    stream = io.BytesIO(header)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    if any(size < 0 for size in shape):
        raise ValueError(f"shape {list(shape)[:8]}")
    return shape, is_fortran, dtype
