"""Posed bodies with the boxes round their patches, parts and closed parts.

A box is six numbers: its lowest corner, and minus its highest. So the box round several is their minimum, and two
overlap where the one plus the other, its halves swapped, is nowhere above zero; exact in floating point.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .solid import Solid


@dataclass(frozen=True, eq=False)
class Posed:
    """b bodies of one solid; boxes in the frame and dtype of the points, in metres."""

    solid: Solid
    points: Float[Tensor, "b n 3"]
    patch_box: Float[Tensor, "b p 6"]
    group_box: Float[Tensor, "b g 6"]

    def corners(self, row: Int[Tensor, " m"], triangle: Int[Tensor, " m"]) -> Float[Tensor, "m 3 3"]:
        """The corners of triangles."""
        return self.points.flatten(0, 1)[(row * self.points.shape[1])[:, None] + self.solid.triangles[triangle]]

    def closed_box(self) -> Float[Tensor, "b j 6"]:
        """The boxes round the closed parts."""
        part, group = self.solid.encloses.nonzero().unbind(1)
        return box_of_many(self.group_box[:, group], part, len(self.solid.encloses))


def posed(solid: Solid, vertices: Float[Tensor, "b v 3"]) -> Posed:
    """The bodies with their boxes."""
    points = solid.points(vertices)
    patch_box = _patch_boxes(points, solid.patch_points)
    return Posed(solid, points, patch_box, box_of_many(patch_box, solid.patch_group, len(solid.group_range)))


def _patch_boxes(points: Tensor, patch_points: Tensor) -> Float[Tensor, "b p 6"]:
    """Point by point, with the bodies side by side: many times quicker than gathering all points of all patches."""
    across = points.transpose(0, 1).flatten(1)
    low = across[patch_points[0]]
    high = low.clone()
    for number in patch_points[1:]:
        place = across.index_select(0, number)
        torch.minimum(low, place, out=low)
        torch.maximum(high, place, out=high)
    return torch.cat([t.unflatten(1, (-1, 3)).transpose(0, 1) for t in (low, -high)], -1)


def box_of(points: Float[Tensor, "*b k 3"]) -> Float[Tensor, "*b 6"]:
    """The box round k points."""
    return torch.cat([points.amin(-2), -points.amax(-2)], -1)


def box_of_many(box: Float[Tensor, "b n 6"], number: Int[Tensor, " n"], count: int) -> Float[Tensor, "b count 6"]:
    """The box round all boxes of each number; one that nothing overlaps where there is none."""
    empty = box.new_full((len(box), count, 6), torch.inf)
    return empty.scatter_reduce(1, number[None, :, None].expand(box.shape), box, "amin")


def overlap(first: Float[Tensor, "*#b 6"], second: Float[Tensor, "*#b 6"]) -> Bool[Tensor, "*c"]:
    """Whether boxes have a point in common; shapes broadcast. False where a number is NaN."""
    swapped = torch.cat([second[..., 3:], second[..., :3]], -1)
    return (first + swapped).amax(-1) <= 0
