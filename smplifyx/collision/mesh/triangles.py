"""Triangle against triangle, point against triangle, ray against triangle; vectorised over lists of
pairs.

Two triangles that do not lie in one plane meet where an edge of one meets the other. Which side of
a plane or of a line a point lies on is the sign of a determinant; a determinant within its rounding
error counts as zero, and zero as touching, so that nothing that meets is missed. The error bounds
are those of Shewchuk 1997, "Adaptive precision floating-point arithmetic and fast robust geometric
predicates".

Triangles have coordinates in the first axis, corners in the second, and come side by side in the
last. Edge i goes from corner i to the next.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_HALF_ULP = 2.0**-53
_SPACE_ERROR = (7 + 56 * _HALF_ULP) * _HALF_ULP
_PLANE_ERROR = (3 + 16 * _HALF_ULP) * _HALF_ULP
_NEXT, _LAST = [1, 2, 0], [2, 0, 1]  # the corner after each, the one after that
_SHADOWS = [[1, 2], [2, 0], [0, 1]]  # the coordinates left by looking along x, y, z


def intersect(first: Float[Tensor, "3 3 n"], second: Float[Tensor, "3 3 n"]) -> Bool[Tensor, " n"]:
    """Whether the triangles of each pair (float64) have a point in common; touching counts.

    Lying in one plane, sharing corners and having no area are allowed. Answers within the rounding
    of float64 may err towards touching.
    """
    meets = torch.zeros(first.shape[-1], dtype=torch.bool, device=first.device)

    # Most pairs are done with by the first of these two: the second is asked of the rest only.
    first_sides = _sides(second, first)  # of the first's corners, at the plane of the second
    reaches_second = _reaches_plane(first_sides).nonzero()[:, 0]
    first = first.index_select(-1, reaches_second)
    second = second.index_select(-1, reaches_second)
    first_sides = first_sides.index_select(-1, reaches_second)

    second_sides = _sides(first, second)
    reaches_first = _reaches_plane(second_sides).nonzero()[:, 0]
    meets[reaches_second[reaches_first]] = _meet(
        first=first.index_select(-1, reaches_first),
        second=second.index_select(-1, reaches_first),
        first_sides=first_sides.index_select(-1, reaches_first),
        second_sides=second_sides.index_select(-1, reaches_first),
    )
    return meets


def distance(point: Float[Tensor, "3 n"], triangle: Float[Tensor, "3 3 n"]) -> Float[Tensor, " n"]:
    """How far each point is from its triangle; triangles without area are segments or points."""
    corner = triangle - point[:, None]  # seen from the point
    edge = corner[:, _NEXT] - corner  # [3, edge, n]

    # the nearest place on each edge, as a share of its length; an edge may have none
    edge_square = _dot(edge, edge).clamp_min(torch.finfo(edge.dtype).tiny)
    along = -_dot(corner, edge) / edge_square
    nearest_on_edge = corner + along.clamp(0, 1) * edge
    edge_distance = _dot(nearest_on_edge, nearest_on_edge).amin(0).sqrt()

    # Over the face where the foot of the perpendicular lies inside of all edges. Without area the
    # normal is zero and the point over nothing: the height, NaN then, is not taken.
    normal = _cross(edge[:, 0], edge[:, 1])
    over_face = _all(_dot(_cross(corner, edge), normal[:, None]) > 0)
    height = _dot(corner[:, 0], normal).abs() / _dot(normal, normal).sqrt()
    return torch.where(over_face, height, edge_distance)


def exits(corner: Float[Tensor, "3 3 n"]) -> Int[Tensor, " n"]:
    """How often the ray from the origin along x comes out of each triangle's face: 1, 0, or -1
    where it goes in.

    Added up over a closed surface, anticlockwise from outside: how often it goes round the origin.
    A ray through an edge or a corner counts once: as if the origin lay a little towards y and z.
    """
    x, y, z = corner  # [corner, n] each
    next_y, next_z = y[_NEXT], z[_NEXT]
    # Seen along x: which way each edge turns about the origin. To the last bit the opposite where a
    # neighbour has the edge the other way, so that no ray slips between two triangles.
    turn = y * next_z - z * next_y
    rises = (z <= 0) & (next_z > 0) & (turn > 0)
    falls = (z > 0) & (next_z <= 0) & (turn < 0)
    around = (rises.to(torch.int8) - falls.to(torch.int8)).sum(0)
    # the turn of the edge opposite to each corner is its share of the point where the ray passes
    ahead = (x * turn[_NEXT]).sum(0) * around > 0
    return torch.where(ahead, around, 0)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return torch.stack([a[i] * b[j] - a[j] * b[i] for i, j in _SHADOWS])


def _all(three: Bool[Tensor, "3 ..."]) -> Tensor:
    """Many times quicker than `all`."""
    return three[0] & three[1] & three[2]


def _any(three: Bool[Tensor, "3 ..."]) -> Tensor:
    return three[0] | three[1] | three[2]


def _sides(triangle: Tensor, points: Tensor) -> Int[Tensor, "3 n"]:
    """On which side of the plane of `triangle` each of three points lies: -1, 0, 1."""
    a, b, c = triangle[:, :, None].unbind(1)
    return _orientation(a, b, c, points)


def _reaches_plane(sides: Tensor) -> Bool[Tensor, " n"]:
    """Whether the corners do not all lie strictly on one side."""
    return (sides[0] + sides[1] + sides[2]).abs() < 3


def _meet(
    first: Tensor, second: Tensor, first_sides: Tensor, second_sides: Tensor
) -> Bool[Tensor, " n"]:
    """`intersect` for pairs of which neither lies clear of the other's plane.

    `first_sides`: of the corners of the first at the plane of the second; `second_sides` likewise.
    """
    # The turn of each edge of the first about each edge of the second: on which side of the one
    # line the other passes. [edge of first, edge of second, n]
    start = first[:, :, None]
    end = start[:, _NEXT]
    other_start = second[:, None]
    other_end = other_start[:, :, _NEXT]
    turns = _orientation(start, end, other_start, other_end)

    first_edge_cuts = _crosses_plane(first_sides) & _one_way(turns.transpose(0, 1))
    second_edge_cuts = _crosses_plane(second_sides) & _one_way(turns)
    meets = _any(first_edge_cuts) | _any(second_edge_cuts)

    # In one plane, no edge crosses the other's plane, and shadows decide. Of two without area (then
    # neither has a plane, and all turns may be zero) they decide too.
    first_in_plane = _all(first_sides == 0)
    second_in_plane = _all(second_sides == 0)
    nothing_turns = _all(_all(turns == 0)) & first_in_plane & second_in_plane
    flat = (first_in_plane & _has_area(second)) | (second_in_plane & _has_area(first))
    flat = (flat | nothing_turns).nonzero()[:, 0]
    meets[flat] = _shadows_overlap(first[..., flat], second[..., flat])
    return meets


def _crosses_plane(sides: Tensor) -> Bool[Tensor, "3 n"]:
    """Which edges reach the plane without lying in it."""
    other = sides[_NEXT]
    return (sides * other <= 0) & (sides != other)


def _one_way(turns: Tensor) -> Bool[Tensor, "3 n"]:
    """Whether a line passes the three edges of a triangle all on the same side: it goes through the
    triangle.
    """
    return _all(turns >= 0) | _all(turns <= 0)


def _has_area(triangle: Tensor) -> Bool[Tensor, " n"]:
    edge = triangle[:, 1:] - triangle[:, :1]
    area = _cross(edge[:, 0], edge[:, 1]).abs().amax(0)
    return area > 8 * _HALF_ULP * edge.abs().amax((0, 1)) ** 2


def _shadows_overlap(first: Tensor, second: Tensor) -> Bool[Tensor, " n"]:
    """Whether two triangles of one plane overlap: they do if their shadows along x, y and z do."""
    p = torch.stack([first[shadow] for shadow in _SHADOWS])  # [shadow, 2, corner, n]
    q = torch.stack([second[shadow] for shadow in _SHADOWS])
    # Boxes part what edges cannot: pieces of one line. [shadow, 2, n]
    apart = _any((first.amin(1) > second.amax(1)) | (second.amin(1) > first.amax(1)))
    return ~(apart | _any(_parted(p, q) | _parted(q, p)))


def _parted(p: Tensor, q: Tensor) -> Bool[Tensor, "3 n"]:
    """Whether, in each shadow, an edge of p has p on one side and q strictly on the other."""
    start = p[:, :, :, None]
    end = p[:, :, _NEXT, None]
    q_sides = _turn(start, end, q[:, :, None])  # [shadow, edge of p, corner of q, n]
    p_side = _turn(p, p[:, :, _NEXT], p[:, :, _LAST])[:, :, None]  # of the corner off the edge
    q_on_one_side = (q_sides != 0).all(2) & (q_sides.sum(2).abs() == 3)
    p_not_there = (p_side * q_sides <= 0).all(2)
    return (q_on_one_side & p_not_there).any(1)


def _turn(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The sign of the turn a, b, c in the plane, coordinates in the second axis."""
    ax, ay = (a - c).unbind(1)
    bx, by = (b - c).unbind(1)
    left = ax * by
    right = ay * bx
    return _sign(left - right, _PLANE_ERROR * (left.abs() + right.abs()))


def _orientation(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """The sign of det(a - d, b - d, c - d); coordinates in the first axis, shapes broadcast."""
    ax, ay, az = a - d
    bx, by, bz = b - d
    cx, cy, cz = c - d
    # the determinant along its z column, each minor as the difference of two products
    bc, cb = bx * cy, cx * by
    ca, ac = cx * ay, ax * cy
    ab, ba = ax * by, bx * ay
    value = az * (bc - cb) + bz * (ca - ac) + cz * (ab - ba)
    size = (
        az.abs() * (bc.abs() + cb.abs())
        + bz.abs() * (ca.abs() + ac.abs())
        + cz.abs() * (ab.abs() + ba.abs())
    )
    return _sign(value, _SPACE_ERROR * size)


def _sign(value: Tensor, error: Tensor) -> Tensor:
    """-1, 0 or 1 (int8); 0 within the rounding error, and for NaN."""
    return (value > error).to(torch.int8) - (value < -error).to(torch.int8)
