"""Rotations as two columns (six numbers), the way pose networks put them out; no angle, no singular
rotation.

Source: Zhou et al. 2019, "On the continuity of rotation representations in neural networks",
section 4.2. The numbers are interleaved as VPoser has them: the 3 x 2 matrix [a1 a2], row by row.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

TINY = 1e-8  # squares below this have lost too many digits to tell a direction


def to_rotation(six: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Gram-Schmidt of the two columns; the third is their cross product.

    A rotation, with a finite derivative, for every finite input: columns that vanish or agree give
    way to axes.
    """
    return _frame(six)[0]


def from_rotation(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """The first two columns, interleaved."""
    return rotation[..., :2].flatten(-2)


def angular_velocity(six: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 6"]:
    """G with R(six + d) ~ exp(G d) R(six): the left angular velocity per change of the six numbers.

    With columns b1, b2, b3 of R, omega . b3 = b2 . da1 / |a1|, omega . b2 = -b3 . da1 / |a1|, and
    omega . b1 = b3 . (da2 - (b1 . a2) / |a1| da1) / |u|, u the part of a2 across a1.
    """
    rotation, per_a1, per_u, lean = _frame(six)
    b1, b2, b3 = rotation.unbind(-1)
    twist, tilt = _outer(b1, b3), _outer(b3, b2) - _outer(b2, b3)
    return torch.stack([(tilt - lean * twist) * per_a1, twist * per_u], -1).flatten(-2)


def _frame(six: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The rotation, 1/|a1|, 1/|u| and (b1 . a2)/|u| (the last three [*batch, 1, 1])."""
    a1, a2 = six.unflatten(-1, (3, 2)).unbind(-1)
    b1, per_a1 = _unit(a1, torch.eye(3, dtype=six.dtype, device=six.device)[0])
    across = _across(b1)
    a2, per_a2 = _unit(a2, across)
    along = (b1 * a2).sum(-1, keepdim=True)
    b2, per_u = _unit(a2 - along * b1, across)
    rotation = torch.stack([b1, b2, torch.linalg.cross(b1, b2)], -1)
    return rotation, per_a1[..., None], (per_a2 * per_u)[..., None], (along * per_u)[..., None]


def _unit(vector: Tensor, otherwise: Tensor) -> tuple[Tensor, Tensor]:
    """A vector at length one and the reciprocal of its length; `otherwise` and 0 where it has no
    direction.
    """
    square = (vector * vector).sum(-1, keepdim=True)
    vanishes = square < TINY  # False for NaN, which must stay visible
    reciprocal = torch.where(vanishes, torch.ones_like(square), square).rsqrt()
    return torch.where(vanishes, otherwise, vector * reciprocal), torch.where(
        vanishes, 0.0, reciprocal
    )


def _across(unit: Tensor) -> Tensor:
    """Some unit vector at a right angle."""
    least = unit.abs().argmin(-1, keepdim=True)
    axis = torch.zeros_like(unit).scatter(-1, least, 1.0)
    return torch.nn.functional.normalize(torch.linalg.cross(unit, axis), dim=-1)


def _outer(left: Tensor, right: Tensor) -> Tensor:
    return left[..., :, None] * right[..., None, :]
