"""Reads named arrays of known shapes from an .npz, with one line for what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core import npz
from ..core.files import boundary, read_bounded

LARGEST_FILE = 2**31  # bytes; the priors that ship have 70 thousand

Shape = tuple[int | None, ...]  # None: any size


class PriorFileError(ValueError):
    """A file of a prior that cannot be used; the message is one line with its path."""


def read_npz(path: Path, shapes: Mapping[str, Shape]) -> dict[str, Tensor]:
    """The arrays of these keys, as float64 tensors.

    Raises PriorFileError naming the file and the key where one is missing, misshapen or not finite.
    """
    with boundary(path, "a readable .npz", PriorFileError):
        stored = npz.arrays_of(read_bounded(path, LARGEST_FILE), shapes.keys())
        # A copy in native byte order, which torch insists on; complex numbers and words are none.
        # In C order, since strides decide how products round.
        arrays = {
            key: torch.tensor(array.astype(np.float64, order="C", casting="same_kind"))
            for key, array in stored.items()
        }
    return check_all(path, arrays, shapes)


def check_all(
    path: Path, arrays: Mapping[str, Tensor], shapes: Mapping[str, Shape]
) -> dict[str, Tensor]:
    """The arrays; raises PriorFileError, as `check` does, that names the file too."""
    try:
        return {key: check(key, arrays.get(key), shape) for key, shape in shapes.items()}
    except ValueError as error:
        raise PriorFileError(f"{path}: {error}") from error


def check(key: str, value: Tensor | None, shape: Shape) -> Tensor:
    """The value; raises ValueError that names the key where it is missing, misshapen or not made of
    finite numbers.
    """
    if value is None:
        raise ValueError(f"key {key!r} is missing")
    fits = value.ndim == len(shape) and all(
        want in (None, got) for want, got in zip(shape, value.shape, strict=True)
    )
    if not fits:
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{key} has shape {list(value.shape)}, expected [{expected}]")
    if value.is_complex() or not value.isfinite().all():
        raise ValueError(f"{key} holds values that are not finite numbers")
    return value
