"""What every body-pose prior offers, whichever space it works in, and what some offer besides.

A prior states two things about itself: how its residual depends on the latent (`Linearity`), and
what its latent is (`LatentSpace`). Each statement promises members, given by a protocol of its own;
`is_linear`, `is_piecewise`, `is_joint_angles` and `is_learned` ask for it.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol, TypeGuard, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Linearity(Enum):
    """How a prior's residual depends on its latent, and so what its Jacobian is."""

    LINEAR = "linear"  # affine: one constant Jacobian, see `LinearPrior`
    PIECEWISE = "piecewise"  # affine in pieces: one of few constants, see `PiecewisePrior`
    GENERAL = "general"  # another Jacobian for each latent: `PosePrior.jacobian` alone


class LatentSpace(Enum):
    """What the numbers of a prior's latent are."""

    JOINT_ANGLES = "joint angles"  # an axis-angle for each joint, see `JointAnglePrior`
    LEARNED = "learned"  # every number may turn every joint, see `LearnedPrior`


@runtime_checkable
class PosePrior(Protocol):
    """How plausible a body pose is, in a latent of the prior's own.

    `residual` squared and summed is -2 log density of the latent up to a constant; an
    implementation says so where that is an approximation. Rotations are those of the 21 joints of
    `BodyParams.body_pose`, each relative to its parent. All methods take any leading batch axes,
    and a row's answer does not depend on the other rows, to the last bit.
    """

    @property
    def latent_dim(self) -> int:
        """Length of the latent."""
        ...

    @property
    def linearity(self) -> Linearity:
        """How the residual depends on the latent."""
        ...

    @property
    def latent_space(self) -> LatentSpace:
        """What the latent's numbers are."""
        ...

    def mean(self) -> Float[Tensor, " latent"]:
        """The latent of the mean pose, where fits begin."""
        ...

    def decode(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch 21 3 3"]:
        """The rotation matrices of a latent."""
        ...

    def encode(self, rotation: Float[Tensor, "*batch 21 3 3"]) -> Float[Tensor, "*batch latent"]:
        """The latent of a pose, the nearest one where the latent cannot express it."""
        ...

    def residual(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch residuals"]:
        """Residuals whose square sum is -2 log density up to a constant."""
        ...

    def jacobian(
        self, latent: Float[Tensor, "*batch latent"]
    ) -> Float[Tensor, "*batch residuals latent"]:
        """d residual / d latent at each latent, whatever the linearity."""
        ...

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count latent"]:
        """Latents drawn from the prior."""
        ...

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> PosePrior:
        """A copy on `device` as `dtype`."""
        ...


class LinearPrior(PosePrior, Protocol):
    """A prior of `Linearity.LINEAR`."""

    def constant_jacobian(self) -> Float[Tensor, "residuals latent"]:
        """d residual / d latent, the same for every latent; in the prior's precision."""
        ...


class PiecewisePrior(PosePrior, Protocol):
    """A prior of `Linearity.PIECEWISE`: its Jacobian is one of few constants."""

    @property
    def pieces(self) -> Float[Tensor, "pieces residuals latent"]:
        """The Jacobians; always the same tensor, so that a fit computes their products once."""
        ...

    def residual_in_piece(
        self, latent: Float[Tensor, "batch latent"]
    ) -> tuple[Float[Tensor, "batch residuals"], Int[Tensor, " batch"]]:
        """`PosePrior.residual`, and which of the pieces each latent lies in."""
        ...


class JointAnglePrior(PosePrior, Protocol):
    """A prior of `LatentSpace.JOINT_ANGLES`: its latent is the body pose, flattened (radians)."""

    def joint_velocity(self, latent: Float[Tensor, "*batch 63"]) -> Float[Tensor, "*batch 21 3 3"]:
        """How fast each joint turns as its own three numbers move.

        decode(z + dz) = exp([velocity dz]x) decode(z) for small dz, joint by joint.
        """
        ...


class LearnedPrior(PosePrior, Protocol):
    """A prior of `LatentSpace.LEARNED`."""

    def velocity(self, latent: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch 63 latent"]:
        """How fast each joint turns as the latent moves; entry 3 joint + axis of the 63.

        decode(z + dz) = exp([velocity dz]x) decode(z) for small dz.
        """
        ...


def is_linear(prior: PosePrior) -> TypeGuard[LinearPrior]:
    """Whether the residual is affine in the latent."""
    return prior.linearity is Linearity.LINEAR


def is_piecewise(prior: PosePrior) -> TypeGuard[PiecewisePrior]:
    """Whether the residual is affine in pieces."""
    return prior.linearity is Linearity.PIECEWISE


def is_joint_angles(prior: PosePrior) -> TypeGuard[JointAnglePrior]:
    """Whether the latent is an axis-angle for each joint."""
    return prior.latent_space is LatentSpace.JOINT_ANGLES


def is_learned(prior: PosePrior) -> TypeGuard[LearnedPrior]:
    """Whether every number of the latent may turn every joint."""
    return prior.latent_space is LatentSpace.LEARNED
