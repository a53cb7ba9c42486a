"""What the mesh check needs to know once per body: its surface in patches, its parts as closed solids."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from ..body.model import BodyModel
from .caps import Surface, capped, closed_part
from .parts import parts_of
from .patches import padded_points, patches_of, ranges

PATCH = 64  # triangles of a patch at most


@dataclass(frozen=True, eq=False)
class Solid:
    """The triangles of a body of V vertices and J parts, sorted by group and patch; see `caps.Surface` for groups.

    Points are the V vertices and, behind them, the means of loops. Ranges are (start, stop) of consecutive numbers.
    """

    triangles: Int[Tensor, "t 3"]
    triangle_of_face: Int[Tensor, " f"]
    is_face: Bool[Tensor, " t"]  # else of a cap or a filled hole
    patch: Int[Tensor, " t"]
    patch_range: Int[Tensor, "p 2"]  # its triangles
    patch_group: Int[Tensor, " p"]
    patch_points: Int[Tensor, "k p"]  # its points, some more than once
    group_range: Int[Tensor, "g 2"]  # its patches; g = 2 J
    of_vertex: Int[Tensor, " v"]
    link: Int[Tensor, "e 2"]  # vertices of one part joined by an edge of a face of that part, piece by piece
    link_triangle: Int[Tensor, " e"]
    link_range: Int[Tensor, "c 2"]  # the links of each connected piece of a part
    member: Int[Tensor, " v"]  # the vertices, piece by piece
    member_range: Int[Tensor, "c 2"]
    piece_of_triangle: Int[Tensor, " t"]  # the piece that it links; c where it links none
    closed: tuple[Int[Tensor, "_ 3"], ...]  # the closed surface of each part
    encloses: Bool[Tensor, "j g"]  # the groups of that surface
    held_apart: Bool[Tensor, "j g"]  # parts, and the caps beyond which a part may go again
    meets: Bool[Tensor, "j g"]  # each part, the parts it meets, and the caps of all these
    loop_vertex: Int[Tensor, " l"]  # the vertices on loops ...
    loop: Int[Tensor, " l"]  # ... and the loops they are on
    loop_size: Int[Tensor, " a"]

    def points(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b n 3"]:
        """The vertices and the means of the loops."""
        means = vertices.new_zeros(len(vertices), len(self.loop_size), 3)
        means.index_add_(1, self.loop, vertices[:, self.loop_vertex])
        return torch.cat([vertices, means / self.loop_size[:, None]], 1)


@lru_cache(maxsize=16)
def solid_of(body: BodyModel) -> Solid:
    """The solids and patches of a body, on its device; takes about a second, and is the same every time."""
    parts = parts_of(body)
    of_vertex, held = parts.of_vertex.cpu().numpy(), parts.held_apart.cpu().numpy()
    surface = capped(body.faces.cpu().numpy(), parts.of_face.cpu().numpy(), of_vertex, body.parents)
    rest = body.v_template.double().cpu().numpy()
    points = np.concatenate([rest, *(rest[loop].mean(0, keepdims=True) for loop in surface.loops)])
    patch = patches_of(surface.triangles, surface.group, points, PATCH)
    closed = [closed_part(surface, part, body.parents) for part in range(len(held))]
    arrays = _sorted(surface, patch, len(held)) | _tables(surface, held, body.parents)
    arrays |= _pieces(arrays, of_vertex)
    arrays |= {
        "of_vertex": of_vertex,
        "loop_vertex": np.concatenate([*surface.loops, np.zeros(0, np.int64)]),
        "loop": np.repeat(np.arange(len(surface.loops)), [len(loop) for loop in surface.loops]),
        "loop_size": np.array([len(loop) for loop in surface.loops], dtype=np.int64),
    }
    moved = {name: torch.as_tensor(array, device=body.faces.device) for name, array in arrays.items()}
    return Solid(closed=tuple(torch.as_tensor(part, device=body.faces.device) for part in closed), **moved)


def _sorted(surface: Surface, patch: Int[NDArray, " t"], joints: int) -> dict[str, NDArray]:
    """The triangles in the order of their patches, and the ranges of patches and groups."""
    order = np.argsort(patch, kind="stable")
    triangles, patch = surface.triangles[order], patch[order]
    patch_range = ranges(patch, int(patch[-1]) + 1)
    patch_group = surface.group[order][patch_range[:, 0]]
    return {
        "triangles": triangles,
        "is_face": surface.face[order] >= 0,
        "triangle_of_face": np.argsort(order)[: (surface.face >= 0).sum()],
        "patch": patch,
        "patch_range": patch_range,
        "patch_group": patch_group,
        "patch_points": padded_points(triangles, patch_range),
        "group_range": ranges(patch_group, 2 * joints),
    }


def _tables(surface: Surface, held: Bool[NDArray, "j j"], parents: tuple[int, ...]) -> dict[str, NDArray]:
    """Which groups enclose each part, which it is held apart from, and which are at it or beside it."""
    own, above = np.eye(len(held), dtype=bool), np.array(parents)
    children = (above[None] == np.arange(len(held))[:, None]) & (above >= 0)[None]
    corners = surface.triangles[surface.face >= 0]
    beside = np.zeros((corners.max() + 1, len(held)), dtype=np.int64)
    np.add.at(beside, (corners.ravel(), np.repeat(surface.group[surface.face >= 0], 3)), 1)
    beside = (beside.T @ beside > 0) | children | children.T | own
    has_cap = above >= 0
    return {
        "encloses": np.concatenate([own, own | children], 1),
        "held_apart": np.concatenate([held, (held ^ held[:, above]) & has_cap], 1),
        "meets": np.concatenate([beside, (beside | beside[:, above]) & has_cap], 1),
    }


def _pieces(arrays: dict[str, NDArray], of_vertex: Int[NDArray, " v"]) -> dict[str, NDArray]:
    """The connected pieces of the parts. A vertex that no face of its own part has is a piece by itself."""
    triangles, faces = arrays["triangles"], arrays["triangle_of_face"]
    part, triangle = arrays["patch_group"][arrays["patch"]], np.repeat(faces, 3)
    link = np.stack([triangles[faces], np.roll(triangles[faces], -1, 1)], 2).reshape(-1, 2)
    own = (of_vertex[link] == part[triangle][:, None]).all(1)
    link, triangle = link[own], triangle[own]
    graph = coo_array((np.ones(len(link)), (link[:, 0], link[:, 1])), (len(of_vertex),) * 2)
    count, piece = connected_components(graph)
    order, member = np.argsort(piece[link[:, 0]], kind="stable"), np.argsort(piece, kind="stable")
    link, triangle = link[order], triangle[order]
    piece_of_triangle = np.full(len(triangles), count)
    piece_of_triangle[triangle] = piece[link[:, 0]]
    return {
        "link": link,
        "link_triangle": triangle,
        "link_range": ranges(piece[link[:, 0]], count),
        "member": member,
        "member_range": ranges(piece[member], count),
        "piece_of_triangle": piece_of_triangle,
    }
