"""What else the keypoints of a person may mean: the hypotheses that were different bodies and lost.

A limb that points at the camera may as well point away from it. The stages try both and go on with
the better; what the others were, and by how much they lost, tells how far the winner's depth can be
believed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.bundle import Bundle
from ..features.fold import PointSet
from ..keypoints import names
from .hypotheses import BODY_POINTS, Hypotheses

HIPS = (names.POINT_INDEX["right_hip"], names.POINT_INDEX["left_hip"])


@dataclass(frozen=True)
class Alternatives(Bundle):
    """The hypotheses of people by their number, each as the last stage left it in which it ran."""

    # what its energy was above that of the person's best in that stage; inf: not tried, or the same
    # body as a better one
    gap: Float[Tensor, "*batch hypotheses"]
    points: Float[Tensor, "*batch hypotheses 25 3"]  # as `Hypotheses.points`

    @classmethod
    def none(cls, like: Float[Tensor, " batch"], hypotheses: int) -> Alternatives:
        """Before any stage."""
        gap = torch.full_like(like, torch.inf)[:, None].expand(-1, hypotheses)
        points = torch.full_like(gap, torch.nan)[..., None, None]
        return cls(gap.clone(), points.repeat(1, 1, BODY_POINTS, 3))

    def seen(self, ranked: Hypotheses) -> Alternatives:
        """The same after a stage that some of the people went through.

        ranked: their hypotheses, best first, those no longer valid that are the same body as a
        better one.
        """
        at = ranked.person, ranked.index
        gap = torch.where(ranked.valid, ranked.energy - ranked.energy[:, :1], torch.inf)
        gap = torch.where(gap.isfinite(), gap, torch.inf)
        return Alternatives(self.gap.index_put(at, gap), self.points.index_put(at, ranked.points))


def body_from_hips(
    points: Float[Tensor, "batch p 3"], order: PointSet
) -> Float[Tensor, "batch 25 3"]:
    """The body's canonical points from the middle of the hips; NaN for those that are not there.

    order: which points these are.
    """
    place = {point: i for i, point in enumerate(order.canonical)}
    found = [place.get(point, -1) for point in range(BODY_POINTS)]
    missing = torch.full_like(points[:, :1], torch.nan)
    body = torch.cat([points, missing], 1)[:, found]  # -1 is the last: the missing one
    return body - middle_of_hips(body)


def middle_of_hips(points: Float[Tensor, "*batch p n"]) -> Float[Tensor, "*batch 1 n"]:
    """The root that joints are measured from: half way between the two hips.

    points: in canonical order; coordinates, or what is linear in them.
    """
    right, left = HIPS
    return (points[..., right : right + 1, :] + points[..., left : left + 1, :]) / 2
