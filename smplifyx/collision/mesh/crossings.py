"""Which triangles meet which: pairs of groups, then of patches, of leaves, of triangles, whose
boxes overlap.

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

from ...core.bundle import Bundle
from .posed import PosedSolid, overlap
from .ragged import expand_counts, expand_ranges
from .solid import Level
from .triangles import intersect

_CHUNK = 1 << 16  # pairs looked at together: they stay in the cache
_STEP = _CHUNK // 16  # pairs whose children are


@dataclass(frozen=True)
class Pairs(Bundle):
    """n pairs, of a thing of a first body and a thing of a second, by their numbers; `row` is the
    row of the batch that both bodies are in.
    """

    row: Int[Tensor, " n"]
    first: Int[Tensor, " n"]
    second: Int[Tensor, " n"]


def crossings(first: PosedSolid, second: PosedSolid, group_pairs: Int[Tensor, "n 2"]) -> Pairs:
    """The triangles of each first body that meet triangles of the second, touching included.

    Only triangles of the given pairs of groups are looked at. Pairs that share a vertex of a mesh
    are the caller's to leave out.
    """
    first_group, second_group = group_pairs.unbind(1)
    near = overlap(  # [pair of groups, batch]
        first.boxes[Level.GROUP].index_select(1, first_group),
        second.boxes[Level.GROUP].index_select(1, second_group),
    )
    pair, row = near.nonzero().unbind(1)
    groups = Pairs(row=row, first=first_group[pair], second=second_group[pair])

    found = [groups[:0]]  # `cat` needs one, and no triangles may be near
    for triangles in _triangle_pairs(groups, first, second, Level.GROUP):
        meeting = intersect(
            first.corners(triangles.row, triangles.first).double(),
            second.corners(triangles.row, triangles.second).double(),
        )
        found.append(triangles[meeting.nonzero()[:, 0]])
    return Pairs.cat(found)


def _triangle_pairs(
    pairs: Pairs, first: PosedSolid, second: PosedSolid, level: Level
) -> Iterator[Pairs]:
    """The pairs of triangles within pairs of things of a level whose boxes overlap, in chunks.

    Depth first: a chunk is followed down to its triangles before the next is made, so memory is
    bounded by one chunk a level.
    """
    if level is Level.TRIANGLE:
        yield pairs
        return
    for start in range(0, len(pairs.row), _STEP):
        some = pairs[start : start + _STEP]
        for below in _pairs_below(some, first, second, level):
            yield from _triangle_pairs(below, first, second, Level(level + 1))


@dataclass(frozen=True)
class _Children:
    """What is within one side of pairs and overlaps the other side, in the order of the pairs."""

    pair: Int[Tensor, " n"]
    number: Int[Tensor, " n"]
    box: Float[Tensor, "6 n"]


def _pairs_below(
    pairs: Pairs, first: PosedSolid, second: PosedSolid, level: Level
) -> Iterator[Pairs]:
    """The pairs of the next level whose boxes overlap, in chunks."""
    first_box = first.box(level, pairs.row, pairs.first)
    second_box = second.box(level, pairs.row, pairs.second)
    left = _children(first, level, pairs.row, pairs.first, near=second_box)
    right = _children(second, level, pairs.row, pairs.second, near=first_box)
    for one, two in _combinations(left.pair, right.pair, len(pairs.row)):
        near = overlap(left.box.index_select(1, one), right.box.index_select(1, two))
        kept = near.nonzero()[:, 0]
        one = one[kept]
        two = two[kept]
        row = pairs.row[left.pair[one]]
        yield Pairs(row=row, first=left.number[one], second=right.number[two])


def _children(
    bodies: PosedSolid,
    level: Level,
    row: Int[Tensor, " m"],
    thing: Int[Tensor, " m"],
    near: Float[Tensor, "6 m"],
) -> _Children:
    """What is within m things of a level and overlaps the box `near` of its thing."""
    pair, number = expand_ranges(bodies.solid.within[level].index_select(0, thing))
    box = bodies.box(Level(level + 1), row.index_select(0, pair), number)
    kept = overlap(box, near.index_select(1, pair)).nonzero()[:, 0]
    return _Children(pair=pair[kept], number=number[kept], box=box.index_select(1, kept))


def _combinations(
    left: Int[Tensor, " l"], right: Int[Tensor, " r"], pairs: int
) -> Iterator[tuple[Int[Tensor, " _"], Int[Tensor, " _"]]]:
    """For sorted lists of pair numbers, 0..pairs - 1: all combinations of places in both with the
    same number, in chunks of about `_CHUNK`.
    """
    counts = torch.bincount(right, minlength=pairs)
    starts = counts.cumsum(0) - counts
    # of each place in `left`: where those with its number start in `right`, and how many they are
    starts = starts[left]
    counts = counts[left]
    # the chunk of a place is that of its last combination; a place is in one chunk as a whole
    chunk = counts.cumsum(0) // _CHUNK
    stops = torch.bincount(chunk).cumsum(0).tolist()
    for start, stop in itertools.pairwise([0, *stops]):
        place, offset = expand_counts(counts[start:stop])
        place += start
        yield place, starts[place] + offset
