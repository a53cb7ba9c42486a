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
FINGER_JOINTS = 15  # of one hand
HAND_ANGLES = 3 * FINGER_JOINTS


def recorded_hands(like: Tensor, path: Path | None = None) -> tuple[HandSpace, HandSpace]:
    """The spaces of the left and the right hand in the file at `path` (None: the one that ships).

    Components come strongest first and are of unit length in radians. dtype and device are those of
    `like`. Raises ValueError naming the file and the key where one is missing or misshapen, or
    where a spread is not positive.
    """
    left = _read_left(path or assets.folder("priors") / "hands" / "hands.npz")
    # across the plane x = 0: turns about x stay, those about y and z change their sign
    mirror = left.mean.new_tensor([1.0, -1.0, -1.0]).repeat(FINGER_JOINTS)
    right = HandSpace(left.mean * mirror, left.components * mirror, left.sds, measured=True)
    return _like(left, like), _like(right, like)


@lru_cache(maxsize=4)  # by the path: read once, since every batch asks
def _read_left(path: Path) -> HandSpace:
    """The left hand, float64."""
    shapes = {"mean": (HAND_ANGLES,), "components": (None, HAND_ANGLES), "sds": (None,)}
    arrays = read_npz(path, shapes)
    components = arrays["components"]
    sds = arrays["sds"]
    if len(sds) != len(components) or not (sds >= SMALLEST_SD).all():
        raise ValueError(
            f"{path}: sds: expected one above {SMALLEST_SD} for each of the components"
        )
    return HandSpace(mean=arrays["mean"], components=components, sds=sds, measured=True)


def _like(space: HandSpace, like: Tensor) -> HandSpace:
    return HandSpace(
        mean=space.mean.to(device=like.device, dtype=like.dtype),
        components=space.components.to(device=like.device, dtype=like.dtype),
        sds=space.sds.to(device=like.device, dtype=like.dtype),
        measured=space.measured,
    )
