"""The nine joints that SPIN and its heirs sum up from SMPL's vertices.

Their weights come in a file of SPIN's data, `J_regressor_extra.npy`, which users have and we do
not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..core import npy
from ..core.files import boundary, read_bounded

NAME = "J_regressor_extra.npy"
# The lines of the file, after the joint and the data set that defines it.
REGRESSED = (
    "right_hip_lsp", "left_hip_lsp", "neck_lsp", "head_top_lsp", "pelvis_mpii", "thorax_mpii",
    "spine_h36m", "jaw_h36m", "head_h36m",
)  # fmt: skip
_LARGEST = 16 * 2**20  # bytes; in float64 the file has 500 thousand


class JointRegressorError(ValueError):
    """A file that holds no such regressor; the message is one line with its path."""


@dataclass(frozen=True, eq=False)
class JointRegressor:
    """The weights of the vertices, a line for each of REGRESSED; sha256: of the file."""

    weights: Float[Tensor, "9 v"]
    sha256: str


def read_joint_regressor(path: Path) -> JointRegressor:
    """The regressor in an npy. Raises JointRegressorError."""
    with boundary(path, "readable as .npy", JointRegressorError):
        data = read_bounded(path, _LARGEST)
        weights = npy.parse(data).array()
    is_float = weights.dtype.kind == "f"
    if weights.ndim != 2 or len(weights) != len(REGRESSED) or not is_float:
        raise JointRegressorError(
            f"{path}: found {weights.dtype} {list(weights.shape)}, "
            f"expected floats [{len(REGRESSED)}, vertices]"
        )
    if not np.isfinite(weights).all():
        raise JointRegressorError(f"{path}: found NaN or infinity, expected finite numbers")
    numbers = torch.tensor(weights.astype(np.float32))
    return JointRegressor(numbers, hashlib.sha256(data).hexdigest())


def find_joint_regressor(model: Path) -> Path | None:
    """The file that lies with a body model, a file or a folder of them; None: there is none."""
    return next((path for path in _places(model) if path.is_file()), None)


def _places(model: Path) -> Iterator[Path]:
    """Beside the models, where packages of the field keep SMPL's, and where SPIN has it."""
    folder = model if model.is_dir() else model.parent
    for place in (folder, folder / "smpl", folder.parent):
        yield place / NAME
