"""How a fitted person moves: measures of a track that need no truth.

Places are in metres, in the frame of a camera that stands still: what a moving camera adds is
counted as the person's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .metrics import MILLIMETRES

STANDS = 0.25  # metres per second: a foot whose points are slower stands
STANDS_FOR = 0.2  # seconds over which that is looked at: noise of single frames is faster


def acceleration(
    joints: Float[Tensor, "frames joints 3"], fps: float
) -> Float[Tensor, " frames_less_2"]:
    """Mean size of the joints' accelerations, m/s^2: second differences of three frames in a row,
    each at its middle frame. Empty for fewer than three frames.
    """
    return _size_of_differences(joints, 2) * fps**2


def jitter(joints: Float[Tensor, "frames joints 3"], fps: float) -> float:
    """Mean size of the joints' third differences, m/s^3; NaN for fewer than four frames."""
    return _mean(_size_of_differences(joints, 3)) * fps**3


def foot_sliding_mm(feet: Float[Tensor, "frames points 3"], fps: float) -> float:
    """How far points of feet that stand move from frame to frame on average, millimetres.

    feet: heels and toes. A point stands between two frames where the median of its speeds over the
    surrounding 0.2 s is below 0.25 m/s: no floor has to be known. NaN where none ever stands.
    """
    steps = feet.diff(dim=0).norm(dim=-1)
    return _mean(steps[_stands(steps * fps, fps)]) * MILLIMETRES


def seam_ratio(joints: Float[Tensor, "frames joints 3"], joins: Sequence[int], fps: float) -> float:
    """Mean acceleration at the joins of chunks over that elsewhere; 1 where there are no seams.

    joins: the first frames of all chunks but the first. An acceleration counts as at a join where
    its three frames are not all of one chunk. NaN without joins, or without anything else.
    """
    sizes = acceleration(joints, fps)
    middle = torch.arange(len(sizes)) + 1
    starts = torch.tensor(list(joins), dtype=torch.int64)
    after = middle[:, None] - starts
    at_join = ((after == 0) | (after == -1)).any(1)
    return _mean(sizes[at_join]) / _mean(sizes[~at_join])


def _size_of_differences(
    joints: Float[Tensor, "frames joints 3"], order: int
) -> Float[Tensor, " fewer"]:
    if len(joints) <= order:
        return joints.new_zeros(0)
    return joints.diff(n=order, dim=0).norm(dim=-1).mean(-1)


def _stands(speeds: Float[Tensor, "steps points"], fps: float) -> Bool[Tensor, "steps points"]:
    reach = max(round(STANDS_FOR * fps / 2), 1)
    if not len(speeds):
        return torch.zeros_like(speeds, dtype=torch.bool)
    padded = torch.cat([speeds[:1].expand(reach, -1), speeds, speeds[-1:].expand(reach, -1)])
    return padded.unfold(0, 2 * reach + 1, 1).median(-1).values < STANDS


def _mean(values: Float[Tensor, " n"]) -> float:
    return float(values.mean()) if len(values) else math.nan
