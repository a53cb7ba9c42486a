"""Keypoints as the network gets them: a person in the middle of a camera that looks at them, as
large as everybody.

Whatever the resolution, the place in the image and the person's size, what remains is the pose, how
strong the perspective is, and from which angle the person is seen within the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.bundle import Bundle
from ..keypoints import names
from .bones import POINTS

SEEN = 0.05  # confidence
# Feet, eyes and ears are many points on little of a person: of less weight in its place and size.
LITTLE = 0.3
FARTHEST = 6.0  # sizes of the person from its middle: no outlier is let any farther
NEAREST = 0.05  # least depth of a ray that is turned
SMALLEST = 1e-4  # least size, as a tangent
NUMBERS = 4 * len(POINTS) + 3  # of each person


def _shares() -> Float[Tensor, " 25"]:
    """How much each point counts in the place and the size of a person."""
    shares = torch.ones(len(POINTS))
    shares[names.POINT_INDEX["right_eye"] :] = LITTLE  # eyes, ears and feet come last
    return shares


_SHARES = _shares()


@dataclass(frozen=True)
class PersonView(Bundle):
    """A camera that looks at each person, and what it sees.

    numbers: what the network gets: 25 x (x, y) in sizes of the person, 25 confidences, 25 times
        whether seen, the logarithm of the size, and the tangents of where in the image.
    turn: from the camera's frame to that of the person's.
    size: of the person, as the tangent of an angle.
    """

    numbers: Float[Tensor, "*batch 103"]
    turn: Float[Tensor, "*batch 3 3"]
    size: Float[Tensor, "*batch"]

    @classmethod
    def of(
        cls, rays: Float[Tensor, "batch 25 2"], confidence: Float[Tensor, "batch 25"]
    ) -> PersonView:
        """rays: the points at depth 1 before the camera; confidence: 0..1, as detected."""
        seen = (confidence > SEEN).to(rays)
        rays = torch.where(seen[..., None] > 0, rays, 0.0)
        share = seen * _SHARES.to(rays)
        total = share.sum(-1).clamp(min=1e-6)
        middle = (rays * share[..., None]).sum(-2) / total[..., None]

        turn = _looking_at(middle)
        ahead = torch.cat([rays, torch.ones_like(rays[..., :1])], -1)
        # written out: a product of matrices may round otherwise in another batch
        turned = (turn[:, None] * ahead[:, :, None]).sum(-1)
        xy = turned[..., :2] / turned[..., 2:].clamp(min=NEAREST)
        size = ((xy.square().sum(-1) * share).sum(-1) / total).sqrt().clamp(min=SMALLEST)
        xy = (xy / size[:, None, None]).clamp(-FARTHEST, FARTHEST) * seen[..., None]
        confidence = confidence.clamp(0, 1) * seen
        numbers = [xy.flatten(1), confidence, seen, size.log()[:, None], middle]
        return cls(torch.cat(numbers, -1), turn, size)


def _looking_at(middle: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 3 3"]:
    """Rotations that turn the ray to `middle` onto the z axis and leave x level."""
    ahead = torch.cat([middle, torch.ones_like(middle[:, :1])], -1)
    z = ahead / ahead.square().sum(-1, keepdim=True).sqrt()
    x = torch.stack([z[:, 2], torch.zeros_like(z[:, 0]), -z[:, 0]], -1)
    x = x / x.square().sum(-1, keepdim=True).sqrt()
    y = torch.linalg.cross(z, x)
    return torch.stack([x, y, z], 1)
