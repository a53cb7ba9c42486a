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
    """Rotation matrix to axis-angle in radians, |angle| <= pi."""
    import roma  # here: it takes longer to import than torch, and only results need it

    return roma.rotmat_to_rotvec(rotation)


def left_jacobian(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """J with exp(r + d) ~ exp(J d) exp(r): the angular velocity of an axis-angle that moves by d (Sola eq. 145)."""
    cross = skew(rotvec)
    _, b, c = _rodrigues_factors(rotvec)
    return torch.eye(3, dtype=rotvec.dtype, device=rotvec.device) + b * cross + c * (cross @ cross)


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
