"""Which vertices lie inside parts they are held apart from.

A point is inside a closed surface if its triangles' solid angles add up to whole turns, and a vertex is inside if it
is inside the closed parts it is held apart from, counted together. Vertices joined by faces that no such surface
meets are all inside or all outside: one of them is asked for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from .crossings import expand
from .posed import Posed, overlap
from .triangles import solid_angle

_CHUNK = 1 << 15  # pairs of a vertex and a triangle looked at together: they stay in the cache
_SAMPLES = 8


@dataclass(frozen=True, eq=False)
class Askers:
    """Bodies whose vertices may lie inside others (or inside themselves), body by body."""

    bodies: Posed
    others: Posed
    held_apart: Bool[Tensor, "j g"]  # the parts of the bodies from the groups of the others
    crossed: Bool[Tensor, "b t"]  # the triangles that meet the closed surface of a part they are held apart from


@dataclass(frozen=True, eq=False)
class Inside:
    """Vertices of bodies and the parts of the others they are in; a vertex in several comes as often."""

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

    def samples(self) -> Int[Tensor, "r s"]:
        """Some vertices of each."""
        step = torch.linspace(0, 1, _SAMPLES, device=self.row.device, dtype=torch.float64)
        return self.member[self.start[:, None] + ((self.stop - self.start - 1)[:, None] * step).long()]


def inside(askers: Askers) -> Inside:
    """All vertices that lie inside a part they are held apart from."""
    solid, closed_box = askers.bodies.solid, askers.others.closed_box()
    row, triangle = askers.crossed.nonzero().unbind(1)
    cut = torch.zeros(len(askers.crossed), len(solid.link_range) + 1, dtype=torch.bool, device=row.device)
    cut[row, solid.piece_of_triangle[triangle]] = True
    regions = _joined(_whole_pieces(askers, ~cut[:, :-1], closed_box), _torn_pieces(askers, cut[:, :-1]))
    sample = regions.samples()
    place = askers.bodies.points[regions.row[:, None], sample]
    near = overlap(torch.cat([place, -place], -1)[:, :, None], closed_box[regions.row][:, None])
    near &= askers.held_apart[solid.of_vertex[sample[:, :1]], : closed_box.shape[1]]
    asked = near.sum(-1).argmin(1)  # one that is in no box is outside, and so are all
    region = torch.arange(len(asked), device=asked.device)
    region, part = near[region, asked].nonzero().unbind(1)
    turns = _turns(askers, Inside(regions.row[region], sample[region, asked[region]], part))
    total = turns.new_zeros(len(asked)).index_add(0, region, turns)
    found = ((turns > 0) & (total[region] > 0)).nonzero()[:, 0]
    region, part = region[found], part[found]
    which, offset = expand(regions.stop[region] - regions.start[region])
    return Inside(regions.row[region][which], regions.member[regions.start[region][which] + offset], part[which])


def _whole_pieces(askers: Askers, whole: Bool[Tensor, "b c"], closed_box: Float[Tensor, "b j 6"]) -> _Regions:
    """The pieces that nothing crosses, but for those away from every box."""
    solid, joints = askers.bodies.solid, closed_box.shape[1]
    part = solid.of_vertex[solid.member[solid.member_range[:, 0]]]
    near = overlap(askers.bodies.group_box[:, part, None], closed_box[:, None]) & askers.held_apart[part, :joints]
    row, piece = (whole & near.any(-1)).nonzero().unbind(1)
    return _Regions(row, *solid.member_range[piece].unbind(1), solid.member)


def _torn_pieces(askers: Askers, torn: Bool[Tensor, "b c"]) -> _Regions:
    """The pieces that something crosses, torn apart at the triangles it crosses."""
    solid = askers.bodies.solid
    row, piece = torn.nonzero().unbind(1)
    if not len(row):
        return _Regions(row, row, row, row)
    nodes = _each(row, solid.member_range[piece])
    links = _each(row, solid.link_range[piece])
    links = links[~askers.crossed[links[:, 0], solid.link_triangle[links[:, 1]]]]
    vertices = len(solid.of_vertex)
    node = nodes[:, 0] * vertices + solid.member[nodes[:, 1]]
    ends = links[:, :1] * vertices + solid.link[links[:, 1]]
    node, order = node.sort()
    ends = torch.searchsorted(node, ends).cpu().numpy()
    _, label = connected_components(coo_array(([1] * len(ends), (ends[:, 0], ends[:, 1])), (len(node),) * 2))
    region, order = torch.as_tensor(label, device=row.device).long().sort(stable=True)
    size = torch.bincount(region)
    stop = size.cumsum(0)
    member = node[order]
    return _Regions(member[stop - size] // vertices, stop - size, stop, member % vertices)


def _each(row: Tensor, spans: Int[Tensor, "n 2"]) -> Int[Tensor, "m 2"]:
    """Row and place of everything in the spans."""
    which, offset = expand(spans[:, 1] - spans[:, 0])
    return torch.stack([row[which], spans[which, 0] + offset], 1)


def _joined(first: _Regions, second: _Regions) -> _Regions:
    shift = len(first.member)
    return _Regions(
        torch.cat([first.row, second.row]),
        torch.cat([first.start, second.start + shift]),
        torch.cat([first.stop, second.stop + shift]),
        torch.cat([first.member, second.member]),
    )


def _turns(askers: Askers, asked: Inside) -> Int[Tensor, " n"]:
    """How often the closed surface of the part goes round the vertex."""
    turns = torch.zeros_like(asked.row)
    for part in asked.part.unique().tolist():
        used, triangles = askers.others.solid.closed[part].unique(return_inverse=True)
        for some in (asked.part == part).nonzero()[:, 0].split(max(_CHUNK // len(triangles), 1)):
            row = asked.row[some]
            corners = askers.others.points[row[:, None], used].double()
            corners = corners - askers.bodies.points[row, asked.vertex[some], None].double()
            turns[some] = solid_angle(corners.movedim(-1, 0).contiguous(), triangles).round().long()
    return turns
