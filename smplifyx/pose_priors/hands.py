"""The hand prior that ships: how fingers bend together, learned from recorded hands; the right
mirrors the left.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from torch import Tensor

from ..body.model import HandSpace
from ..core import assets
from .arrays import read_npz

SMALLEST_SD = 1e-3  # radians


def recorded_hands(like: Tensor, path: Path | None = None) -> tuple[HandSpace, HandSpace]:
    """The spaces of the left and the right hand in the file at `path` (None: the one that ships).

    Components come strongest first and are of unit length in radians. dtype and device are those of
    `like`. Raises ValueError naming the file and the key where one is missing or misshapen, or
    where a spread is not positive.
    """
    left = _read(path or assets.folder("priors") / "hands" / "hands.npz")
    mirror = left.mean.new_tensor([1.0, -1.0, -1.0]).repeat(15)  # across the plane x = 0
    right = HandSpace(left.mean * mirror, left.components * mirror, left.sds, measured=True)
    return _like(left, like), _like(right, like)


@lru_cache(maxsize=4)
def _read(path: Path) -> HandSpace:
    """Read once, since every batch asks."""
    arrays = read_npz(path, {"mean": (45,), "components": (None, 45), "sds": (None,)})
    if len(arrays["sds"]) != len(arrays["components"]) or not (arrays["sds"] >= SMALLEST_SD).all():
        raise ValueError(
            f"{path}: sds: expected one above {SMALLEST_SD} for each of the components"
        )
    return HandSpace(**arrays, measured=True)


def _like(space: HandSpace, like: Tensor) -> HandSpace:
    mean, components, sds = (
        value.to(device=like.device, dtype=like.dtype)
        for value in (space.mean, space.components, space.sds)
    )
    return HandSpace(mean, components, sds, measured=space.measured)
