"""Checkpoints of torch, old and new: every kind of tensor comes out as it went in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from smplifyx.pose_priors.torch_files import read_weights


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_every_kind_and_layout(tmp_path: Path, zipped: bool) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "transposed": base.T, "slice": base[1:3, ::2], "shared": base, "scalar": torch.tensor(3.0),
        "half": base.half(), "bfloat16": base.bfloat16(), "int": base.int(), "bool": base > 3, "empty": base[:0],
        "parameter": nn.Parameter(base),
    }  # fmt: skip
    torch.save(tensors, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    weights = read_weights(tmp_path / "a.pt")
    assert weights.keys() == tensors.keys()
    for key, value in tensors.items():
        assert weights[key].dtype == value.dtype and torch.equal(weights[key], value), key
