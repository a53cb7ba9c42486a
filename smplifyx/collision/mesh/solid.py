"""What the mesh check needs to know once per body: its surface in patches, its parts as closed
solids.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from ...body.model import BodyModel
from ..parts import parts_of
from .bounding_tree import ranges, tree_of
from .capped_parts import Surface, capped
from .ragged import Ragged


class Level(IntEnum):
    """What is within what, from the whole down."""

    GROUP = 0
    PATCH = 1
    LEAF = 2
    TRIANGLE = 3


@dataclass(frozen=True, eq=False)
class Solid:
    """The triangles of a body of V vertices and J parts, sorted by group, patch and leaf.

    For groups see `caps.Surface`. Points are the V vertices and, behind them, the means of loops.
    Ranges are (start, stop) of consecutive numbers.
    """

    triangles: Int[Tensor, "3 t"]
    face: Int[Tensor, " t"]  # -1: of a cap or a filled hole
    group: Int[Tensor, " t"]
    # by level: the ranges of what is in each group, patch and leaf
    within: tuple[Int[Tensor, "_ 2"], ...]
    leaf_points: Ragged
    patch_leaves: Ragged
    group_patches: Ragged
    part_groups: Ragged  # of the closed surface of each part
    of_vertex: Int[Tensor, " v"]
    # places in `member`, joined by an edge of a face of the part of both, piece by piece
    link: Int[Tensor, "2 e"]
    link_triangle: Int[Tensor, " e"]
    link_range: Int[Tensor, "c 2"]  # the links of each connected piece of a part
    member: Int[Tensor, " v"]  # the vertices, piece by piece
    member_range: Int[Tensor, "c 2"]
    piece_of_triangle: Int[Tensor, " t"]  # the piece that it links; c where it links none
    encloses: Bool[Tensor, "j g"]  # the groups of the closed surface of each part
    held_apart: Bool[Tensor, "j g"]  # parts, and the caps beyond which a part may go again
    meets: Bool[Tensor, "j g"]  # each part, the parts it meets, and the caps of all these
    loop_vertex: Int[Tensor, " l"]  # the vertices on loops ...
    loop: Int[Tensor, " l"]  # ... and the loops they are on
    loop_size: Int[Tensor, " a"]

    @property
    def parts(self) -> int:
        """J."""
        return len(self.held_apart)


@lru_cache(maxsize=16)
def solid_of(body: BodyModel) -> Solid:
    """The solids and patches of a body, on its device; takes a tenth of a second, and is the same
    every time.
    """
    parts, device = parts_of(body), body.faces.device
    of_vertex, held = parts.of_vertex.cpu().numpy(), parts.held_apart.cpu().numpy()
    surface = capped(body.faces.cpu().numpy(), parts.of_face.cpu().numpy(), of_vertex, body.parents)
    rest = body.v_template.double().cpu().numpy()
    points = np.concatenate([rest, *(rest[loop].mean(0, keepdims=True) for loop in surface.loops)])
    tree = tree_of(surface.group, points[surface.triangles].mean(1), 2 * len(held))
    triangles, group, face = (
        values[tree.order] for values in (surface.triangles, surface.group, surface.face)
    )
    arrays = {"triangles": triangles.T.copy(), "group": group, "face": face, "of_vertex": of_vertex}
    arrays |= (
        _tables(surface, held, body.parents)
        | _pieces(triangles, group, face, of_vertex)
        | _loops(surface)
    )
    return Solid(
        within=tuple(
            torch.as_tensor(span, device=device)
            for span in (tree.patches, tree.leaves, tree.triangles)
        ),
        leaf_points=Ragged.of(*_points_of(triangles, tree.triangles, len(points)), device),
        patch_leaves=Ragged.of(np.arange(len(tree.triangles)), tree.leaves, device),
        group_patches=Ragged.of(np.arange(len(tree.leaves)), tree.patches, device),
        part_groups=Ragged.of(*_members(arrays["encloses"]), device),
        **{name: torch.as_tensor(array, device=device) for name, array in arrays.items()},
    )


def _loops(surface: Surface) -> dict[str, NDArray]:
    size = np.array([len(loop) for loop in surface.loops], dtype=np.int64)
    vertex = np.concatenate([*surface.loops, np.zeros(0, np.int64)])
    return {"loop_vertex": vertex, "loop": np.repeat(np.arange(len(size)), size), "loop_size": size}


def _members(table: Bool[NDArray, "n g"]) -> tuple[Int[NDArray, " m"], Int[NDArray, "n 2"]]:
    """What is true in each row, one after the other, and the ranges of the rows."""
    row, column = table.nonzero()
    return column, ranges(row, len(table))


def _points_of(
    triangles: Int[NDArray, "t 3"], span: Int[NDArray, "l 2"], points: int
) -> tuple[Int[NDArray, " m"], Int[NDArray, "l 2"]]:
    """The points of each leaf, one after the other, and their ranges."""
    leaf = np.repeat(np.arange(len(span)), 3 * (span[:, 1] - span[:, 0]))
    leaf, point = np.divmod(np.unique(leaf * points + triangles.ravel()), points)
    return point, ranges(leaf, len(span))


def _tables(
    surface: Surface, held: Bool[NDArray, "j j"], parents: tuple[int, ...]
) -> dict[str, NDArray]:
    """Which groups enclose each part, which it is held apart from, and which are at it or beside
    it.
    """
    own, above = np.eye(len(held), dtype=bool), np.array(parents)
    children = (above[None] == np.arange(len(held))[:, None]) & (above >= 0)[None]
    corners = surface.triangles[surface.face >= 0]
    at = np.zeros((corners.max() + 1, len(held)), dtype=np.float32)
    at[corners.ravel(), np.repeat(surface.group[surface.face >= 0], 3)] = 1.0
    beside = (at.T @ at > 0) | children | children.T | own
    has_cap = above >= 0
    return {
        "encloses": np.concatenate([own, own | children], 1),
        "held_apart": np.concatenate([held, (held ^ held[:, above]) & has_cap], 1),
        "meets": np.concatenate([beside, (beside | beside[:, above]) & has_cap], 1),
    }


def _pieces(
    triangles: Int[NDArray, "t 3"],
    group: Int[NDArray, " t"],
    face: Int[NDArray, " t"],
    of_vertex: Int[NDArray, " v"],
) -> dict[str, NDArray]:
    """The connected pieces of the parts.

    A vertex that no face of its own part has is a piece by itself.
    """
    triangle = np.repeat(np.flatnonzero(face >= 0), 3)
    link = np.stack([triangles[face >= 0], np.roll(triangles[face >= 0], -1, 1)], 2).reshape(-1, 2)
    own = (of_vertex[link] == group[triangle][:, None]).all(1)
    link, triangle = link[own], triangle[own]
    graph = coo_array((np.ones(len(link)), (link[:, 0], link[:, 1])), (len(of_vertex),) * 2)
    count, piece = connected_components(graph)
    order, member = np.argsort(piece[link[:, 0]], kind="stable"), np.argsort(piece, kind="stable")
    link, triangle = link[order], triangle[order]
    piece_of_triangle = np.full(len(triangles), count)
    piece_of_triangle[triangle] = piece[link[:, 0]]
    return {
        "link": np.argsort(member)[link.T],
        "link_triangle": triangle,
        "link_range": ranges(piece[link[:, 0]], count),
        "member": member,
        "member_range": ranges(piece[member], count),
        "piece_of_triangle": piece_of_triangle,
    }
