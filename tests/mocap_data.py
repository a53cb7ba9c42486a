"""The mocap that tests may read where it is present; it is never committed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from smplifyx.core import assets
from smplifyx.data.bvh import Clip, iter_clips
from smplifyx.data.mocap import ARCHIVE
from smplifyx.data.retarget import Poses

MOCAP = Path(__file__).resolve().parents[1] / "../shared/data/mocap"
needs_mocap = pytest.mark.skipif(
    not (MOCAP / ARCHIVE).exists(), reason="the CMU mocap is not in ../shared/data/mocap"
)


@lru_cache(maxsize=1)
def rest_joints() -> np.ndarray:
    """The resting joints of the embedded neutral body, [55, 3]."""
    with np.load(assets.folder("priors") / "bodies" / "neutral.npz") as body:
        return (body["J_regressor"] @ body["v_template"]).astype(np.float64)


@lru_cache(maxsize=1)
def clips() -> tuple[Clip, ...]:
    """Every third clip of four subjects: jumping, walking, running, and clips with wrapped angles."""
    return tuple(iter_clips(MOCAP / ARCHIVE, {"01", "02", "05", "09"}))[::3]


def random_poses(count: int, seed: int = 0) -> Poses:
    """Poses without mocap: moderate random angles, in any heading."""
    generator = np.random.default_rng(seed)
    orient = np.stack([np.zeros(count), generator.uniform(-3, 3, count), np.zeros(count)], -1)
    return Poses(orient, generator.normal(0, 0.3, (count, 21, 3)))
