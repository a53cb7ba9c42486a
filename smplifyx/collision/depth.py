"""How deep vertices lie inside the parts they are held apart from.

The distance to the surface of those parts near the one the vertex is in: to the skin of that part and of the parts
it meets, or to a cap beyond which the vertex may go again. So the depth is zero where a vertex enters, through skin or
cap, and grows from there.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from .crossings import expand
from .inside import Askers, Inside, inside
from .posed import Posed
from .triangles import distance

_CHUNK = 1 << 18  # pairs of a vertex and a patch looked at together
_SLACK = 1e-9  # metres, for rounding


def depths(askers: Askers) -> Float[Tensor, "b v"]:
    """How deep each vertex lies inside the others, in metres; 0 outside."""
    found = inside(askers)
    depth = torch.zeros(len(askers.crossed), len(askers.bodies.solid.of_vertex), dtype=torch.float64)
    depth = depth.to(found.row.device)
    most = max(_CHUNK // len(askers.others.solid.patch_group), 1)
    for some in torch.arange(len(found.row), device=depth.device).split(most):
        part = found.at(some)
        at = part.row * depth.shape[1] + part.vertex
        depth.view(-1).scatter_reduce_(0, at, _nearest(askers, part), "amax")
    return depth


def _nearest(askers: Askers, found: Inside) -> Float[Tensor, " n"]:
    """The distance of each vertex to the nearest triangle that counts."""
    others, place = askers.others, askers.bodies.points[found.row, found.vertex].double()
    groups = askers.held_apart[askers.bodies.solid.of_vertex[found.vertex]] & others.solid.meets[found.part]
    counts = groups[:, others.solid.patch_group]
    some_point = others.points[found.row[:, None], others.solid.patch_points[0]].double()
    away = torch.where(counts, (some_point - place[:, None]).square().sum(-1).sqrt(), torch.inf)
    most = _to_patches(others, found.row, place, torch.arange(len(place), device=place.device), away.argmin(1))
    number, patch = (away <= most[:, None] + _diagonal(others)[found.row]).nonzero().unbind(1)
    box, at = others.patch_box[found.row[number], patch].double(), place[number]
    gap = torch.maximum(box[:, :3] - at, box[:, 3:] + at).clamp_min(0).square().sum(-1).sqrt()
    near = (gap <= most[number] + _SLACK).nonzero()[:, 0]
    return _to_patches(others, found.row, place, number[near], patch[near])


def _diagonal(bodies: Posed) -> Float[Tensor, "b p"]:
    """No two points of a patch are farther from each other."""
    return (bodies.patch_box[..., :3] + bodies.patch_box[..., 3:]).double().norm(dim=-1) + _SLACK


def _to_patches(others: Posed, row: Tensor, place: Tensor, number: Tensor, patch: Tensor) -> Float[Tensor, " n"]:
    """The distance of each place, by its number, to the nearest triangle of its patches."""
    start, stop = others.solid.patch_range[patch].unbind(1)
    which, offset = expand(stop - start)
    at = number[which]
    away = distance(place[at], others.corners(row[at], start[which] + offset).double())
    return torch.full_like(place[:, 0], torch.inf).scatter_reduce(0, at, away, "amin")
