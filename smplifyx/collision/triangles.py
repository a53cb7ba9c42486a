"""Triangle against triangle, and point against triangle; vectorised over lists of pairs.

Two triangles that do not lie in one plane meet where an edge of one meets the other. Which side of a plane or of a
line a point lies on is the sign of a determinant; a determinant within its rounding error counts as zero, and zero as
touching, so that nothing that meets is missed. The error bounds are those of Shewchuk 1997, "Adaptive precision
floating-point arithmetic and fast robust geometric predicates".
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_HALF_ULP = 2.0**-53
_SPACE_ERROR = (7 + 56 * _HALF_ULP) * _HALF_ULP
_PLANE_ERROR = (3 + 16 * _HALF_ULP) * _HALF_ULP
_NEXT = [1, 2, 0]
_SHADOWS = [[1, 2], [2, 0], [0, 1]]  # the coordinates left by looking along x, y, z


def intersect(first: Float[Tensor, "n 3 3"], second: Float[Tensor, "n 3 3"]) -> Bool[Tensor, " n"]:
    """Whether the triangles of each pair (corners in rows, float64) have a point in common; touching counts.

    Lying in one plane, sharing corners and having no area are allowed. Answers within the rounding of float64 may
    err towards touching.
    """
    below, above = _sides(second, first), _sides(first, second)  # of each corner, and the plane of the other triangle
    near = (_straddles(below) & _straddles(above)).nonzero()[:, 0]
    meets = torch.zeros(len(first), dtype=torch.bool, device=first.device)
    meets[near] = _meet(first[near], second[near], below[near], above[near])
    return meets


def distance(point: Float[Tensor, "n 3"], triangle: Float[Tensor, "n 3 3"]) -> Float[Tensor, " n"]:
    """How far each point is from its triangle; triangles without area are segments or points."""
    corner = (triangle - point[:, None]).permute(2, 1, 0).contiguous()  # [3, corner, n]: sums along n are quick
    edge = corner[:, _NEXT] - corner
    along = -_dot(corner, edge) / _dot(edge, edge).clamp_min(torch.finfo(edge.dtype).tiny)
    offset = corner + along.clamp(0, 1) * edge
    to_edges = _dot(offset, offset).amin(0).sqrt()
    normal = _cross(edge[:, 0], edge[:, 1])
    over = (_dot(_cross(corner, edge), normal[:, None]) > 0).all(0)
    height = _dot(corner[:, 0], normal).abs() / _dot(normal, normal).sqrt()
    return torch.where(over, height, to_edges)


def solid_angle(points: Float[Tensor, "3 n m"], triangles: Int[Tensor, "t 3"]) -> Float[Tensor, " n"]:
    """The solid angle, in whole turns, of each row's triangles as seen from the origin: from inside, anticlockwise, 1.

    van Oosterom and Strackee 1983, "The solid angle of a plane triangle".
    """
    length = _dot(points, points).sqrt()
    a, b, c = (points.index_select(2, corner) for corner in triangles.unbind(1))
    la, lb, lc = (length.index_select(1, corner) for corner in triangles.unbind(1))
    rest = la * lb * lc + _dot(a, b) * lc + _dot(b, c) * la + _dot(c, a) * lb
    return torch.atan2(_dot(a, _cross(b, c)), rest).sum(-1) / (2 * math.pi)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Coordinates in the first axis."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """Coordinates in the first axis."""
    return torch.stack([a[i] * b[j] - a[j] * b[i] for i, j in _SHADOWS])


def _sides(triangle: Tensor, points: Tensor) -> Int[Tensor, "n 3"]:
    """On which side of the plane of `triangle` each of three points lies: -1, 0, 1."""
    a, b, c = triangle[:, None].unbind(-2)
    return _orientation(a, b, c, points)


def _straddles(sides: Tensor) -> Bool[Tensor, " n"]:
    return sides.sum(-1).abs() < 3


def _meet(first: Tensor, second: Tensor, below: Tensor, above: Tensor) -> Bool[Tensor, " n"]:
    """`intersect` for pairs of which neither lies clear of the other's plane; `below` tells the sides of `first`."""
    p, q = first[:, :, None], second[:, None]
    turns = _orientation(p, p[:, _NEXT], q, q[:, :, _NEXT])  # [n, edge of first, edge of second]
    cuts = (_pierces(below) & _one_way(turns, 2)).any(1) | (_pierces(above) & _one_way(turns, 1)).any(1)
    flat = ((below == 0).all(1) & _has_area(second)) | ((above == 0).all(1) & _has_area(first))
    flat = (flat | ((turns == 0).flatten(1).all(1) & (below == 0).all(1) & (above == 0).all(1))).nonzero()[:, 0]
    cuts[flat] = _shadows_overlap(first[flat], second[flat])
    return cuts


def _pierces(sides: Tensor) -> Bool[Tensor, "n 3"]:
    """Which edges reach the plane without lying in it."""
    other = sides[:, _NEXT]
    return (sides * other <= 0) & (sides != other)


def _one_way(turns: Tensor, axis: int) -> Tensor:
    """Whether a line passes the three edges of a triangle all on the same side: it goes through the triangle."""
    return (turns >= 0).all(axis) | (turns <= 0).all(axis)


def _has_area(triangle: Tensor) -> Bool[Tensor, " n"]:
    edge = triangle[:, 1:] - triangle[:, :1]
    area = torch.linalg.cross(edge[:, 0], edge[:, 1]).abs().amax(-1)
    return area > 8 * _HALF_ULP * edge.abs().amax((1, 2)) ** 2


def _shadows_overlap(first: Tensor, second: Tensor) -> Bool[Tensor, " n"]:
    """Whether two triangles of one plane overlap: they do if their shadows along x, y and z do."""
    p, q = (t[:, :, _SHADOWS].transpose(1, 2) for t in (first, second))  # [n, shadow, corner, 2]
    beside = ((first.amin(1) > second.amax(1)) | (second.amin(1) > first.amax(1))).any(1)  # parts pieces of one line
    return ~(beside | (_parted(p, q) | _parted(q, p)).any(1))


def _parted(p: Tensor, q: Tensor) -> Bool[Tensor, "n 3"]:
    """Whether an edge of p has p on one side and q strictly on the other."""
    start, end = p[..., None, :], p[..., _NEXT, None, :]
    theirs = _turn(start, end, q[..., None, :, :])  # [n, shadow, edge of p, corner of q]
    own = _turn(p, p[..., _NEXT, :], p[..., [2, 0, 1], :])[..., None]
    return ((theirs != 0).all(-1) & (own * theirs <= 0).all(-1) & (theirs.sum(-1).abs() == 3)).any(-1)


def _turn(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The sign of the turn a, b, c in the plane."""
    (ax, ay), (bx, by) = (a - c).unbind(-1), (b - c).unbind(-1)
    left, right = ax * by, ay * bx
    return _sign(left - right, _PLANE_ERROR * (left.abs() + right.abs()))


def _orientation(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """The sign of det(a - d, b - d, c - d); shapes broadcast."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (a - d).unbind(-1), (b - d).unbind(-1), (c - d).unbind(-1)
    products = [(az, bx * cy, cx * by), (bz, cx * ay, ax * cy), (cz, ax * by, bx * ay)]
    value = sum(z * (left - right) for z, left, right in products)
    size = sum(z.abs() * (left.abs() + right.abs()) for z, left, right in products)
    return _sign(value, _SPACE_ERROR * size)


def _sign(value: Tensor, error: Tensor) -> Tensor:
    return (value > error).to(torch.int8) - (value < -error).to(torch.int8)
