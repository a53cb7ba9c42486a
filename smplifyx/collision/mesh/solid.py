"""What the mesh check needs to know once per body: its surface in patches, its parts as closed
solids.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from ...body.model import BodyModel
from ..parts import parts_of
from .bounding_tree import tree_of
from .capped_parts import CappedSurface, capped
from .ragged import Ragged, ranges


class Level(IntEnum):
    """What is within what, from the whole down."""

    GROUP = 0
    PATCH = 1
    LEAF = 2
    TRIANGLE = 3


@dataclass(frozen=True, eq=False)
class Loops:
    """The a loops that caps and filled holes are fans of, as l places on them."""

    vertex: Int[Tensor, " l"]  # the vertices on loops ...
    loop: Int[Tensor, " l"]  # ... and the loops they are on
    size: Int[Tensor, " a"]  # how many vertices each loop has


@dataclass(frozen=True, eq=False)
class Pieces:
    """The c connected pieces of the parts: vertices joined by edges of faces of their own part.

    A vertex that no face of its own part has is a piece by itself. Vertices and links are sorted by
    piece; ranges are (start, stop) of consecutive numbers.
    """

    member: Int[Tensor, " v"]  # the vertices, piece by piece
    member_range: Int[Tensor, "c 2"]
    # each an edge of a face of the part of both ends, these as places in `member`
    link: Int[Tensor, "2 e"]
    link_triangle: Int[Tensor, " e"]  # the triangle that the edge is of
    link_range: Int[Tensor, "c 2"]
    of_triangle: Int[Tensor, " t"]  # the piece that it links; c where it links none


@dataclass(frozen=True, eq=False)
class Solid:
    """The triangles of a body of V vertices and J parts, sorted by group, patch and leaf.

    For groups see `capped_parts.CappedSurface`. Points are the V vertices and, behind them, the
    means of loops. Ranges are (start, stop) of consecutive numbers.
    """

    triangles: Int[Tensor, "3 t"]  # their points
    face: Int[Tensor, " t"]  # -1: of a cap or a filled hole
    group: Int[Tensor, " t"]
    # by level: the ranges of what is in each group, patch and leaf
    within: tuple[Int[Tensor, "_ 2"], ...]
    leaf_points: Ragged
    patch_leaves: Ragged
    group_patches: Ragged
    part_groups: Ragged  # of the closed surface of each part
    of_vertex: Int[Tensor, " v"]  # its part
    pieces: Pieces
    loops: Loops
    encloses: Bool[Tensor, "j g"]  # the groups of the closed surface of each part
    held_apart: Bool[Tensor, "j g"]  # parts, and the caps beyond which a part may go again
    meets: Bool[Tensor, "j g"]  # each part, the parts it meets, and the caps of all these

    @property
    def parts(self) -> int:
        """J."""
        return len(self.held_apart)


def solid_of(body: BodyModel) -> Solid:
    """The solids and patches of a body, on its device; the same object every time.

    Takes a tenth of a second the first time, and comes out the same for equal bodies.
    """
    return body.derived(_solid)


def _solid(body: BodyModel) -> Solid:
    # numpy throughout, and on the device in the end
    parts = parts_of(body)
    of_vertex = parts.of_vertex.cpu().numpy()
    parts_apart = parts.held_apart.cpu().numpy()
    surface = capped(
        faces=body.faces.cpu().numpy(),
        of_face=parts.of_face.cpu().numpy(),
        of_vertex=of_vertex,
        parents=body.parents,
    )

    rest = body.v_template.double().cpu().numpy()
    loop_means = [rest[loop].mean(0, keepdims=True) for loop in surface.loops]
    points = np.concatenate([rest, *loop_means])
    centres = points[surface.triangles].mean(1)
    tree = tree_of(surface.group, centres, groups=2 * len(parts_apart))
    triangles = surface.triangles[tree.order]
    group = surface.group[tree.order]
    face = surface.face[tree.order]

    own = np.eye(len(parts_apart), dtype=bool)
    children = _is_child(body.parents)
    meets = _meeting_parts(surface, len(own)) | children | children.T | own
    encloses = np.concatenate([own, own | children], 1)

    device = body.faces.device

    def on_device(array: NDArray) -> Tensor:
        return torch.as_tensor(array, device=device)

    points_of_leaves, leaf_range = _points_of_leaves(triangles, tree.triangles, len(points))
    part_of_group, enclosed_group = encloses.nonzero()
    return Solid(
        triangles=on_device(triangles.T.copy()),
        face=on_device(face),
        group=on_device(group),
        within=(on_device(tree.patches), on_device(tree.leaves), on_device(tree.triangles)),
        leaf_points=Ragged.of(points_of_leaves, leaf_range, device),
        patch_leaves=Ragged.of(np.arange(len(tree.triangles)), tree.leaves, device),
        group_patches=Ragged.of(np.arange(len(tree.leaves)), tree.patches, device),
        part_groups=Ragged.of(enclosed_group, ranges(part_of_group, len(own)), device),
        of_vertex=on_device(of_vertex),
        pieces=_pieces(triangles, group, face, of_vertex, device),
        loops=_loops(surface, device),
        encloses=on_device(encloses),
        # A cap of a part held apart is a way out only if what is behind it is not held apart too.
        held_apart=on_device(_with_caps(parts_apart, body.parents, np.logical_xor)),
        meets=on_device(_with_caps(meets, body.parents, np.logical_or)),
    )


def _is_child(parents: tuple[int, ...]) -> Bool[NDArray, "j j"]:
    """Whether the second joint hangs on the first directly."""
    children = np.zeros((len(parents), len(parents)), dtype=bool)
    for joint, parent in enumerate(parents):
        if parent >= 0:
            children[parent, joint] = True
    return children


def _meeting_parts(surface: CappedSurface, joints: int) -> Bool[NDArray, "j j"]:
    """Which parts have a vertex in common."""
    on_mesh = surface.face >= 0
    corners = surface.triangles[on_mesh]
    has_vertex = np.zeros((corners.max() + 1, joints), dtype=np.float32)
    has_vertex[corners.ravel(), np.repeat(surface.group[on_mesh], 3)] = 1.0
    return has_vertex.T @ has_vertex > 0


def _with_caps(
    parts: Bool[NDArray, "j j"], parents: tuple[int, ...], combine: np.ufunc
) -> Bool[NDArray, "j g"]:
    """A table of parts by parts, and behind it the one of parts by caps: what `combine` makes of
    the two parts that share the cap, its joint's and the one above. The root has no cap.
    """
    above = np.array(parents)
    caps = combine(parts, parts[:, above]) & (above >= 0)
    return np.concatenate([parts, caps], 1)


def _points_of_leaves(
    triangles: Int[NDArray, "t 3"], leaf_range: Int[NDArray, "l 2"], points: int
) -> tuple[Int[NDArray, " m"], Int[NDArray, "l 2"]]:
    """The points of each leaf, each once, one leaf after the other; and their ranges."""
    sizes = leaf_range[:, 1] - leaf_range[:, 0]
    leaf = np.repeat(np.arange(len(leaf_range)), 3 * sizes)
    # leaf and point as one number: sorted, and each once
    leaf, point = np.divmod(np.unique(leaf * points + triangles.ravel()), points)
    return point, ranges(leaf, len(leaf_range))


def _loops(surface: CappedSurface, device: torch.device) -> Loops:
    size = np.array([len(loop) for loop in surface.loops], dtype=np.int64)
    vertex = np.concatenate([*surface.loops, np.zeros(0, np.int64)])
    loop = np.repeat(np.arange(len(size)), size)
    return Loops(
        vertex=torch.as_tensor(vertex, device=device),
        loop=torch.as_tensor(loop, device=device),
        size=torch.as_tensor(size, device=device),
    )


def _pieces(
    triangles: Int[NDArray, "t 3"],
    group: Int[NDArray, " t"],
    face: Int[NDArray, " t"],
    of_vertex: Int[NDArray, " v"],
    device: torch.device,
) -> Pieces:
    on_mesh = np.flatnonzero(face >= 0)
    corners = triangles[on_mesh]
    edge = np.stack([corners, np.roll(corners, -1, 1)], 2).reshape(-1, 2)  # [3 faces, 2]
    edge_triangle = np.repeat(on_mesh, 3)
    of_own_part = (of_vertex[edge] == group[edge_triangle][:, None]).all(1)
    link = edge[of_own_part]
    link_triangle = edge_triangle[of_own_part]

    vertices = len(of_vertex)
    graph = coo_array((np.ones(len(link)), (link[:, 0], link[:, 1])), (vertices, vertices))
    count, piece = connected_components(graph)  # piece: of each vertex

    by_piece = np.argsort(piece[link[:, 0]], kind="stable")
    link = link[by_piece]
    link_triangle = link_triangle[by_piece]
    link_piece = piece[link[:, 0]]
    member = np.argsort(piece, kind="stable")
    place_of_vertex = np.argsort(member)

    of_triangle = np.full(len(triangles), count)
    of_triangle[link_triangle] = link_piece
    arrays = {
        "member": member,
        "member_range": ranges(piece[member], count),
        "link": place_of_vertex[link.T],
        "link_triangle": link_triangle,
        "link_range": ranges(link_piece, count),
        "of_triangle": of_triangle,
    }
    return Pieces(**{name: torch.as_tensor(array, device=device) for name, array in arrays.items()})
