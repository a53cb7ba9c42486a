"""Posed bodies with the boxes round their leaves, patches, groups and closed parts.

A box is six numbers: its lowest corner, and minus its highest. So the box round several is their
minimum, and two overlap where the one plus the other, its halves swapped, is nowhere above zero;
exact in floating point. Coordinates and boxes have their numbers in the first axis and the bodies
of the batch in the last: what is done along the last axis is quick.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .solid import Level, Solid


@dataclass(frozen=True, eq=False)
class PosedSolid:
    """A batch of b posed bodies of one solid, in the frame and dtype of the points, in metres."""

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
        """The corners of m triangles of bodies: coordinate, corner, triangle."""
        return values_at(self.points, row, self.solid.triangles.index_select(1, triangle))

    def box(
        self, level: Level, row: Int[Tensor, " m"], number: Int[Tensor, " m"]
    ) -> Float[Tensor, "6 m"]:
        """The boxes of m things of a level, of bodies."""
        if level is not Level.TRIANGLE:
            return values_at(self.boxes[level], row, number)
        a, b, c = self.corners(row, number).unbind(1)
        lowest = torch.minimum(torch.minimum(a, b), c)
        highest = torch.maximum(torch.maximum(a, b), c)
        return torch.cat([lowest, -highest])


def posed(solid: Solid, vertices: Float[Tensor, "b v 3"]) -> PosedSolid:
    """The bodies with their boxes."""
    count, vertex_count, _ = vertices.shape
    loops = solid.loops
    # the vertices, then the mean of each loop, in one piece of memory
    points = vertices.new_empty(3, vertex_count + len(loops.size), count)
    own, means = points.split([vertex_count, len(loops.size)], 1)
    own.copy_(vertices.permute(2, 1, 0))
    means.zero_()
    means.index_add_(1, loops.loop, own.index_select(1, loops.vertex))
    means.div_(loops.size[:, None])

    leaves = solid.leaf_points.least(torch.cat([points, -points]))
    patches = solid.patch_leaves.least(leaves)
    groups = solid.group_patches.least(patches)
    return PosedSolid(
        solid=solid,
        points=points,
        boxes=(groups, patches, leaves),
        closed=solid.part_groups.least(groups),
    )


def values_at(
    values: Float[Tensor, "k n b"], row: Int[Tensor, " m"], number: Int[Tensor, "*c m"]
) -> Float[Tensor, "k *c m"]:
    """The values of things by their number and the row of the batch their body is in."""
    index = number * values.shape[2] + row
    return values.flatten(1).index_select(1, index.flatten()).unflatten(1, index.shape)


def overlap(first: Float[Tensor, "6 *#c"], second: Float[Tensor, "6 *#c"]) -> Bool[Tensor, "*c"]:
    """Whether boxes have a point in common; shapes broadcast. False where a number is NaN."""
    first_starts_in_time = first[:3] + second[3:] <= 0  # [3, ...]: lowest <= the other's highest
    second_starts_in_time = first[3:] + second[:3] <= 0
    x, y, z = first_starts_in_time & second_starts_in_time
    return x & y & z
