"""The exact check of collisions: which triangles of the mesh cut each other, and how deep vertices
lie inside.

Measured on the posed mesh; no gradients. Triangles are looked at wherever the boxes round them
overlap, so that none is missed: see `crossings` for how, `triangles` for what counts as cutting,
`inside` for what counts as depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...body.model import BodyModel
from ...core.bundle import Bundle
from .crossings import crossings
from .depth import depths
from .inside import Askers
from .posed import Posed, posed
from .solid import solid_of

_BODIES = 32  # looked at together: more do not stay in the cache


@dataclass(frozen=True)
class Contact(Bundle):
    """Where bodies pass through themselves or through others."""

    triangles: Int[Tensor, "*batch"]  # how many cut a triangle of a part they are held apart from
    depth: Float[Tensor, "*batch"]  # metres, of the deepest vertex
    cut: Bool[Tensor, "*batch f"]  # those triangles
    inside: Float[
        Tensor, "*batch v"
    ]  # metres: how deep each vertex lies inside parts it is held apart from; 0: outside


@torch.no_grad()
def self_contact(vertices: Float[Tensor, "b v 3"], body: BodyModel) -> Contact:
    """Where each of b posed bodies passes through itself; vertices in metres, in any frame.

    Parts that meet in the mesh or touch at rest may pass through each other:
    `parts.Parts.held_apart`. What is not finite touches nothing.
    """
    return Contact.cat([_self_contact(some, body) for some in vertices.split(_BODIES)])


@torch.no_grad()
def contact_between(
    first: Float[Tensor, "b v 3"],
    second: Float[Tensor, "b w 3"],
    bodies: tuple[BodyModel, BodyModel],
) -> tuple[Contact, Contact]:
    """Where the first body of each of b pairs passes through the second, and the second through the
    first.

    Vertices in metres, both in one frame. All parts of one are held apart from all parts of the
    other.
    """
    both = zip(first.split(_BODIES), second.split(_BODIES), strict=True)
    ours, theirs = zip(*(_contact_between(a, b, bodies) for a, b in both), strict=True)
    return Contact.cat(ours), Contact.cat(theirs)


def _self_contact(vertices: Tensor, body: BodyModel) -> Contact:
    solid = solid_of(body)
    bodies = posed(solid, vertices)
    found = crossings(bodies, bodies, _groups(solid.held_apart, solid.encloses))
    skin = (solid.group[found.second] < solid.parts).nonzero()[:, 0]
    crossed = _marked(bodies, found.row, found.first)
    crossed[found.row[skin], found.second[skin]] = True
    found = found.at(skin)
    corners, others = (solid.triangles[:, side] for side in (found.first, found.second))
    shared = (corners[:, None] == others).flatten(0, 1).any(0)
    faces = (solid.face[found.first] >= 0) & (solid.face[found.second] >= 0)
    # parts held apart may still meet in a single vertex
    found = found.at((faces & ~shared).nonzero()[:, 0])
    cut = torch.cat([found.row, found.row]), torch.cat([found.first, found.second])
    return _contact(Askers(bodies, bodies, solid.held_apart, crossed), *cut)


def _groups(held_apart: Bool[Tensor, "j g"], encloses: Bool[Tensor, "j g"]) -> Int[Tensor, "n 2"]:
    """Each part with the groups of the closed parts that it is held apart from; two parts once."""
    joints = len(held_apart)
    met = held_apart[:, :joints].double() @ encloses.double() > 0
    met[:, :joints] = held_apart[:, :joints].triu()
    return met.nonzero()


def _contact_between(
    first: Tensor, second: Tensor, bodies: tuple[BodyModel, BodyModel]
) -> tuple[Contact, Contact]:
    ours, theirs = (
        posed(solid_of(body), vertices)
        for body, vertices in zip(bodies, (first, second), strict=True)
    )
    return _contact_with(ours, theirs), _contact_with(theirs, ours)


def _contact_with(bodies: Posed, others: Posed) -> Contact:
    """The contact of bodies with others, all parts held apart from all."""
    joints, groups = bodies.solid.parts, 2 * others.solid.parts
    held_apart = torch.ones(joints, groups, dtype=torch.bool, device=bodies.points.device)
    found = crossings(bodies, others, held_apart.nonzero())
    # caps count as met, since behind them is another part, but not as skin
    held_apart[:, groups // 2 :] = False
    skin = (bodies.solid.face[found.first] >= 0) & (others.solid.face[found.second] >= 0)
    askers = Askers(bodies, others, held_apart, _marked(bodies, found.row, found.first))
    return _contact(askers, found.row[skin], found.first[skin])


def _marked(bodies: Posed, row: Tensor, triangle: Tensor) -> Bool[Tensor, "b t"]:
    marked = torch.zeros(bodies.count, len(bodies.solid.face), dtype=torch.bool, device=row.device)
    marked[row, triangle] = True
    return marked


def _contact(askers: Askers, row: Int[Tensor, " n"], triangle: Int[Tensor, " n"]) -> Contact:
    """With the triangles of the bodies that cut skin."""
    bodies, dtype = askers.bodies, askers.bodies.points.dtype
    inside = depths(askers)
    cut = torch.zeros(
        bodies.count, int((bodies.solid.face >= 0).sum()), dtype=torch.bool, device=row.device
    )
    cut[row, bodies.solid.face[triangle]] = True
    return Contact(
        triangles=cut.sum(-1), depth=inside.amax(-1).to(dtype), cut=cut, inside=inside.to(dtype)
    )
