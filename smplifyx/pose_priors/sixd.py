"""Rotations as two columns (six numbers), the way pose networks put them out; no angle, no singular
rotation.

Source: Zhou et al. 2019, "On the continuity of rotation representations in neural networks",
section 4.2. The numbers are interleaved as VPoser has them: the 3 x 2 matrix [a1 a2], line by line.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

TINY = 1e-8  # squares below this have lost too many digits to tell a direction


@dataclass(frozen=True)
class _Frame:
    """A rotation made from six numbers, and the lengths that went into it.

    u is the part of a2 that is at a right angle to a1.
    """

    b1: Float[Tensor, "*batch 3"]  # columns of the rotation
    b2: Float[Tensor, "*batch 3"]
    b3: Float[Tensor, "*batch 3"]
    per_a1: Float[Tensor, "*batch 1"]  # 1 / |a1|
    per_u: Float[Tensor, "*batch 1"]  # 1 / |u|
    lean: Float[Tensor, "*batch 1"]  # (b1 . a2) / |u|

    @classmethod
    def of(cls, six: Float[Tensor, "*batch 6"]) -> _Frame:
        """Gram-Schmidt of the two columns."""
        a1, a2 = six.unflatten(-1, (3, 2)).unbind(-1)
        first_axis = torch.eye(3, dtype=six.dtype, device=six.device)[0]
        b1, per_a1 = _unit(a1, otherwise=first_axis)
        across = _across(b1)
        # a2 at length one first: its part across a1 is compared with TINY, whatever a2's length
        a2, per_a2 = _unit(a2, otherwise=across)
        along = (b1 * a2).sum(-1, keepdim=True)
        b2, per_rest = _unit(a2 - along * b1, otherwise=across)
        return cls(
            b1=b1,
            b2=b2,
            b3=torch.linalg.cross(b1, b2),
            per_a1=per_a1,
            per_u=per_a2 * per_rest,
            lean=along * per_rest,
        )

    def rotation(self) -> Float[Tensor, "*batch 3 3"]:
        """The three columns side by side."""
        return torch.stack([self.b1, self.b2, self.b3], -1)


def to_rotation(six: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Gram-Schmidt of the two columns; the third is their cross product.

    A rotation, with a finite derivative, for every finite input: columns that vanish or agree give
    way to axes.
    """
    return _Frame.of(six).rotation()


def from_rotation(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """The first two columns, interleaved."""
    return rotation[..., :2].flatten(-2)


def angular_velocity(six: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 6"]:
    """G with R(six + d) ~ exp(G d) R(six): the left angular velocity per change of the six numbers.

    With columns b1, b2, b3 of R, omega . b3 = b2 . da1 / |a1|, omega . b2 = -b3 . da1 / |a1|, and
    omega . b1 = b3 . (da2 - (b1 . a2) / |a1| da1) / |u|, u the part of a2 across a1.
    """
    frame = _Frame.of(six)
    # Sums of b_i b_j^T, [*batch, 3, 3]: omega per change of a column before the lengths.
    twist = _outer(frame.b1, frame.b3)  # turns u about b1
    tilt = _outer(frame.b3, frame.b2) - _outer(frame.b2, frame.b3)  # turns a1 about b2 and b3
    by_a1 = (tilt - frame.lean[..., None] * twist) * frame.per_a1[..., None]
    by_a2 = twist * frame.per_u[..., None]
    return torch.stack([by_a1, by_a2], -1).flatten(-2)  # interleaved, as the six numbers are


def _unit(
    vector: Float[Tensor, "*batch 3"], otherwise: Float[Tensor, "*#batch 3"]
) -> tuple[Float[Tensor, "*batch 3"], Float[Tensor, "*batch 1"]]:
    """A vector at length one and the reciprocal of its length; `otherwise` and 0 where it has no
    direction.
    """
    square = (vector * vector).sum(-1, keepdim=True)
    vanishes = square < TINY  # False for NaN, which must stay visible
    # The root of one where the square vanishes: torch.where alone would pass on a NaN derivative.
    reciprocal = torch.where(vanishes, torch.ones_like(square), square).rsqrt()
    unit = torch.where(vanishes, otherwise, vector * reciprocal)
    return unit, torch.where(vanishes, 0.0, reciprocal)


def _across(unit: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Some unit vector at a right angle."""
    least = unit.abs().argmin(-1, keepdim=True)
    axis = torch.zeros_like(unit).scatter(-1, least, 1.0)
    return torch.nn.functional.normalize(torch.linalg.cross(unit, axis), dim=-1)


def _outer(
    left: Float[Tensor, "*batch 3"], right: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 3 3"]:
    return left[..., :, None] * right[..., None, :]
