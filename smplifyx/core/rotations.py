"""The rotation calculus of the fit: smooth everywhere, any batch shape, closed-form derivatives.

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

    With t = |r| in radians, both are sums of I, [r]x and r r^T, each times a function of t:

        rotation       exp(r) = cos t I + a [r]x + b r r^T        (Rodrigues; Sola eq. 132)
        left Jacobian    J(r) = a I + b [r]x + c r r^T            (Sola eq. 145)

    a = sin t / t, b = (1 - cos t) / t^2, c = (1 - a) / t^2.
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
        angle = square.sqrt()
        # By half angles: sin t = 2 sin(t/2) cos(t/2), and 1 - cos t = 2 sin(t/2)^2 loses no digits.
        half = 0.5 * angle
        ratio = torch.sin(half) / angle
        return cls(
            square=square,
            a=2 * ratio * torch.cos(half),
            b=2 * ratio * ratio,
            cross=skew(rotvec),
            outer=rotvec[..., :, None] * rotvec[..., None, :],
        )

    def matrix(self) -> Float[Tensor, "*batch 3 3"]:
        """The rotation (Rodrigues), differentiable at zero."""
        cosine = 1 - self.b * self.square
        identity = _identity(self.cross.dtype, self.cross.device)
        # a sum of three products; addcmul makes no intermediate tensors
        return (self.b * self.outer).addcmul(self.a, self.cross).addcmul(cosine, identity)

    def left_jacobian(self) -> Float[Tensor, "*batch 3 3"]:
        """As the function of that name."""
        s = self.square
        small = s < 1e-4 if s.dtype == torch.float64 else s < 1e-2
        # c = 1/3! - t^2 / 5! + t^4 / 7! - t^6 / 9!, nested
        series = 1 / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72)))
        # `square` is never 0, so the closed form is finite and may be computed everywhere.
        c = torch.where(small, series, (1 - self.a) / s)
        identity = _identity(self.cross.dtype, self.cross.device)
        return (c * self.outer).addcmul(self.b, self.cross).addcmul(self.a, identity)


def exp(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Axis-angle in radians to rotation matrix (Rodrigues), differentiable at zero."""
    return Turn.of(rotvec).matrix()


