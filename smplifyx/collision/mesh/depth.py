"""How deep vertices lie inside the parts they are held apart from.

The distance to the surface of those parts near the one the vertex is in: to the skin of that part
and of the parts it meets, or to a cap beyond which the vertex may go again. So the depth is zero
where a vertex enters, through skin or cap, and grows from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...core.bundle import Bundle
from .inside import InsideQuery, VerticesInParts, inside
from .posed import PosedSolid, values_at
from .ragged import expand_ranges
from .solid import Level
from .triangles import distance

_CHUNK = 1 << 10  # vertices looked at together: what is near them stays in the cache
_SLACK = 1e-5  # relative, for rounding: boxes are in the dtype of the mesh, distances in float64


def depths(query: InsideQuery) -> Float[Tensor, "b v"]:
    """How deep each vertex lies inside the others, in metres, float64; 0 outside."""
    found = inside(query)
    bodies = len(query.crossed)
    vertices = len(query.bodies.solid.of_vertex)
    depth = torch.zeros(bodies, vertices, dtype=torch.float64, device=found.row.device)
    for chunk in torch.arange(len(found.row), device=depth.device).split(_CHUNK):
        some = found[chunk]
        # a vertex inside several parts is as deep as in the deepest
        index = some.row * vertices + some.vertex
        depth.view(-1).scatter_reduce_(0, index, _nearest(query, some), "amax")
    return depth


def _nearest(query: InsideQuery, found: VerticesInParts) -> Float[Tensor, " n"]:
    """The distance of each vertex to the nearest triangle that counts.

    One that is near is found first, from the whole down by the nearest boxes; then all that may be
    as near.
    """
    place = values_at(query.bodies.points, found.row, found.vertex)
    search = _NearestSearch(query.others, found.row, place)
    own_part = query.bodies.solid.of_vertex[found.vertex]
    counts = query.held_apart[own_part] & query.others.solid.meets[found.part]  # [n, group]
    which, group = counts.nonzero().unbind(1)
    groups = _Candidates(which=which, number=group)

    first_guess = search.distance(search.descend(groups, search.in_nearest_box))
    limit = first_guess.square().to(place) * (1 + _SLACK)

    def within_limit(candidates: _Candidates, square: Float[Tensor, " m"]) -> Bool[Tensor, " m"]:
        return square <= limit[candidates.which]

    return search.distance(search.descend(groups, within_limit))


@dataclass(frozen=True)
class _Candidates(Bundle):
    """Things of one level, each perhaps nearest to one of n places."""

    which: Int[Tensor, " m"]  # of the places
    number: Int[Tensor, " m"]  # of the thing


@dataclass(frozen=True, eq=False)
class _NearestSearch:
    """The search for the triangles of bodies that are nearest to n places."""

    others: PosedSolid
    row: Int[Tensor, " n"]  # of the batch: the body that each place is to be near to
    place: Float[Tensor, "3 n"]

    def descend(
        self, candidates: _Candidates, kept: Callable[[_Candidates, Tensor], Tensor]
    ) -> _Candidates:
        """The triangles in groups; at each level only what is `kept`, a function of the candidates
        and the squares of their distances to the places.
        """
        for level in Level:
            box = self.others.box(level, self.row[candidates.which], candidates.number)
            square = _square_distance(box, self.place.index_select(1, candidates.which))
            candidates = candidates[kept(candidates, square).nonzero()[:, 0]]
            if level is not Level.TRIANGLE:
                span = self.others.solid.within[level].index_select(0, candidates.number)
                parent, number = expand_ranges(span)
                candidates = _Candidates(which=candidates.which[parent], number=number)
        return candidates

    def in_nearest_box(
        self, candidates: _Candidates, square: Float[Tensor, " m"]
    ) -> Bool[Tensor, " m"]:
        """Whether no box is nearer to the place."""
        return square <= self._least(candidates, square)[candidates.which]

    def distance(self, triangles: _Candidates) -> Float[Tensor, " n"]:
        """Of each place, in float64, to the nearest of its triangles."""
        corners = self.others.corners(self.row[triangles.which], triangles.number).double()
        place = self.place.index_select(1, triangles.which).double()
        return self._least(triangles, distance(place, corners))

    def _least(self, candidates: _Candidates, values: Float[Tensor, " m"]) -> Float[Tensor, " n"]:
        """The least value of each place's candidates; infinite where it has none."""
        least = values.new_full(self.row.shape, torch.inf)
        return least.scatter_reduce(0, candidates.which, values, "amin")


def _square_distance(box: Float[Tensor, "6 n"], place: Float[Tensor, "3 n"]) -> Float[Tensor, " n"]:
    """How far each place is from the box, squared; 0 inside."""
    # a box holds its lowest corner and minus its highest
    outside = torch.maximum(box[:3] - place, box[3:] + place).clamp_min(0)
    x, y, z = outside.square()
    return x + y + z
