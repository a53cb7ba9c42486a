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

from ...core.bundle import Bundle
from .posed import PosedSolid, overlap, values_at
from .ragged import expand_ranges
from .solid import Level
from .triangles import exits

_SAMPLES = 8  # vertices of a region, of which the one in the fewest boxes is asked


@dataclass(frozen=True, eq=False)
class InsideQuery:
    """Bodies whose vertices may lie inside others (or inside themselves), body by body."""

    bodies: PosedSolid
    others: PosedSolid
    held_apart: Bool[Tensor, "j g"]  # the parts of the bodies from the groups of the others
    # the triangles that meet the closed surface of a part they are held apart from
    crossed: Bool[Tensor, "b t"]


@dataclass(frozen=True, eq=False)
class VerticesInParts(Bundle):
    """n vertices of bodies, each with a part of the others; `row` is the row of the batch."""

    row: Int[Tensor, " n"]
    vertex: Int[Tensor, " n"]
    part: Int[Tensor, " n"]


@dataclass(frozen=True, eq=False)
class _Regions:
    """r sets of vertices of a body that are inside or outside together."""

    row: Int[Tensor, " r"]
    start: Int[Tensor, " r"]  # their places in `member`
    stop: Int[Tensor, " r"]
    member: Int[Tensor, " m"]  # vertices

    def samples(self) -> Int[Tensor, "samples r"]:
        """Some vertices of each, the first and the last among them; small regions repeat theirs."""
        share = torch.linspace(0, 1, _SAMPLES, device=self.row.device, dtype=torch.float64)
        offset = ((self.stop - self.start - 1) * share[:, None]).long()
        return self.member[self.start + offset]


def inside(query: InsideQuery) -> VerticesInParts:
    """All vertices that lie inside a part they are held apart from, with that part.

    A vertex in several parts comes as often.
    """
    pieces = query.bodies.solid.pieces
    row, triangle = query.crossed.nonzero().unbind(1)
    # The pieces that a crossed triangle links; the column behind them takes those that link none.
    torn = torch.zeros(
        len(query.crossed), len(pieces.link_range) + 1, dtype=torch.bool, device=row.device
    )
    torn[row, pieces.of_triangle[triangle]] = True
    torn = torn[:, :-1]

    regions = _joined(_whole_pieces(query, ~torn), _torn_pieces(query, torn))
    asked, region = _asked(query, regions)
    turns = _turns(query, asked)
    # Closed parts overlap at their caps and may be inside out there: only the sum over all parts
    # tells whether the vertex is in the body at all.
    total = turns.new_zeros(len(regions.row)).index_add(0, region, turns)
    found = ((turns > 0) & (total[region] > 0)).nonzero()[:, 0]
    region = region[found]
    part = asked.part[found]

    # what holds for the one that was asked holds for all members of its region
    span = torch.stack([regions.start[region], regions.stop[region]], 1)
    which, place = expand_ranges(span)
    return VerticesInParts(
        row=regions.row[region][which], vertex=regions.member[place], part=part[which]
    )


def _whole_pieces(query: InsideQuery, whole: Bool[Tensor, "b c"]) -> _Regions:
    """The pieces that nothing crosses, but for those away from every box."""
    solid = query.bodies.solid
    closed = query.others.closed
    pieces = solid.pieces
    part = solid.of_vertex[pieces.member[pieces.member_range[:, 0]]]  # of each piece
    # the box of a piece's whole part is known, and good enough: [piece, part, body]
    near = overlap(query.bodies.boxes[Level.GROUP][:, part, None], closed[:, None])
    near_any = (near & query.held_apart[part, : closed.shape[1], None]).any(1)
    row, piece = (whole & near_any.T).nonzero().unbind(1)
    start, stop = pieces.member_range[piece].unbind(1)
    return _Regions(row=row, start=start, stop=stop, member=pieces.member)


