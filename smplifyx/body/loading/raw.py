"""The arrays of a body model file, each checked as it is asked for, and the one way to say what is
wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LARGEST = 1e20  # of any number; single precision ends at 3e38, and squares are taken

Shape = tuple[int | None, ...]  # None: any size


class BodyFileError(ValueError):
    """A body model file that cannot be used; the message is one line: file, key, what was found,
    what was expected.
    """


@dataclass(frozen=True)
class RawBody:
    """The arrays of one body model file, by the keys that are known."""

    path: Path
    sha256: str  # of the bytes of the file
    arrays: Mapping[str, np.ndarray]

    def has(self, key: str) -> bool:
        """Whether the file holds the key."""
        return key in self.arrays

    def fault(self, key: str, found: str, expected: str) -> BodyFileError:
        """The error to raise about a key."""
        return BodyFileError(f"{self.path}: {key}: found {found}, expected {expected}")

    def array(self, key: str, shape: Shape) -> np.ndarray:
        """A finite numeric array of this shape, in the dtype of the file.

        Raises BodyFileError where it is missing, not numeric, of another shape or not finite.
        """
        if key not in self.arrays:
            raise self.fault(key, "nothing", f"an array {_text(shape)}")
        value = self.arrays[key]
        if value.dtype.kind not in "fiub":
            raise self.fault(key, f"dtype {value.dtype}", f"numbers {_text(shape)}")
        if not _fits(value.shape, shape):
            raise self.fault(key, f"shape {value.shape}", _text(shape))
        if value.dtype.kind == "f" and value.size:
            self._refuse_odd_numbers(key, value)
        return value

    def _refuse_odd_numbers(self, key: str, value: np.ndarray) -> None:
        least, most = float(value.min()), float(value.max())  # NaN where one is
        if -LARGEST <= least <= most <= LARGEST:
            return
        wrong = int(np.count_nonzero(~np.isfinite(value)))
        if wrong:
            raise self.fault(key, f"{wrong} values that are not finite", "numbers")
        raise self.fault(key, f"values {least:.3g}..{most:.3g}", f"numbers up to {LARGEST:g}")

    def strings(self, key: str, shape: Shape) -> np.ndarray:
        """An array of text of this shape; raises BodyFileError otherwise."""
        value = self.arrays.get(key)
        if value is None or value.dtype.kind != "U" or not _fits(value.shape, shape):
            found = "nothing" if value is None else f"{value.dtype} {value.shape}"
            raise self.fault(key, found, f"text {_text(shape)}")
        return value

    def indices(self, key: str, shape: Shape, count: int) -> np.ndarray:
        """An int64 array of this shape whose values index `count` things; raises BodyFileError
        otherwise.
        """
        value = self.array(key, shape)
        if value.dtype.kind == "f" and (value != np.rint(value)).any():
            raise self.fault(key, "fractions", f"whole numbers in 0..{count - 1}")
        if value.size and (value.min() < 0 or value.max() >= count):
            raise self.fault(key, f"values {value.min():.0f}..{value.max():.0f}", f"0..{count - 1}")
        return value.astype(np.int64)


def _fits(found: tuple[int, ...], wanted: Shape) -> bool:
    if len(found) != len(wanted):
        return False
    return all(want in (None, size) for want, size in zip(wanted, found, strict=True))


def _text(shape: Shape) -> str:
    """The shape as Python writes one, with "any" for what may be of any size."""
    sizes = ["any" if size is None else str(size) for size in shape]
    comma = "," if len(sizes) == 1 else ""
    return f"({', '.join(sizes)}{comma})"
