"""What travels between processes."""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler

import torch

from smplifyx.parallel.worker_process import _packed


def test_tensors_travel_without_their_storage() -> None:
    large = torch.randn(1000, 50, dtype=torch.float64)
    value = {
        "row": large[3],
        "column": large[:5, 7],
        "one": large[0, 0],
        "none": large[:0],
        "flags": large[0] > 0,
    }
    packed = _packed(value)
    assert len(packed) < 5000
    found = ForkingPickler.loads(packed)  # as `Connection.recv` does
    assert all(
        found[key].dtype == part.dtype and torch.equal(found[key], part)
        for key, part in value.items()
    )
