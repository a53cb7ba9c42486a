"""Where a track has gone over from one person to another: the fitted body jumps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from .track import Track, renumbered

FASTEST = 15.0  # metres a second: 0.5 m in a thirtieth of one
LEAST = 0.25  # metres: what two fits of one body may differ by, however soon after one another


def switches(
    joints: Float[NDArray, "frames joints 3"], frames: Sequence[int], fps: float
) -> tuple[int, ...]:
    """The places in a track at which it is somebody else's than before.

    joints: of the fitted bodies, metres in a frame that all share; NaN where there is no fit.
    frames: their numbers; fps: how many pass in a second. A jump counts where half of the joints
    make it: a leg that was fitted with a wrong depth is still the same person's. Frames without a
    fit are passed over. Raises ValueError for another number of frames.
    """
    if len(frames) != len(joints):
        raise ValueError(f"{len(frames)} frame numbers of {len(joints)} frames")
    known = np.flatnonzero(np.isfinite(joints).all((1, 2))).tolist()
    found: list[int] = []
    for before, after in zip(known, known[1:], strict=False):
        seconds = (frames[after] - frames[before]) / fps
        moved = np.linalg.norm(joints[after] - joints[before], axis=-1)
        if np.median(moved) > max(FASTEST * seconds, LEAST):
            found.append(after)
    return tuple(found)


def split(track: Track, places: Sequence[int]) -> tuple[Track, ...]:
    """The pieces of a track that is cut before each of these places, numbered from 0.

    What the input calls the person is then not believed.
    """
    cuts = sorted({0, len(track.frames), *places})
    pieces = [track.part(*pair) for pair in zip(cuts, cuts[1:], strict=False)]
    return renumbered([replace(piece, given_id="") for piece in pieces])