def _torn_pieces(query: InsideQuery, torn: Bool[Tensor, "b c"]) -> _Regions:
    """The pieces that something crosses, torn apart at the triangles it crosses."""
    pieces = query.bodies.solid.pieces
    row, piece = torn.nonzero().unbind(1)
    if not len(row):
        return _Regions(row=row, start=row, stop=row, member=row)

    # One graph for all torn pieces of all bodies. Its nodes are their vertices, one piece after the
    # other; `shift` leads from a place in `member` to the node.
    spans = pieces.member_range[piece]
    torn_of_node, place = expand_ranges(spans)
    sizes = spans[:, 1] - spans[:, 0]
    shift = sizes.cumsum(0) - spans[:, 1]

    # its links are those of the pieces but for the crossed triangles
    torn_of_link, link = expand_ranges(pieces.link_range[piece])
    crossed = query.crossed[row[torn_of_link], pieces.link_triangle[link]]
    kept = (~crossed).nonzero()[:, 0]
    ends = pieces.link[:, link[kept]] + shift[torn_of_link[kept]]
    first, second = ends.cpu().numpy()
    graph = coo_array((np.ones(len(first), dtype=bool), (first, second)), (len(place), len(place)))
    _, component = connected_components(graph)

    # nodes sorted by component: each is a region
    region, order = torch.as_tensor(component, device=row.device).sort(stable=True)
    stop = torch.bincount(region).cumsum(0)
    start = torch.cat([stop.new_zeros(1), stop[:-1]])
    return _Regions(
        row=row[torn_of_node[order[start]]],
        start=start,
        stop=stop,
        member=pieces.member[place[order]],
    )


def _joined(first: _Regions, second: _Regions) -> _Regions:
    shift = len(first.member)
    return _Regions(
        row=torch.cat([first.row, second.row]),
        start=torch.cat([first.start, second.start + shift]),
        stop=torch.cat([first.stop, second.stop + shift]),
        member=torch.cat([first.member, second.member]),
    )


def _asked(query: InsideQuery, regions: _Regions) -> tuple[VerticesInParts, Int[Tensor, " n"]]:
    """A vertex of each region with the parts it may be in, and its region.

    The vertex is the sample in the fewest boxes of parts: it costs the fewest rays.
    """
    closed = query.others.closed  # [6, part, body]
    sample = regions.samples()
    places = values_at(query.bodies.points, regions.row, sample)  # [3, sample, region]
    own_part = query.bodies.solid.of_vertex[sample[0]]

    # the parts whose boxes overlap the box round all samples of a region: [part, region]
    sample_box = torch.cat([places.amin(1), -places.amax(1)])
    near = overlap(sample_box[:, None], closed.index_select(2, regions.row))
    near = near & query.held_apart[own_part, : closed.shape[1]].T
    region, part = near.T.nonzero().unbind(1)

    # which samples are in those boxes: a point is a box without extent [sample, pair]
    box = values_at(closed, regions.row[region], part)[:, None]
    in_box = overlap(torch.cat([places, -places]).index_select(2, region), box)
    boxes_of_sample = torch.zeros_like(sample).index_add(1, region, in_box.long())
    best = boxes_of_sample.argmin(0)  # one that is in no box is outside, and so are all
    chosen = in_box.gather(0, best[region][None])[0].nonzero()[:, 0]
    region = region[chosen]
    asked = VerticesInParts(
        row=regions.row[region], vertex=sample[best[region], region], part=part[chosen]
    )
    return asked, region


def _turns(query: InsideQuery, asked: VerticesInParts) -> Int[Tensor, " n"]:
    """How often the closed surface of the part goes round the vertex: how often a ray along x comes
    out of it.
    """
    others = query.others
    solid = others.solid
    origin = values_at(query.bodies.points, asked.row, asked.vertex)
    # the box of the ray: from the origin to infinity along x, without extent along y and z
    no_end = torch.full_like(origin[:1], -torch.inf)
    ray = torch.cat([origin, no_end, -origin[1:]])

    which, number = solid.encloses[asked.part].nonzero().unbind(1)
    # A part has its own cap as its faces are turned and the caps of its children the other way.
    is_cap = number >= solid.parts
    inwards = is_cap & (number != solid.parts + asked.part[which])
    for level in Level:
        box = others.box(level, asked.row[which], number)
        met = overlap(box, ray.index_select(1, which)).nonzero()[:, 0]
        which = which[met]
        number = number[met]
        inwards = inwards[met]
        if level is not Level.TRIANGLE:
            parent, number = expand_ranges(solid.within[level].index_select(0, number))
            which = which[parent]
            inwards = inwards[parent]

    corners = others.corners(asked.row[which], number).double()
    from_origin = corners - origin.index_select(1, which)[:, None].double()
    turns = exits(from_origin)
    signed = torch.where(inwards, -turns, turns).to(asked.row)
    return torch.zeros_like(asked.row).index_add(0, which, signed)
