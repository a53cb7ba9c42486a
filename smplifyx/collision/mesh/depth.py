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

from .inside import Askers, Inside, inside
from .posed import Posed, at, spread
from .solid import Level
from .triangles import distance

_CHUNK = 1 << 10  # vertices looked at together: what is near them stays in the cache
_SLACK = 1e-5  # relative, for rounding


def depths(askers: Askers) -> Float[Tensor, "b v"]:
    """How deep each vertex lies inside the others, in metres; 0 outside."""
    found = inside(askers)
    shape = len(askers.crossed), len(askers.bodies.solid.of_vertex)
    depth = torch.zeros(shape, dtype=torch.float64, device=found.row.device)
    for some in torch.arange(len(found.row), device=depth.device).split(_CHUNK):
        part = found.at(some)
        depth.view(-1).scatter_reduce_(
            0, part.row * shape[1] + part.vertex, _nearest(askers, part), "amax"
        )
    return depth


def _nearest(askers: Askers, found: Inside) -> Float[Tensor, " n"]:
    """The distance of each vertex to the nearest triangle that counts.

    One that is near is found first, from the whole down by the nearest boxes; then all that may be
    as near.
    """
    search = _Search(askers.others, found.row, at(askers.bodies.points, found.row, found.vertex))
    groups = (
        askers.held_apart[askers.bodies.solid.of_vertex[found.vertex]]
        & askers.others.solid.meets[found.part]
    )
    groups = _Near(*groups.nonzero().unbind(1))
    limit = search.distance(search.down(groups, search.nearest_boxes))
    limit = limit.square().to(search.place) * (1 + _SLACK)
    return search.distance(search.down(groups, lambda near, away: away <= limit[near.which]))


@dataclass(frozen=True)
class _Near:
    """Things of one level, each perhaps nearest to one of n places."""

    which: Int[Tensor, " m"]  # of the places
    number: Int[Tensor, " m"]  # of the thing


@dataclass(frozen=True)
class _Search:
    """For the nearest triangles of bodies to n places."""

    others: Posed
    row: Int[Tensor, " n"]  # the body that each place is to be near to
    place: Float[Tensor, "3 n"]

    def down(self, near: _Near, kept: Callable[[_Near, Tensor], Tensor]) -> _Near:
        """The triangles in groups; at each level only what is `kept`, which is told squares of
        distances to boxes.
        """
        for level in Level:
            box = self.others.box(level, self.row[near.which], near.number)
            index = kept(near, _away(box, self.place.index_select(1, near.which))).nonzero()[:, 0]
            near = _Near(near.which[index], near.number[index])
            if level is not Level.TRIANGLE:
                parent, number = spread(
                    self.others.solid.within[level].index_select(0, near.number)
                )
                near = _Near(near.which[parent], number)
        return near

    def nearest_boxes(self, near: _Near, away: Float[Tensor, " m"]) -> Bool[Tensor, " m"]:
        """Whether no box is nearer to the place."""
        least = away.new_full(self.row.shape, torch.inf).scatter_reduce(0, near.which, away, "amin")
        return away <= least[near.which]

    def distance(self, triangles: _Near) -> Float[Tensor, " n"]:
        """Of each place, in float64, to the nearest of its triangles."""
        corners = self.others.corners(self.row[triangles.which], triangles.number).double()
        away = distance(self.place.index_select(1, triangles.which).double(), corners)
        return away.new_full(self.row.shape, torch.inf).scatter_reduce(
            0, triangles.which, away, "amin"
        )


def _away(box: Float[Tensor, "6 n"], place: Float[Tensor, "3 n"]) -> Float[Tensor, " n"]:
    """How far each place is from the box, squared."""
    x, y, z = torch.maximum(box[:3] - place, box[3:] + place).clamp_min(0).square()
    return x + y + z
