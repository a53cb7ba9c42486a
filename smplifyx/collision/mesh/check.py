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
from .inside import InsideQuery
from .posed import PosedSolid, posed
from .solid import Solid, solid_of

_BODIES = 32  # looked at together: more do not stay in the cache


@dataclass(frozen=True)
class MeshPenetration(Bundle):
    """Where bodies pass through themselves or through others: f faces, v vertices."""

    triangles: Int[Tensor, "*batch"]  # how many cut a triangle of a part they are held apart from
    depth: Float[Tensor, "*batch"]  # metres, of the deepest vertex
    cut: Bool[Tensor, "*batch f"]  # those triangles
    # metres: how deep each vertex lies inside parts it is held apart from; 0: outside
    inside: Float[Tensor, "*batch v"]


@torch.no_grad()
def self_penetration(vertices: Float[Tensor, "b v 3"], body: BodyModel) -> MeshPenetration:
    """Where each of b posed bodies passes through itself; vertices in metres, in any frame.

    Parts that meet in the mesh or touch at rest may pass through each other:
    `parts.Parts.held_apart`. What is not finite touches nothing.
    """
    solid = solid_of(body)
    return MeshPenetration.cat(
        [_self_penetration(posed(solid, some)) for some in vertices.split(_BODIES)]
    )


@torch.no_grad()
def penetration_between(
    first: Float[Tensor, "b v 3"],
    second: Float[Tensor, "b w 3"],
    bodies: tuple[BodyModel, BodyModel],
) -> tuple[MeshPenetration, MeshPenetration]:
    """Where the first body of each of b pairs passes through the second, and the second through the
    first.

    Vertices in metres, both in one frame. All parts of one are held apart from all parts of the
    other.
    """
    first_solid, second_solid = solid_of(bodies[0]), solid_of(bodies[1])
    of_first: list[MeshPenetration] = []
    of_second: list[MeshPenetration] = []
    chunks = zip(first.split(_BODIES), second.split(_BODIES), strict=True)
    for first_vertices, second_vertices in chunks:
        first_posed = posed(first_solid, first_vertices)
        second_posed = posed(second_solid, second_vertices)
        of_first.append(_penetration_into(first_posed, second_posed))
        of_second.append(_penetration_into(second_posed, first_posed))
    return MeshPenetration.cat(of_first), MeshPenetration.cat(of_second)


def _self_penetration(bodies: PosedSolid) -> MeshPenetration:
    solid = bodies.solid
    found = crossings(bodies, bodies, _group_pairs(solid))

    # The first triangle is of a part, the second of a part or of a cap. What meets a closed part
    # held apart from it bounds its regions of inside and outside; of two parts both do.
    second_is_part = (solid.group[found.second] < solid.parts).nonzero()[:, 0]
    crossed = _marked(bodies, found.row, found.first)
    crossed[found.row[second_is_part], found.second[second_is_part]] = True

    # Only faces of the mesh cut: no caps, no filled holes. And parts held apart may still meet in a
    # single vertex.
    found = found[second_is_part]
    corners = solid.triangles[:, found.first]  # [3, n]
    other_corners = solid.triangles[:, found.second]
    share_vertex = (corners[:, None] == other_corners).flatten(0, 1).any(0)
    are_faces = (solid.face[found.first] >= 0) & (solid.face[found.second] >= 0)
    found = found[(are_faces & ~share_vertex).nonzero()[:, 0]]

    return _measured(
        InsideQuery(bodies, bodies, held_apart=solid.held_apart, crossed=crossed),
        row=torch.cat([found.row, found.row]),
        triangle=torch.cat([found.first, found.second]),
    )


def _group_pairs(solid: Solid) -> Int[Tensor, "n 2"]:
    """Each part with the groups of the closed parts that it is held apart from; two parts once."""
    parts_apart = solid.held_apart[:, : solid.parts]  # [j, j]
    met = parts_apart.double() @ solid.encloses.double() > 0  # [j, g]
    met[:, : solid.parts] = parts_apart.triu()
    return met.nonzero()


def _penetration_into(bodies: PosedSolid, others: PosedSolid) -> MeshPenetration:
    """Where bodies pass through others, all parts held apart from all."""
    joints = bodies.solid.parts
    other_joints = others.solid.parts
    held_apart = torch.ones(joints, 2 * other_joints, dtype=torch.bool, device=bodies.points.device)
    found = crossings(bodies, others, held_apart.nonzero())
    # caps count as met, since behind them is another part, but not as skin
    held_apart[:, other_joints:] = False
    are_faces = (bodies.solid.face[found.first] >= 0) & (others.solid.face[found.second] >= 0)
    crossed = _marked(bodies, found.row, found.first)
    return _measured(
        InsideQuery(bodies, others, held_apart=held_apart, crossed=crossed),
        row=found.row[are_faces],
        triangle=found.first[are_faces],
    )


def _marked(
    bodies: PosedSolid, row: Int[Tensor, " n"], triangle: Int[Tensor, " n"]
) -> Bool[Tensor, "b t"]:
    marked = torch.zeros(bodies.count, len(bodies.solid.face), dtype=torch.bool, device=row.device)
    marked[row, triangle] = True
    return marked


def _measured(
    query: InsideQuery, row: Int[Tensor, " n"], triangle: Int[Tensor, " n"]
) -> MeshPenetration:
    """The answer, with the triangles `triangle` of the bodies `row` that cut faces."""
    bodies = query.bodies
    dtype = bodies.points.dtype
    faces = int((bodies.solid.face >= 0).sum())
    cut = torch.zeros(bodies.count, faces, dtype=torch.bool, device=row.device)
    cut[row, bodies.solid.face[triangle]] = True  # numbered as in the body's file
    inside = depths(query)
    return MeshPenetration(
        triangles=cut.sum(-1),
        depth=inside.amax(-1).to(dtype),
        cut=cut,
        inside=inside.to(dtype),
    )
