"""The rotation calculus the fit needs beside `roma`: smooth everywhere, any batch shape, closed-form derivatives.

Source: Sola et al. 2018, "A micro Lie theory for state estimation in robotics", eq. 132-147.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def exp(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Axis-angle (radians) to rotation matrix (Rodrigues), differentiable at zero."""
    cross = skew(rotvec)
    a, b, _ = _rodrigues_factors(rotvec)
    return torch.eye(3, dtype=rotvec.dtype, device=rotvec.device) + a * cross + b * (cross @ cross)


def log(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Rotation matrix to axis-angle in radians, |angle| <= pi; its derivative is finite at every rotation.

    By the unit quaternion, read from the row of 4 q q^T whose diagonal is largest (Shepperd 1978).
    """
    a, b, c, d, e, f, g, h, i = rotation.flatten(-2).unbind(-1)
    rows = [
        [1 + a + e + i, h - f, c - g, d - b],
        [h - f, 1 + a - e - i, b + d, c + g],
        [c - g, b + d, 1 - a + e - i, f + h],
        [d - b, c + g, f + h, 1 - a - e + i],
    ]
    outer = torch.stack([torch.stack(row, -1) for row in rows], -2)
    best = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None].expand(*a.shape, 1, 4)
    quaternion = outer.gather(-2, best)[..., 0, :]
    quaternion = quaternion * torch.where(quaternion[..., :1] < 0, -1.0, 1.0) / quaternion.norm(dim=-1, keepdim=True)
    real, vector = quaternion[..., :1], quaternion[..., 1:]
    square = (vector * vector).sum(-1, keepdim=True)
    small = square < 1e-4 if rotation.dtype == torch.float64 else square < 1e-2
    length = torch.where(small, torch.ones_like(square), square).sqrt()
    s = torch.where(small, square, torch.zeros_like(square))
    near = 2 * (1 + s / 6 * (1 + s * 9 / 20 * (1 + s * 25 / 42 * (1 + s * 49 / 72))))  # 2 asin(t) / t
    return vector * torch.where(small, near, 2 * torch.atan2(length, real) / length)


def left_jacobian(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """J with exp(r + d) ~ exp(J d) exp(r): the angular velocity of an axis-angle that moves by d (Sola eq. 145)."""
    cross = skew(rotvec)
    _, b, c = _rodrigues_factors(rotvec)
    return torch.eye(3, dtype=rotvec.dtype, device=rotvec.device) + b * cross + c * (cross @ cross)


def left_jacobian_inverse(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """How an axis-angle shorter than 2 pi moves with the angular velocity: the inverse of `left_jacobian` (eq. 146)."""
    cross = skew(rotvec)
    square = (rotvec * rotvec).sum(-1)[..., None, None]
    small = square < 1e-2 if rotvec.dtype == torch.float64 else square < 1e-1
    safe = torch.where(small, torch.ones_like(square), square)
    half = safe.sqrt() / 2
    s = torch.where(small, square, torch.zeros_like(square))
    near = 1 / 12 * (1 + s / 60 * (1 + s / 42 * (1 + s / 40)))
    factor = torch.where(small, near, (1 - half * torch.cos(half) / torch.sin(half)) / safe)
    return torch.eye(3, dtype=rotvec.dtype, device=rotvec.device) - cross / 2 + factor * (cross @ cross)


def skew(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The matrix [v]x with [v]x w = v x w."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))


def about(axis: str, angle: float | Tensor, like: Tensor) -> Tensor:
    """Rotation matrices about a coordinate axis ('x', 'y' or 'z') by `angle` radians; dtype and device of `like`."""
    angle = torch.as_tensor(angle, dtype=like.dtype, device=like.device)
    unit = torch.tensor([float(axis == a) for a in "xyz"], dtype=like.dtype, device=like.device)
    return exp(angle[..., None] * unit)


def angle_between(a: Float[Tensor, "*batch 3 3"], b: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """Geodesic distance of two rotations in radians, 0..pi."""
    import roma

    return roma.rotmat_geodesic_distance(a, b)


def _rodrigues_factors(rotvec: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """sin(t)/t, (1-cos t)/t^2 and (t-sin t)/t^3 of the angle t, by series near zero so that no derivative is NaN."""
    square = (rotvec * rotvec).sum(-1)[..., None, None]
    small = square < 1e-4 if rotvec.dtype == torch.float64 else square < 1e-2
    safe = torch.where(small, torch.ones_like(square), square)
    t = safe.sqrt()
    sin, cos = torch.sin(t), torch.cos(t)
    s = square
    a = torch.where(small, 1 - s / 6 * (1 - s / 20 * (1 - s / 42)), sin / t)
    b = torch.where(small, 0.5 * (1 - s / 12 * (1 - s / 30 * (1 - s / 56))), (1 - cos) / safe)
    c = torch.where(small, 1 / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72))), (t - sin) / (safe * t))
    return a, b, c
