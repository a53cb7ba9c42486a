"""Which triangles meet which: pairs of parts, then of patches, then of triangles, whose boxes overlap.

Every step keeps all pairs whose boxes overlap, and a box holds exactly what it is round: nothing is missed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .posed import Posed, box_of, overlap
from .triangles import intersect

_CHUNK = 1 << 18  # pairs looked at together


@dataclass(frozen=True)
class Pairs:
    """A thing of a first body and a thing of a second, by their numbers; `row` tells which of b bodies each is of."""

    row: Int[Tensor, " n"]
    first: Int[Tensor, " n"]
    second: Int[Tensor, " n"]

    def at(self, index: Int[Tensor, " m"] | slice) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.row[index], self.first[index], self.second[index])


def crossings(first: Posed, second: Posed, groups: Int[Tensor, "n 2"]) -> Pairs:
    """The triangles of each first body that meet triangles of the second, touching included.

    Only triangles of the given pairs of groups are looked at. Pairs that share a vertex of a mesh are the caller's to
    leave out.
    """
    one, two = groups.unbind(1)
    row, pair = overlap(first.group_box[:, one], second.group_box[:, two]).nonzero().unbind(1)
    parts = Pairs(row, one[pair], two[pair])
    found = [parts.at(slice(0, 0))]
    for patches in _within(parts, *(_Patches(posed) for posed in (first, second))):
        for triangles in _within(patches, *(_Triangles(posed) for posed in (first, second))):
            corners = first.corners(triangles.row, triangles.first), second.corners(triangles.row, triangles.second)
            found.append(triangles.at(intersect(*(c.double() for c in corners)).nonzero()[:, 0]))
    return Pairs(*(torch.cat([getattr(p, name) for p in found]) for name in ("row", "first", "second")))


@dataclass(frozen=True)
class _Patches:
    """The patches of groups."""

    posed: Posed

    def ranges(self, group: Tensor) -> Int[Tensor, "n 2"]:
        return self.posed.solid.group_range[group]

    def own_box(self, row: Tensor, group: Tensor) -> Float[Tensor, "n 6"]:
        return self.posed.group_box[row, group]

    def box(self, row: Tensor, patch: Tensor) -> Float[Tensor, "n 6"]:
        return self.posed.patch_box[row, patch]


@dataclass(frozen=True)
class _Triangles:
    """The triangles of patches."""

    posed: Posed

    def ranges(self, patch: Tensor) -> Int[Tensor, "n 2"]:
        return self.posed.solid.patch_range[patch]

    def own_box(self, row: Tensor, patch: Tensor) -> Float[Tensor, "n 6"]:
        return self.posed.patch_box[row, patch]

    def box(self, row: Tensor, triangle: Tensor) -> Float[Tensor, "n 6"]:
        return box_of(self.posed.corners(row, triangle))


_Level = _Patches | _Triangles


@dataclass(frozen=True)
class _Children:
    """What is within one side of each pair and overlaps the other side, in the order of the pairs."""

    pair: Int[Tensor, " n"]
    number: Int[Tensor, " n"]
    box: Float[Tensor, "n 6"]


def _within(pairs: Pairs, first: _Level, second: _Level) -> Iterator[Pairs]:
    """The pairs of the next level whose boxes overlap, in chunks."""
    step = _CHUNK // 64
    for start in range(0, len(pairs.row), step):
        some = pairs.at(slice(start, start + step))
        boxes = first.own_box(some.row, some.first), second.own_box(some.row, some.second)
        left = _children(first, some.row, some.first, boxes[1])
        right = _children(second, some.row, some.second, boxes[0])
        for one, two in _products(left.pair, right.pair, len(some.row)):
            near = overlap(left.box[one], right.box[two]).nonzero()[:, 0]
            one, two = one[near], two[near]
            yield Pairs(some.row[left.pair[one]], left.number[one], right.number[two])


def _children(level: _Level, row: Tensor, item: Tensor, other: Tensor) -> _Children:
    start, stop = level.ranges(item).unbind(1)
    pair, offset = expand(stop - start)
    number = start[pair] + offset
    box = level.box(row[pair], number)
    near = overlap(box, other[pair]).nonzero()[:, 0]
    return _Children(pair[near], number[near], box[near])


def expand(counts: Int[Tensor, " n"]) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """Each number 0..n - 1 as often as counted, and for each of them 0, 1, 2, ..."""
    number = torch.repeat_interleave(counts)
    first = counts.cumsum(0) - counts
    return number, torch.arange(len(number), device=counts.device) - first[number]


def _products(left: Tensor, right: Tensor, pairs: int) -> Iterator[tuple[Tensor, Tensor]]:
    """For sorted lists of pair numbers: all combinations of places with the same number, in chunks."""
    counts = torch.bincount(right, minlength=pairs)
    starts = counts.cumsum(0) - counts
    stops = torch.bincount(counts[left].cumsum(0) // _CHUNK).cumsum(0).tolist()
    for start, stop in itertools.pairwise([0, *stops]):
        place, offset = expand(counts[left[start:stop]])
        yield start + place, starts[left[start + place]] + offset
