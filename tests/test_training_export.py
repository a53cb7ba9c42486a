"""Trained numbers on disk: float32, with the joints' names, under the name that was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from smplifyx.body.joints import BODY_POSE_JOINTS
from smplifyx.training.export import export_npz


def test_arrays_are_written_under_the_name_itself(tmp_path: Path) -> None:
    out = tmp_path / "new" / "prior.v2"  # numpy by itself would add .npz
    assert export_npz(out, {"means": np.arange(3.0), "floor": np.eye(2)}) == out
    with np.load(out) as arrays:
        assert set(arrays.files) == {"means", "floor", "joints"}
        assert arrays["means"].dtype == np.float32
        assert tuple(arrays["joints"]) == tuple(BODY_POSE_JOINTS)
