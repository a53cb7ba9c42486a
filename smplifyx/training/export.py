"""How trained numbers are written: an .npz of float32 that names the joints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..body.joints import BODY_POSE_JOINTS


def export_npz(out: Path, arrays: Mapping[str, NDArray]) -> Path:
    """Writes the arrays as float32 and the names of the 21 body joints as `joints`; makes the
    folder.

    Returns `out`. Raises OSError.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    single = {name: array.astype(np.float32) for name, array in arrays.items()}
    # plainly typed: for numpy's stubs an array's name might be one of its options
    save: Callable[..., None] = np.savez_compressed
    with out.open("wb") as file:  # by name, numpy would add an ending of its own
        save(file, **single, joints=np.array(BODY_POSE_JOINTS))
    return out