def log(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Rotation matrix to axis-angle in radians, |angle| <= pi; its derivative is finite everywhere.

    By the unit quaternion q = (cos t/2, sin t/2 axis), read from the matrix as in Shepperd 1978.
    """
    quaternion = _unit_quaternion(rotation)
    real, vector = quaternion[..., :1], quaternion[..., 1:]  # cos t/2, sin t/2 axis
    # The result is vector * t / sin(t/2), and t = 2 atan2(sin t/2, cos t/2).
    square = (vector * vector).sum(-1, keepdim=True)  # (sin t/2)^2
    small = square < 1e-4 if rotation.dtype == torch.float64 else square < 1e-2
    sine = torch.where(small, torch.ones_like(square), square).sqrt()
    closed = 2 * torch.atan2(sine, real) / sine
    s = torch.where(small, square, torch.zeros_like(square))
    # 2 asin(x) / x with s = x^2: 1 + s/6 + 3 s^2/40 + 15 s^3/336 + ..., nested
    series = 2 * (1 + s / 6 * (1 + s * 9 / 20 * (1 + s * 25 / 42 * (1 + s * 49 / 72))))
    return vector * torch.where(small, series, closed)


def _unit_quaternion(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """The unit quaternion, real part first and not negative, of a rotation matrix.

    Entries of the matrix add up to those of 4 q q^T. Every row of that is a multiple of q, the row
    of the component q_i being 4 q_i q. The row with the largest diagonal, 4 q_i^2 >= 1, is at least
    2 long and so divides without loss. Any fixed row would vanish at some rotation.
    """
    a, b, c, d, e, f, g, h, i = rotation.flatten(-2).unbind(-1)  # row by row
    rows = [
        [1 + a + e + i, h - f, c - g, d - b],
        [h - f, 1 + a - e - i, b + d, c + g],
        [c - g, b + d, 1 - a + e - i, f + h],
        [d - b, c + g, f + h, 1 - a - e + i],
    ]
    outer = torch.stack([torch.stack(row, -1) for row in rows], -2)  # 4 q q^T: [*batch, 4, 4]
    largest = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)
    index = largest[..., None, None].expand(*a.shape, 1, 4)
    multiple = outer.gather(-2, index)[..., 0, :]
    # q and -q are one rotation; a real part >= 0 is the one whose angle is at most pi
    sign = torch.where(multiple[..., :1] < 0, -1.0, 1.0)
    return multiple * sign / multiple.norm(dim=-1, keepdim=True)


def left_jacobian(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """J with exp(r + d) ~ exp(J d) exp(r) for small d (Sola eq. 145).

    So J d is the angular velocity of a rotation whose axis-angle r, in radians, moves by d.
    """
    return Turn.of(rotvec).left_jacobian()


def left_jacobian_inverse(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """How an axis-angle moves with the angular velocity: the inverse of `left_jacobian`.

    rotvec: radians, shorter than 2 pi, where the inverse does not exist. With t the angle it is
    I - [r]x / 2 + (1 - t/2 cot t/2) / t^2 [r]x^2 (Sola eq. 146).
    """
    cross = skew(rotvec)
    square = (rotvec * rotvec).sum(-1)[..., None, None]
    small = square < 1e-2 if rotvec.dtype == torch.float64 else square < 1e-1
    safe = torch.where(small, torch.ones_like(square), square)
    half = safe.sqrt() / 2
    closed = (1 - half * torch.cos(half) / torch.sin(half)) / safe
    s = torch.where(small, square, torch.zeros_like(square))
    # 1/12 + t^2/720 + t^4/30240 + t^6/1209600, nested
    series = 1 / 12 * (1 + s / 60 * (1 + s / 42 * (1 + s / 40)))
    factor = torch.where(small, series, closed)
    identity = torch.eye(3, dtype=rotvec.dtype, device=rotvec.device)
    return identity - cross / 2 + factor * (cross @ cross)


def skew(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The matrix [v]x with [v]x w = v x w."""
    index, sign = _cross_entries(vector.dtype, vector.device)
    return (vector.index_select(-1, index) * sign).unflatten(-1, (3, 3))


def about(axis: str, angle: float | Tensor, like: Tensor) -> Tensor:
    """Rotation matrices [*, 3, 3] about a coordinate axis, 'x', 'y' or 'z'.

    angle: [*], radians. The dtype and the device are those of `like`.
    """
    angle = torch.as_tensor(angle, dtype=like.dtype, device=like.device)
    along_axis = [float(axis == name) for name in "xyz"]
    unit = torch.tensor(along_axis, dtype=like.dtype, device=like.device)
    return exp(angle[..., None] * unit)


def angle_between(
    a: Float[Tensor, "*batch 3 3"], b: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch"]:
    """Geodesic distance of two rotations in radians, 0..pi."""
    import roma

    return roma.rotmat_geodesic_distance(a, b)


@functools.lru_cache(maxsize=16)
def _identity(dtype: torch.dtype, device: torch.device) -> Float[Tensor, "3 3"]:
    with torch.inference_mode(mode=False):  # kept for callers who differentiate
        return torch.eye(3, dtype=dtype, device=device)


@functools.lru_cache(maxsize=16)
def _cross_entries(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which coordinate of a vector, with which sign, stands where in its cross-product matrix."""
    with torch.inference_mode(mode=False):  # kept for callers who differentiate
        # row by row: 0 -z y, z 0 -x, -y x 0
        coordinate = torch.tensor([0, 2, 1, 2, 0, 0, 1, 0, 0], device=device)
        sign = torch.tensor([0, -1, 1, 1, 0, -1, -1, 1, 0], dtype=dtype, device=device)
        return coordinate, sign
