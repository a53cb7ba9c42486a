"""The box around the seen points of a person, which a few stray points do not stretch.

Errors are told in percent of its diagonal: with one point far away a body could miss all others and
still be within a percent or two of such a box.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from . import names

# A point is astray if it lies farther from the body's middle than so many times what three quarters
# of its points do. Of 126 people in photos nobody's reach 2.6.
ASTRAY = 5.0
FEWEST_BODY = 4  # body points; fewer do not tell a body's middle


def box(
    xy: Float[Tensor, "*batch 137 2"], seen: Bool[Tensor, "*batch 137"]
) -> tuple[Float[Tensor, "*batch 2"], Float[Tensor, "*batch 2"]]:
    """Low and high corner of the box around the seen points that are not astray; infinite and
    inside out where there are none.
    """
    within = (seen & ~astray(xy, seen))[..., None]
    low = torch.where(within, xy, torch.inf).amin(-2)
    high = torch.where(within, xy, -torch.inf).amax(-2)
    return low, high


def box_diagonal(
    xy: Float[Tensor, "*batch 137 2"], seen: Bool[Tensor, "*batch 137"]
) -> Float[Tensor, "*batch"]:
    """Length of that box's diagonal, in the unit of xy; 0 for nobody seen."""
    low, high = box(xy, seen)
    return torch.where(seen.any(-1), (high - low).norm(dim=-1), 0.0)


def astray(
    xy: Float[Tensor, "*batch 137 2"], seen: Bool[Tensor, "*batch 137"]
) -> Bool[Tensor, "*batch 137"]:
    """Which seen points lie so far from the others that they are none of this person's.

    The body's points measure it, of which a quarter may be wrong; where hardly any is seen, all
    seen points do. Not the median of the distances: a head in a crowd has five points close
    together, and a knee that is seen too is far from them.
    """
    body = seen.clone()
    body[..., names.BODY.stop :] = False
    has_body = body.sum(-1, keepdim=True) >= FEWEST_BODY
    measured = torch.where(has_body, body, seen)
    middle = _ranked(xy, measured[..., None].expand_as(xy), dim=-2, quarters=2)
    distance = (xy - middle).abs().amax(-1)  # along the farther axis
    usual = _ranked(distance, measured, dim=-1, quarters=3)
    # where most points are one point, nothing tells how large the person is
    return seen & (distance > ASTRAY * usual) & (usual > 0)


def astray_of_one(
    xy: Float[np.ndarray, "137 2"], seen: Bool[np.ndarray, " 137"]
) -> Bool[np.ndarray, " 137"]:
    """`astray` for one person in numpy: readers ask it of every person of a file, one by one."""
    measured = np.flatnonzero(seen[: names.BODY.stop])
    if len(measured) < FEWEST_BODY:
        measured = np.flatnonzero(seen)
    if not len(measured):
        return seen
    half = len(measured) * 2 // 4
    most = len(measured) * 3 // 4
    middle = np.sort(xy[measured], axis=0)[half]
    distance = np.abs(xy - middle).max(-1)
    usual = np.sort(distance[measured])[most]
    return seen & (distance > ASTRAY * usual) & (usual > 0)


def _ranked(values: Tensor, known: Tensor, dim: int, quarters: int) -> Tensor:
    """The known value along an axis that so many quarters of them do not reach; infinite for none.

    The axis is kept.
    """
    ordered = torch.where(known, values, torch.inf).sort(dim).values
    at = known.sum(dim, keepdim=True) * quarters // 4
    return ordered.gather(dim, at.clamp(max=values.shape[dim] - 1))
