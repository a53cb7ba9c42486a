"""Which of the bodies that a frame may mean: the path through a clip that is the likeliest.

A limb that points at the camera may as well point away from it, in one frame. In a clip it seldom
jumps from one to the other: each frame's own energy and how far points jump from frame to frame
decide together (Viterbi 1967).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

SPEED = 1.0  # metres per second, of points from the hips: what is usual
LARGEST_JUMP = 36.0  # in usual jumps, squared: more costs no more
JUMP_WEIGHT = 3.0  # of one point's squared jump, in units of the energy


def best_path(
    energy: Float[Tensor, "frames hypotheses"],
    points: Float[Tensor, "frames hypotheses p 3"],
    seconds: Float[Tensor, " frames"],
) -> Int[Tensor, " frames"]:
    """The hypothesis of each frame on the path of least energy through one clip.

    energy: inf for what is no hypothesis. points: metres from the hips; NaN for unknown ones.
    seconds: when each frame was, growing.
    """
    cost = energy[0]
    came_from: list[Tensor] = []
    for frame in range(1, len(energy)):
        usual = SPEED * (seconds[frame] - seconds[frame - 1])
        between = cost[:, None] + _jumps(points[frame - 1], points[frame], usual)
        best = between.min(0)
        came_from.append(best.indices)
        cost = best.values + energy[frame]
    at = cost.argmin()
    path = [at]
    for previous in reversed(came_from):
        at = previous[at]
        path.append(at)
    return torch.stack(path[::-1])


def _jumps(
    before: Float[Tensor, "one p 3"], after: Float[Tensor, "other p 3"], usual: Tensor
) -> Float[Tensor, "one other"]:
    """The cost of each step from a body of one frame to one of the next."""
    square = (after[None] - before[:, None]).square().sum(-1) / usual.square()
    return JUMP_WEIGHT * square.nan_to_num(nan=0.0).clamp(max=LARGEST_JUMP).sum(-1)
