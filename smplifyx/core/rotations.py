"""The rotation calculus the fit needs beside `roma`: smooth everywhere, any batch shape,
closed-form derivatives.

Source: Sola et al. 2018, "A micro Lie theory for state estimation in robotics", eq. 132-147.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .bundle import Bundle

TINY = 1e-20  # radians squared: keeps the divisions by an angle of zero finite


@dataclass(frozen=True)
class Turn(Bundle):
    """What the rotation matrix of an axis-angle (radians) and the matrix's derivative have in
    common.

    With t the angle: exp(r) = cos t + sin t / t [r]x + (1 - cos t) / t^2 r r^T, and the left
    Jacobian likewise.
    """

    square: Float[Tensor, "*batch 1 1"]  # t^2
    a: Float[Tensor, "*batch 1 1"]  # sin t / t
    b: Float[Tensor, "*batch 1 1"]  # (1 - cos t) / t^2
    cross: Float[Tensor, "*batch 3 3"]  # [r]x
    outer: Float[Tensor, "*batch 3 3"]  # r r^T

    @classmethod
    def of(cls, rotvec: Float[Tensor, "*batch 3"]) -> Turn:
        """For axis-angles."""
        square = (rotvec * rotvec).sum(-1)[..., None, None].clamp_min(TINY)
        t = square.sqrt()
        half = 0.5 * t
        share = torch.sin(half) / t
        cross, outer = skew(rotvec), rotvec[..., :, None] * rotvec[..., None, :]
        return cls(square, 2 * share * torch.cos(half), 2 * share * share, cross, outer)

    def matrix(self) -> Float[Tensor, "*batch 3 3"]:
        """The rotation (Rodrigues), differentiable at zero."""
        cosine = 1 - self.b * self.square
        return (self.b * self.outer).addcmul(self.a, self.cross).addcmul(cosine, _unit(self.cross))

    def left_jacobian(self) -> Float[Tensor, "*batch 3 3"]:
        """As the function of that name."""
        s = self.square
        small = s < 1e-4 if s.dtype == torch.float64 else s < 1e-2
        c = torch.where(small, 1 / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72))), (1 - self.a) / s)
        return (c * self.outer).addcmul(self.b, self.cross).addcmul(self.a, _unit(self.cross))


def exp(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Axis-angle (radians) to rotation matrix (Rodrigues), differentiable at zero."""
    return Turn.of(rotvec).matrix()


def log(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Rotation matrix to axis-angle in radians, |angle| <= pi; its derivative is finite at every
    rotation.

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
    quaternion = (
        quaternion
        * torch.where(quaternion[..., :1] < 0, -1.0, 1.0)
        / quaternion.norm(dim=-1, keepdim=True)
    )
    real, vector = quaternion[..., :1], quaternion[..., 1:]
    square = (vector * vector).sum(-1, keepdim=True)
    small = square < 1e-4 if rotation.dtype == torch.float64 else square < 1e-2
    length = torch.where(small, torch.ones_like(square), square).sqrt()
    s = torch.where(small, square, torch.zeros_like(square))
    # 2 asin(t) / t
    near = 2 * (1 + s / 6 * (1 + s * 9 / 20 * (1 + s * 25 / 42 * (1 + s * 49 / 72))))
    return vector * torch.where(small, near, 2 * torch.atan2(length, real) / length)


def left_jacobian(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """J with exp(r + d) ~ exp(J d) exp(r): the angular velocity of an axis-angle that moves by d
    (Sola eq. 145).
    """
    return Turn.of(rotvec).left_jacobian()


def left_jacobian_inverse(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """How an axis-angle shorter than 2 pi moves with the angular velocity: the inverse of
    `left_jacobian` (eq. 146).
    """
    cross = skew(rotvec)
    square = (rotvec * rotvec).sum(-1)[..., None, None]
    small = square < 1e-2 if rotvec.dtype == torch.float64 else square < 1e-1
    safe = torch.where(small, torch.ones_like(square), square)
    half = safe.sqrt() / 2
    s = torch.where(small, square, torch.zeros_like(square))
    near = 1 / 12 * (1 + s / 60 * (1 + s / 42 * (1 + s / 40)))
    factor = torch.where(small, near, (1 - half * torch.cos(half) / torch.sin(half)) / safe)
    return (
        torch.eye(3, dtype=rotvec.dtype, device=rotvec.device)
        - cross / 2
        + factor * (cross @ cross)
    )


def skew(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The matrix [v]x with [v]x w = v x w."""
    index, sign = _cross_entries(vector.dtype, vector.device)
    return (vector.index_select(-1, index) * sign).unflatten(-1, (3, 3))


def about(axis: str, angle: float | Tensor, like: Tensor) -> Tensor:
    """Rotation matrices about a coordinate axis ('x', 'y' or 'z') by `angle` radians; dtype and
    device of `like`.
    """
    angle = torch.as_tensor(angle, dtype=like.dtype, device=like.device)
    unit = torch.tensor([float(axis == a) for a in "xyz"], dtype=like.dtype, device=like.device)
    return exp(angle[..., None] * unit)


def angle_between(
    a: Float[Tensor, "*batch 3 3"], b: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch"]:
    """Geodesic distance of two rotations in radians, 0..pi."""
    import roma

    return roma.rotmat_geodesic_distance(a, b)


def _unit(like: Tensor) -> Tensor:
    return _identity(like.dtype, like.device)


@functools.lru_cache(maxsize=16)
def _identity(dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):
        return torch.eye(3, dtype=dtype, device=device)


@functools.lru_cache(maxsize=16)
def _cross_entries(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which coordinate of a vector, with which sign, stands where in its cross-product matrix."""
    with torch.inference_mode(mode=False):  # kept for callers who differentiate
        sign = torch.tensor([0, -1, 1, 1, 0, -1, -1, 1, 0], dtype=dtype, device=device)
        return torch.tensor([0, 2, 1, 2, 0, 0, 1, 0, 0], device=device), sign
