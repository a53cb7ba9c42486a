"""Arrays of known shapes: what is wrong with a file is one line that names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from smplifyx.pose_priors.arrays import check, read_npz

SHAPES = {"a": (2, None), "b": ()}


def test_arrays_come_in_double_precision(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.ones((2, 5), np.float32), b=3, other=np.zeros(7))
    arrays = read_npz(tmp_path / "x.npz", SHAPES)
    assert {key: tuple(value.shape) for key, value in arrays.items()} == {"a": (2, 5), "b": ()}
    assert all(value.dtype == torch.float64 for value in arrays.values())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "key 'a' is missing"),
        (torch.zeros(3, 5), r"a has shape \[3, 5\], expected \[2, any\]"),
        (torch.zeros(2), r"a has shape \[2\], expected \[2, any\]"),
        (torch.full((2, 1), torch.inf), "a holds values that are not finite numbers"),
        (torch.zeros(2, 1, dtype=torch.complex64), "a holds values that are not finite numbers"),
    ],
)
def test_what_does_not_fit_is_named(value: torch.Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check("a", value, SHAPES["a"])


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match=r"x\.npz: not a readable \.npz") as error:
        read_npz(tmp_path / "x.npz", SHAPES)
    assert "\n" not in str(error.value)
