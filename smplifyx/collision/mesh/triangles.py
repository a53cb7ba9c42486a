"""Triangle against triangle, point against triangle, ray against triangle; vectorised over lists of
pairs.

Two triangles that do not lie in one plane meet where an edge of one meets the other. Which side of
a plane or of a line a point lies on is the sign of a determinant; a determinant within its rounding
error counts as zero, and zero as touching, so that nothing that meets is missed. The error bounds
are those of Shewchuk 1997, "Adaptive precision floating-point arithmetic and fast robust geometric
predicates".

Triangles have coordinates in the first axis, corners in the second, and come side by side in the
last.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_HALF_ULP = 2.0**-53
_SPACE_ERROR = (7 + 56 * _HALF_ULP) * _HALF_ULP
_PLANE_ERROR = (3 + 16 * _HALF_ULP) * _HALF_ULP
_NEXT, _LAST = [1, 2, 0], [2, 0, 1]
_SHADOWS = [[1, 2], [2, 0], [0, 1]]  # the coordinates left by looking along x, y, z


def intersect(first: Float[Tensor, "3 3 n"], second: Float[Tensor, "3 3 n"]) -> Bool[Tensor, " n"]:
    """Whether the triangles of each pair (float64) have a point in common; touching counts.

    Lying in one plane, sharing corners and having no area are allowed. Answers within the rounding
    of float64 may err towards touching.
    """
    meets = torch.zeros(first.shape[-1], dtype=torch.bool, device=first.device)
    below = _sides(second, first)  # of each corner of the first, and the plane of the second
    near = _straddles(below).nonzero()[:, 0]
    first, second, below = (t.index_select(-1, near) for t in (first, second, below))
    above = _sides(first, second)
    both = _straddles(above).nonzero()[:, 0]
    meets[near[both]] = _meet(*(t.index_select(-1, both) for t in (first, second, below, above)))
    return meets


def distance(point: Float[Tensor, "3 n"], triangle: Float[Tensor, "3 3 n"]) -> Float[Tensor, " n"]:
    """How far each point is from its triangle; triangles without area are segments or points."""
    corner = triangle - point[:, None]
    edge = corner[:, _NEXT] - corner
    along = -_dot(corner, edge) / _dot(edge, edge).clamp_min(torch.finfo(edge.dtype).tiny)
    offset = corner + along.clamp(0, 1) * edge
    to_edges = _dot(offset, offset).amin(0).sqrt()
    normal = _cross(edge[:, 0], edge[:, 1])
    over = _all(_dot(_cross(corner, edge), normal[:, None]) > 0)
    height = _dot(corner[:, 0], normal).abs() / _dot(normal, normal).sqrt()
    return torch.where(over, height, to_edges)


def exits(corner: Float[Tensor, "3 3 n"]) -> Int[Tensor, " n"]:
    """How often the ray from the origin along x comes out of each triangle's face: 1, 0, or -1
    where it goes in.

    Added up over a closed surface, anticlockwise from outside: how often it goes round the origin.
    A ray through an edge or a corner counts once: as if the origin lay a little towards y and z.
    """
    x, y, z = corner
    # to the last bit the opposite where a neighbour has the edge the other way
    turn = y * z[_NEXT] - z * y[_NEXT]
    rises, falls = (z <= 0) & (z[_NEXT] > 0) & (turn > 0), (z > 0) & (z[_NEXT] <= 0) & (turn < 0)
    around = (rises.to(torch.int8) - falls.to(torch.int8)).sum(0)
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


def _straddles(sides: Tensor) -> Bool[Tensor, " n"]:
    return (sides[0] + sides[1] + sides[2]).abs() < 3


def _meet(first: Tensor, second: Tensor, below: Tensor, above: Tensor) -> Bool[Tensor, " n"]:
    """`intersect` for pairs of which neither lies clear of the other's plane; `below` tells the
    sides of `first`.
    """
    p, q = first[:, :, None], second[:, None]
    turns = _orientation(p, p[:, _NEXT], q, q[:, :, _NEXT])  # [edge of first, edge of second, n]
    cuts = _any(_pierces(below) & _one_way(turns.transpose(0, 1))) | _any(
        _pierces(above) & _one_way(turns)
    )
    flat = (_all(below == 0) & _has_area(second)) | (_all(above == 0) & _has_area(first))
    flat = flat | (_all(_all(turns == 0)) & _all(below == 0) & _all(above == 0))
    flat = flat.nonzero()[:, 0]
    cuts[flat] = _shadows_overlap(first[..., flat], second[..., flat])
    return cuts


def _pierces(sides: Tensor) -> Bool[Tensor, "3 n"]:
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
    # [shadow, 2, corner, n]
    p, q = (torch.stack([t[shadow] for shadow in _SHADOWS]) for t in (first, second))
    # parts pieces of one line
    beside = _any((first.amin(1) > second.amax(1)) | (second.amin(1) > first.amax(1)))
    return ~(beside | _any(_parted(p, q) | _parted(q, p)))


def _parted(p: Tensor, q: Tensor) -> Bool[Tensor, "3 n"]:
    """Whether an edge of p has p on one side and q strictly on the other."""
    start, end = p[:, :, :, None], p[:, :, _NEXT, None]
    theirs = _turn(start, end, q[:, :, None])  # [shadow, edge of p, corner of q, n]
    own = _turn(p, p[:, :, _NEXT], p[:, :, _LAST])[:, :, None]
    return ((theirs != 0).all(2) & (own * theirs <= 0).all(2) & (theirs.sum(2).abs() == 3)).any(1)


def _turn(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The sign of the turn a, b, c in the plane, coordinates in the second axis."""
    (ax, ay), (bx, by) = (a - c).unbind(1), (b - c).unbind(1)
    left, right = ax * by, ay * bx
    return _sign(left - right, _PLANE_ERROR * (left.abs() + right.abs()))


def _orientation(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """The sign of det(a - d, b - d, c - d); shapes broadcast."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = a - d, b - d, c - d
    products = [(az, bx * cy, cx * by), (bz, cx * ay, ax * cy), (cz, ax * by, bx * ay)]
    value = sum(z * (left - right) for z, left, right in products)
    size = sum(z.abs() * (left.abs() + right.abs()) for z, left, right in products)
    return _sign(value, _SPACE_ERROR * size)


def _sign(value: Tensor, error: Tensor) -> Tensor:
    return (value > error).to(torch.int8) - (value < -error).to(torch.int8)
