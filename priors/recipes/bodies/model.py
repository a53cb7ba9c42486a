"""A shipped body file, posed with plain numpy (for the report, the pictures and the figures on the
cards).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from .skinning import chain, linear_blend


@dataclass(frozen=True)
class Model:
    """The arrays of one npz."""

    arrays: dict[str, np.ndarray]

    @classmethod
    def read(cls, path: Path) -> Model:
        """Load a body file (never a pickle)."""
        with np.load(path, allow_pickle=False) as data:
            return cls({name: data[name] for name in data.files})

    @property
    def faces(self) -> np.ndarray:
        """Triangles [F, 3]."""
        return self.arrays["f"].astype(np.int64)

    def shaped(self, coefficients: np.ndarray) -> np.ndarray:
        """Rest vertices [V, 3] for 20 coefficients: ten of shape, ten of expression."""
        return self.arrays["v_template"] + self.arrays["shapedirs"] @ coefficients

    def pose(
        self, rotations: np.ndarray, coefficients: np.ndarray, correct: bool = True
    ) -> np.ndarray:
        """Vertices [V, 3] for 55 axis-angle rotations; `correct` switches the pose correctives."""
        rest = self.shaped(coefficients)
        joints = self.arrays["J_regressor"] @ rest
        local = Rotation.from_rotvec(rotations).as_matrix()[None]
        if correct:
            feature = (local[0, 1:] - np.eye(3)).ravel()
            rest = rest + self.arrays["posedirs"].astype(np.float32) @ feature
        return linear_blend(rest, self.arrays["weights"], chain(local, joints[None]), joints)[0]
