"""Which vertices lie inside parts they are held apart from.

A point is inside a closed surface if a ray from it leaves the surface more often than it enters,
and a vertex is inside if it is inside the closed parts it is held apart from, counted together.
Vertices joined by faces that no such surface meets are all inside or all outside: one of them is
asked for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from .posed import Posed, at, overlap, spread
from .solid import Level
from .triangles import exits

_SAMPLES = 8


@dataclass(frozen=True, eq=False)
class Askers:
    """Bodies whose vertices may lie inside others (or inside themselves), body by body."""

    bodies: Posed
    others: Posed
    held_apart: Bool[Tensor, "j g"]  # the parts of the bodies from the groups of the others
    # the triangles that meet the closed surface of a part they are held apart from
    crossed: Bool[Tensor, "b t"]


@dataclass(frozen=True, eq=False)
class Inside:
    """Vertices of bodies and the parts of the others they are in; a vertex in several comes as
    often.
    """

    row: Int[Tensor, " n"]
    vertex: Int[Tensor, " n"]
    part: Int[Tensor, " n"]

    def at(self, index: Tensor) -> Inside:
        """Some of them."""
        return Inside(self.row[index], self.vertex[index], self.part[index])


@dataclass(frozen=True, eq=False)
class _Regions:
    """Sets of vertices of a body that are inside or outside together."""

    row: Int[Tensor, " r"]
    start: Int[Tensor, " r"]  # their places in `member`
    stop: Int[Tensor, " r"]
    member: Int[Tensor, " m"]

    def samples(self) -> Int[Tensor, "s r"]:
        """Some vertices of each."""
        step = torch.linspace(0, 1, _SAMPLES, device=self.row.device, dtype=torch.float64)[:, None]
        return self.member[self.start + ((self.stop - self.start - 1) * step).long()]


def inside(askers: Askers) -> Inside:
    """All vertices that lie inside a part they are held apart from."""
    solid = askers.bodies.solid
    row, triangle = askers.crossed.nonzero().unbind(1)
    cut = torch.zeros(
        len(askers.crossed), len(solid.link_range) + 1, dtype=torch.bool, device=row.device
    )
    cut[row, solid.piece_of_triangle[triangle]] = True
    regions = _joined(_whole_pieces(askers, ~cut[:, :-1]), _torn_pieces(askers, cut[:, :-1]))
    asked, region = _asked(askers, regions)
    turns = _turns(askers, asked)
    total = turns.new_zeros(len(regions.row)).index_add(0, region, turns)
    found = ((turns > 0) & (total[region] > 0)).nonzero()[:, 0]
    region, part = region[found], asked.part[found]
    which, place = spread(torch.stack([regions.start[region], regions.stop[region]], 1))
    return Inside(regions.row[region][which], regions.member[place], part[which])


def _whole_pieces(askers: Askers, whole: Bool[Tensor, "b c"]) -> _Regions:
    """The pieces that nothing crosses, but for those away from every box."""
    solid, closed = askers.bodies.solid, askers.others.closed
    part = solid.of_vertex[solid.member[solid.member_range[:, 0]]]
    # [piece, part, body]
    near = overlap(askers.bodies.boxes[Level.GROUP][:, part, None], closed[:, None])
    near = (near & askers.held_apart[part, : closed.shape[1], None]).any(1)
    row, piece = (whole & near.T).nonzero().unbind(1)
    return _Regions(row, *solid.member_range[piece].unbind(1), solid.member)


def _torn_pieces(askers: Askers, torn: Bool[Tensor, "b c"]) -> _Regions:
    """The pieces that something crosses, torn apart at the triangles it crosses."""
    solid = askers.bodies.solid
    row, piece = torn.nonzero().unbind(1)
    if not len(row):
        return _Regions(row, row, row, row)
    spans = solid.member_range[piece]
    of_node, place = spread(spans)
    first = (spans[:, 1] - spans[:, 0]).cumsum(0) - spans[:, 1]  # from places in `member` to nodes
    of_link, link = spread(solid.link_range[piece])
    kept = (~askers.crossed[row[of_link], solid.link_triangle[link]]).nonzero()[:, 0]
    ends = (solid.link[:, link[kept]] + first[of_link[kept]]).cpu().numpy()
    graph = coo_array((np.ones(len(kept), dtype=bool), tuple(ends)), (len(place),) * 2)
    region, order = torch.as_tensor(connected_components(graph)[1], device=row.device).sort(
        stable=True
    )
    stop = torch.bincount(region).cumsum(0)
    start = torch.cat([stop.new_zeros(1), stop[:-1]])
    return _Regions(row[of_node[order[start]]], start, stop, solid.member[place[order]])


def _joined(first: _Regions, second: _Regions) -> _Regions:
    shift = len(first.member)
    return _Regions(
        torch.cat([first.row, second.row]),
        torch.cat([first.start, second.start + shift]),
        torch.cat([first.stop, second.stop + shift]),
        torch.cat([first.member, second.member]),
    )


def _asked(askers: Askers, regions: _Regions) -> tuple[Inside, Int[Tensor, " n"]]:
    """A vertex of each region with the parts it may be in, and its region: one that is in the
    fewest boxes.
    """
    sample, closed = regions.samples(), askers.others.closed
    part = askers.bodies.solid.of_vertex[sample[0]]
    places = at(askers.bodies.points, regions.row, sample)
    boxes = torch.cat([places.amin(1), -places.amax(1)])
    near = (
        overlap(boxes[:, None], closed.index_select(2, regions.row))
        & askers.held_apart[part, : closed.shape[1]].T
    )
    region, part = near.T.nonzero().unbind(1)
    box = at(closed, regions.row[region], part)[:, None]
    within = overlap(torch.cat([places, -places]).index_select(2, region), box)
    boxed = torch.zeros_like(sample).index_add(1, region, within.long())
    best = boxed.argmin(0)  # one that is in no box is outside, and so are all
    chosen = within.gather(0, best[region][None])[0].nonzero()[:, 0]
    region, part = region[chosen], part[chosen]
    return Inside(regions.row[region], sample[best[region], region], part), region


def _turns(askers: Askers, asked: Inside) -> Int[Tensor, " n"]:
    """How often the closed surface of the part goes round the vertex: how often a ray along x comes
    out of it.
    """
    others, solid = askers.others, askers.others.solid
    origin = at(askers.bodies.points, asked.row, asked.vertex)
    ray = torch.cat([origin, torch.full_like(origin[:1], -torch.inf), -origin[1:]])
    which, number = solid.encloses[asked.part].nonzero().unbind(1)
    # the caps of children
    inwards = (number >= solid.parts) & (number != solid.parts + asked.part[which])
    for level in Level:
        met = overlap(
            others.box(level, asked.row[which], number), ray.index_select(1, which)
        ).nonzero()[:, 0]
        which, number, inwards = which[met], number[met], inwards[met]
        if level is not Level.TRIANGLE:
            parent, number = spread(solid.within[level].index_select(0, number))
            which, inwards = which[parent], inwards[parent]
    corners = (
        others.corners(asked.row[which], number).double()
        - origin.index_select(1, which)[:, None].double()
    )
    turns = exits(corners)
    return torch.zeros_like(asked.row).index_add(
        0, which, torch.where(inwards, -turns, turns).to(asked.row)
    )
