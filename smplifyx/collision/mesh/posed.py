"""Posed bodies with the boxes round their leaves, patches, groups and closed parts.

A box is six numbers: its lowest corner, and minus its highest. So the box round several is their
minimum, and two overlap where the one plus the other, its halves swapped, is nowhere above zero;
exact in floating point. Coordinates and boxes have their numbers in the first axis: what is done
along the last axis is quick.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .solid import Level, Solid


@dataclass(frozen=True, eq=False)
class Posed:
    """b bodies of one solid, in the frame and dtype of the points, in metres."""

    solid: Solid
    points: Float[Tensor, "3 n b"]
    boxes: tuple[Float[Tensor, "6 _ b"], ...]  # by level: groups, patches, leaves
    closed: Float[Tensor, "6 j b"]  # round the closed parts

    @property
    def count(self) -> int:
        """How many bodies."""
        return self.points.shape[2]

    def corners(
        self, row: Int[Tensor, " m"], triangle: Int[Tensor, " m"]
    ) -> Float[Tensor, "3 3 m"]:
        """Of triangles: coordinate, corner."""
        return at(self.points, row, self.solid.triangles.index_select(1, triangle))

    def box(
        self, level: Level, row: Int[Tensor, " m"], number: Int[Tensor, " m"]
    ) -> Float[Tensor, "6 m"]:
        """The boxes of things of a level."""
        if level is not Level.TRIANGLE:
            return at(self.boxes[level], row, number)
        a, b, c = self.corners(row, number).unbind(1)
        return torch.cat(
            [torch.minimum(torch.minimum(a, b), c), -torch.maximum(torch.maximum(a, b), c)]
        )


def posed(solid: Solid, vertices: Float[Tensor, "b v 3"]) -> Posed:
    """The bodies with their boxes."""
    points = vertices.new_empty(3, vertices.shape[1] + len(solid.loop_size), len(vertices))
    own, means = points.split([vertices.shape[1], len(solid.loop_size)], 1)
    own.copy_(vertices.permute(2, 1, 0))
    means.zero_().index_add_(1, solid.loop, own.index_select(1, solid.loop_vertex)).div_(
        solid.loop_size[:, None]
    )
    leaves = solid.leaf_points.least(torch.cat([points, -points]))
    patches = solid.patch_leaves.least(leaves)
    groups = solid.group_patches.least(patches)
    return Posed(solid, points, (groups, patches, leaves), solid.part_groups.least(groups))


def at(
    values: Float[Tensor, "k n b"], row: Int[Tensor, " m"], number: Int[Tensor, "*c m"]
) -> Float[Tensor, "k *c m"]:
    """The numbers of things of bodies."""
    index = number * values.shape[2] + row
    return values.flatten(1).index_select(1, index.flatten()).unflatten(1, index.shape)


def overlap(first: Float[Tensor, "6 *#c"], second: Float[Tensor, "6 *#c"]) -> Bool[Tensor, "*c"]:
    """Whether boxes have a point in common; shapes broadcast. False where a number is NaN."""
    x, y, z = (first[:3] + second[3:] <= 0) & (first[3:] + second[:3] <= 0)
    return x & y & z


def expand(counts: Int[Tensor, " n"]) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """Each number 0..n - 1 as often as counted, and for each of them 0, 1, 2, ..."""
    number = torch.repeat_interleave(counts)
    first = counts.cumsum(0) - counts
    return number, torch.arange(len(number), device=counts.device) - first.index_select(0, number)


def spread(span: Int[Tensor, "n 2"]) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """Everything in n ranges: which of them it is in, and its number."""
    start, stop = span.unbind(1)
    which, offset = expand(stop - start)
    return which, start.index_select(0, which) + offset
