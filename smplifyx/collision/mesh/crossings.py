"""Which triangles meet which: pairs of parts, then of patches, of leaves, of triangles, whose boxes
overlap.

Every step keeps all pairs whose boxes overlap, and a box holds exactly what it is round: nothing is
missed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .posed import Posed, expand, overlap, spread
from .solid import Level
from .triangles import intersect

_CHUNK = 1 << 16  # pairs looked at together: they stay in the cache
_STEP = _CHUNK // 16  # pairs whose children are


@dataclass(frozen=True)
class Pairs:
    """A thing of a first body and a thing of a second, by their numbers; `row` tells which of b
    bodies each is of.
    """

    row: Int[Tensor, " n"]
    first: Int[Tensor, " n"]
    second: Int[Tensor, " n"]

    def at(self, index: Int[Tensor, " m"] | slice) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.row[index], self.first[index], self.second[index])


def crossings(first: Posed, second: Posed, groups: Int[Tensor, "n 2"]) -> Pairs:
    """The triangles of each first body that meet triangles of the second, touching included.

    Only triangles of the given pairs of groups are looked at. Pairs that share a vertex of a mesh
    are the caller's to leave out.
    """
    one, two = groups.unbind(1)
    near = overlap(
        first.boxes[Level.GROUP].index_select(1, one),
        second.boxes[Level.GROUP].index_select(1, two),
    )
    pair, row = near.nonzero().unbind(1)
    parts = Pairs(row, one[pair], two[pair])
    found = [parts.at(slice(0, 0))]
    for triangles in _below(parts, first, second, Level.GROUP):
        corners = (
            first.corners(triangles.row, triangles.first),
            second.corners(triangles.row, triangles.second),
        )
        found.append(triangles.at(intersect(*(c.double() for c in corners)).nonzero()[:, 0]))
    return Pairs(
        *(torch.cat([getattr(p, name) for p in found]) for name in ("row", "first", "second"))
    )


def _below(pairs: Pairs, first: Posed, second: Posed, level: Level) -> Iterator[Pairs]:
    """The pairs of triangles within pairs of things of a level whose boxes overlap, in chunks."""
    if level is Level.TRIANGLE:
        yield pairs
        return
    for start in range(0, len(pairs.row), _STEP):
        for some in _within(pairs.at(slice(start, start + _STEP)), first, second, level):
            yield from _below(some, first, second, Level(level + 1))


@dataclass(frozen=True)
class _Children:
    """What is within one side of each pair and overlaps the other side, in the order of the pairs."""

    pair: Int[Tensor, " n"]
    number: Int[Tensor, " n"]
    box: Float[Tensor, "6 n"]


def _within(pairs: Pairs, first: Posed, second: Posed, level: Level) -> Iterator[Pairs]:
    """The pairs of the next level whose boxes overlap, in chunks."""
    left = _children(
        first, level, pairs.row, pairs.first, second.box(level, pairs.row, pairs.second)
    )
    right = _children(
        second, level, pairs.row, pairs.second, first.box(level, pairs.row, pairs.first)
    )
    for one, two in _products(left.pair, right.pair, len(pairs.row)):
        near = overlap(left.box.index_select(1, one), right.box.index_select(1, two)).nonzero()[
            :, 0
        ]
        one, two = one[near], two[near]
        yield Pairs(pairs.row[left.pair[one]], left.number[one], right.number[two])


def _children(
    bodies: Posed, level: Level, row: Tensor, item: Tensor, other: Float[Tensor, "6 n"]
) -> _Children:
    pair, number = spread(bodies.solid.within[level].index_select(0, item))
    box = bodies.box(Level(level + 1), row.index_select(0, pair), number)
    near = overlap(box, other.index_select(1, pair)).nonzero()[:, 0]
    return _Children(pair[near], number[near], box.index_select(1, near))


def _products(left: Tensor, right: Tensor, pairs: int) -> Iterator[tuple[Tensor, Tensor]]:
    """For sorted lists of pair numbers: all combinations of places with the same number, in chunks."""
    counts = torch.bincount(right, minlength=pairs)
    starts, counts = (counts.cumsum(0) - counts)[left], counts[left]
    stops = torch.bincount(counts.cumsum(0) // _CHUNK).cumsum(0).tolist()
    for start, stop in itertools.pairwise([0, *stops]):
        place, offset = expand(counts[start:stop])
        place += start
        yield place, starts[place] + offset
