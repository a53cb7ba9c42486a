"""Reads named arrays of known shapes from an .npz, with one line for what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.messages import one_line

Shape = tuple[int | None, ...]  # None: any size


def read_npz(path: Path, shapes: Mapping[str, Shape]) -> dict[str, Tensor]:
    """The arrays of these keys, as float64 tensors.

    Raises ValueError naming the file and the key where one is missing, misshapen or not finite.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {
                key: torch.as_tensor(file[key], dtype=torch.float64)
                for key in shapes
                if key in file.files
            }
    except Exception as error:  # damaged archives raise anything
        raise ValueError(f"{path}: not a readable .npz: {one_line(error)}") from error
    return check_all(path, arrays, shapes)


def check_all(
    path: Path, arrays: Mapping[str, Tensor], shapes: Mapping[str, Shape]
) -> dict[str, Tensor]:
    """The arrays; raises ValueError, as `check` does, that names the file too."""
    try:
        return {key: check(key, arrays.get(key), shape) for key, shape in shapes.items()}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


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
