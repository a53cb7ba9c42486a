"""Numbers, texts and names as result files really hold them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Float

from ..core.messages import plain

LARGEST = 1e20  # of any number; single precision ends at 3e38, and squares are taken
MOST_IN_ARRAYS = 50_000_000  # numbers of one array; each takes eight bytes here
MOST_IN_LISTS = 2_000_000  # numbers in lists within lists, which may hold one list again and again
DEEPEST_LIST = 8
LONGEST_NAME = 500  # characters


def numbers(value: object) -> Float[np.ndarray, ...]:
    """An array of numbers of an array, of nested lists or of one number; NaN for what is none or
    beyond LARGEST.

    Raises ValueError in one line for anything else.
    """
    if isinstance(value, (list, tuple)):
        _count(value, MOST_IN_LISTS, DEEPEST_LIST)
        try:
            value = np.asarray([_bare(each) for each in value])
        except (ValueError, TypeError) as error:
            raise ValueError("lists of different lengths, not one array") from error
    array = np.asarray(value) if isinstance(value, (int, float, np.ndarray)) else None
    if array is None or array.dtype.kind not in "fiub":
        raise ValueError(f"{_kind(value)} where numbers should be")
    if array.size > MOST_IN_ARRAYS:
        raise ValueError(f"an array of more than {MOST_IN_ARRAYS} numbers")
    found = np.asarray(array, np.float64)
    return np.where(np.abs(found) <= LARGEST, found, np.nan) if found.size else found


def shape_of(value: object) -> tuple[int, ...]:
    """The lengths of an array's axes, or of nested lists by their first items."""
    if isinstance(value, np.ndarray):
        return value.shape
    lengths: list[int] = []
    while isinstance(value, (list, tuple)) and len(lengths) < DEEPEST_LIST:
        lengths.append(len(value))
        value = value[0] if value else None
    return (*lengths, *value.shape) if isinstance(value, np.ndarray) else tuple(lengths)


def text(value: object) -> str:
    """A text as it may be shown; empty where there is none."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0].item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = whole(value)
        return str(value) if number is None else str(number)
    return plain(value, limit=LONGEST_NAME) if isinstance(value, str) else ""


def texts(value: object) -> list[str]:
    """The texts of a list, of an array or of one text; empty where there are none."""
    if isinstance(value, np.ndarray):
        return [text(each) for each in value.reshape(-1).tolist()]
    if isinstance(value, (list, tuple)):
        return [text(each) for each in value]
    return [] if value is None else [text(value)]


def whole(value: object) -> int | None:
    """A whole number; None for anything else."""
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "fiu":
        value = value.reshape(-1)[0].item()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if np.isfinite(value) and value == int(value) else None


def wholes(value: object) -> list[int | None]:
    """The whole numbers of a list or an array."""
    items = value.reshape(-1).tolist() if isinstance(value, np.ndarray) else value
    return [whole(each) for each in items] if isinstance(items, (list, tuple)) else []


def last_part(name: str) -> str:
    """A path's last part, whatever system wrote it."""
    return PurePosixPath(name.replace("\\", "/")).name


def has(content: object, *keys: str) -> bool:
    """Whether this is an object with all of these keys."""
    return isinstance(content, Mapping) and all(key in content for key in keys)


def entry(content: object, *keys: str) -> object:
    """The entry under the first of the keys that an object has; None where it has none."""
    if isinstance(content, Mapping):
        for key in keys:
            if key in content and content[key] is not None:
                return content[key]
    return None


def _bare(value: object) -> object:
    """Lists of arrays as arrays, which numpy stacks by itself."""
    return value if not isinstance(value, np.ndarray) or value.dtype.kind in "fiub" else None


def _count(value: object, left: int, depth: int) -> int:
    """How many numbers lists may still hold. Raises ValueError where they hold too many."""
    if isinstance(value, np.ndarray):
        left -= value.size
    elif isinstance(value, (list, tuple)):
        if not depth:
            raise ValueError("lists nested too deep for numbers")
        for each in value:
            left = _count(each, left, depth - 1)
    else:
        left -= 1
    if left < 0:
        raise ValueError(f"more than {MOST_IN_LISTS} numbers in lists")
    return left


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
