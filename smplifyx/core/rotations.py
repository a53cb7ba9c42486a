"""The rotation calculus that a fit needs: smooth everywhere, any batch shape, closed-form
derivatives.

Angles are in radians. Near an angle of zero, where sin t / t and its like divide zero by zero,
functions switch to a Taylor series. Both branches of a `torch.where` are computed, and autograd
multiplies the gradient of the one not taken by zero: so the branch not taken gets a harmless input
(1 for the closed form, 0 for the series), because zero times infinity would be NaN. A series is
used up to an angle at which its first missing term is as small as rounding: less in float64.

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
    """What the rotation matrix of an axis-angle r and the matrix's derivative have in common.

    With t the angle: exp(r) = cos t + sin t / t [r]x + (1 - cos t) / t^2 r r^T, and the left
    Jacobian is sin t / t + (1 - cos t) / t^2 [r]x + (t - sin t) / t^3 r r^T.
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
        # By the half angle: 1 - cos t = 2 sin^2 (t / 2) does not cancel for small angles.
        half = 0.5 * t
        share = torch.sin(half) / t
        return cls(
            square=square,
            a=2 * share * torch.cos(half),
            b=2 * share * share,
            cross=skew(rotvec),
            outer=rotvec[..., :, None] * rotvec[..., None, :],
        )

    def matrix(self) -> Float[Tensor, "*batch 3 3"]:
        """The rotation (Rodrigues), differentiable at zero."""
        cosine = 1 - self.b * self.square
        identity = _identity(self.cross.dtype, self.cross.device)
        return (self.b * self.outer).addcmul(self.a, self.cross).addcmul(cosine, identity)

    def left_jacobian(self) -> Float[Tensor, "*batch 3 3"]:
        """J with exp(r + d) ~ exp(J d) exp(r); see the function of that name."""
        s = self.square
        near = 1 / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72)))
        far = (1 - self.a) / s
        small = s < 1e-4 if s.dtype == torch.float64 else s < 1e-2
        c = torch.where(small, near, far)  # (t - sin t) / t^3; `TINY` keeps both sides finite
        identity = _identity(self.cross.dtype, self.cross.device)
        return (c * self.outer).addcmul(self.b, self.cross).addcmul(self.a, identity)


def exp(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Axis-angle (radians) to rotation matrix (Rodrigues), differentiable at zero."""
    return Turn.of(rotvec).matrix()


def log(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Rotation matrix to axis-angle in radians, |angle| <= pi; its derivative is finite at every
    rotation.

    By way of the unit quaternion.
    """
    quaternion = _quaternion(rotation)
    real, vector = quaternion[..., :1], quaternion[..., 1:]
    # The vector part is sin(angle / 2) axis: scale it by angle / sin(angle / 2).
    square = (vector * vector).sum(-1, keepdim=True)
    small = square < 1e-4 if rotation.dtype == torch.float64 else square < 1e-2
    length = torch.where(small, torch.ones_like(square), square).sqrt()
    far = 2 * torch.atan2(length, real) / length
    s = torch.where(small, square, torch.zeros_like(square))
    near = 2 * (1 + s / 6 * (1 + s * 9 / 20 * (1 + s * 25 / 42 * (1 + s * 49 / 72))))  # 2 asin(t)/t
    return vector * torch.where(small, near, far)


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
    far = (1 - half * torch.cos(half) / torch.sin(half)) / safe
    s = torch.where(small, square, torch.zeros_like(square))
    near = 1 / 12 * (1 + s / 60 * (1 + s / 42 * (1 + s / 40)))
    factor = torch.where(small, near, far)
    identity = torch.eye(3, dtype=rotvec.dtype, device=rotvec.device)
    return identity - cross / 2 + factor * (cross @ cross)


def skew(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The matrix [v]x with [v]x w = v x w."""
    index, sign = _cross_entries(vector.dtype, vector.device)
    return (vector.index_select(-1, index) * sign).unflatten(-1, (3, 3))


def swing(
    start: Float[Tensor, "*batch 3"], end: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """The shortest turn from one direction to another; none between opposite ones or zeros."""
    a = torch.nn.functional.normalize(start, dim=-1)
    b = torch.nn.functional.normalize(end, dim=-1)
    axis = torch.linalg.cross(a, b)
    sine = axis.norm(dim=-1, keepdim=True)
    angle = torch.atan2(sine, (a * b).sum(-1, keepdim=True))
    return exp(axis / sine.clamp(min=1e-6) * angle)


def about(axis: str, angle: float | Tensor, like: Tensor) -> Tensor:
    """Rotation matrices [..., 3, 3] about a coordinate axis ('x', 'y' or 'z') by `angle` radians
    [...]; dtype and device of `like`.
    """
    angle = torch.as_tensor(angle, dtype=like.dtype, device=like.device)
    unit = torch.tensor([float(axis == a) for a in "xyz"], dtype=like.dtype, device=like.device)
    return exp(angle[..., None] * unit)


def _quaternion(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """The unit quaternion q of a rotation, real part first and not negative.

    Read from the line of 4 q q^T whose diagonal is largest (Shepperd 1978): it never vanishes.
    """
    a, b, c, d, e, f, g, h, i = rotation.flatten(-2).unbind(-1)
    lines = [
        [1 + a + e + i, h - f, c - g, d - b],
        [h - f, 1 + a - e - i, b + d, c + g],
        [c - g, b + d, 1 - a + e - i, f + h],
        [d - b, c + g, f + h, 1 - a - e + i],
    ]
    outer = torch.stack([torch.stack(line, -1) for line in lines], -2)  # [..., 4, 4]
    best = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)
    index = best[..., None, None].expand(*a.shape, 1, 4)
    scaled = outer.gather(-2, index)[..., 0, :]  # a multiple of q
    sign = torch.where(scaled[..., :1] < 0, -1.0, 1.0)
    return scaled * sign / scaled.norm(dim=-1, keepdim=True)


@functools.lru_cache(maxsize=16)
def _identity(dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):  # kept for callers who differentiate
        return torch.eye(3, dtype=dtype, device=device)


@functools.lru_cache(maxsize=16)
def _cross_entries(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which coordinate of a vector, with which sign, stands in each of the nine places of its
    cross-product matrix.
    """
    with torch.inference_mode(mode=False):  # kept for callers who differentiate
        sign = torch.tensor([0, -1, 1, 1, 0, -1, -1, 1, 0], dtype=dtype, device=device)
        return torch.tensor([0, 2, 1, 2, 0, 0, 1, 0, 0], device=device), sign
