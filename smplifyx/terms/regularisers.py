"""What is plausible where the image is silent: priors and limits, each a few residuals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.invariant_linalg import column_index
from ..features.feature import Feature
from ..features.jacobian_blocks import (
    ChoiceBlock,
    ConstantMatrices,
    CoordinateBlock,
    DenseBlock,
    JacobianBlock,
    SharedBlock,
)
from ..features.joint_angles import BODY_POSE, UP
from ..features.unknowns import ANCHORED_TRANSL, BETAS, BODY, TRANSL
from ..pose_priors.contract import PosePrior, is_linear, is_piecewise
from .scene import Jacobian, Residual, Scene


@dataclass(frozen=True)
class Scaled:
    """Unknowns in units of their spread: betas, expression, jaw, eyes or log focal around zero."""

    feature: Feature
    factors: Float[Tensor, " d"]  # 1 / standard deviation

    def __call__(self, scene: Scene) -> Residual:
        """One residual for each unknown."""
        residual = self.factors * scene[self.feature]
        every, width = self._every, len(self.factors)

        def jacobian() -> Jacobian:
            block = CoordinateBlock(every, self.factors.expand_as(residual), width)
            return Jacobian(residual, {self.feature: block})

        return Residual(residual, jacobian)

    @cached_property
    def _every(self) -> tuple[int, ...]:
        return tuple(range(len(self.factors)))


@dataclass(frozen=True)
class Silent:
    """Nothing: stands for a term that has nothing to say about anybody of a batch."""

    def __call__(self, scene: Scene) -> Residual:
        """No residuals."""
        residual = scene[BETAS][:, :0]
        return Residual(residual, lambda: Jacobian(residual, {}))


@dataclass(frozen=True)
class HandSize:
    """Axis-angle offset of the fingers from the mean hand, isotropic (the 2019 hand prior)."""

    feature: Feature
    components: Float[Tensor, "n 45"]

    def __call__(self, scene: Scene) -> Residual:
        """45 residuals, linear in the hand's coefficients."""
        matrix = self.components.T
        coefficients = scene[self.feature]
        # a product and sum, not a matmul: the answer of a row must not depend on the batch it is in
        residual = (matrix * coefficients[:, None, :]).sum(-1)
        return Residual(residual, lambda: Jacobian(residual, {self.feature: SharedBlock(matrix)}))


@dataclass(frozen=True)
class BodyPrior:
    """How unusual the body pose is: -2 log density of the pose prior, as a square sum."""

    prior: PosePrior

    def __call__(self, scene: Scene) -> Residual:
        """As many residuals as the prior has; their Jacobian is as simple as the prior says that it
        is.
        """
        prior, latent = self.prior, scene[BODY]
        if is_piecewise(prior):
            residual, which = prior.residual_in_piece(latent)
            block: JacobianBlock = ChoiceBlock(self._constants, which)
            return Residual(residual, lambda: Jacobian(residual, {BODY: block}))
        residual = prior.residual(latent)
        if is_linear(prior):
            return Residual(
                residual, lambda: Jacobian(residual, {BODY: SharedBlock(self._constant)})
            )
        return Residual(
            residual, lambda: Jacobian(residual, {BODY: DenseBlock(prior.jacobian(latent))})
        )

    @cached_property
    def _constants(self) -> ConstantMatrices:
        """The Jacobians of a piecewise prior, with what is worked out of them once."""
        assert is_piecewise(self.prior)
        return ConstantMatrices(self.prior.pieces)

    @cached_property
    def _constant(self) -> Float[Tensor, "r latent"]:
        """The Jacobian of a linear prior."""
        assert is_linear(self.prior)
        return self.prior.constant_jacobian()


@dataclass(frozen=True)
class Limits:
    """Joint angles outside their natural range, in units of softness; exactly zero inside."""

    feature: Feature  # BODY_POSE, LEFT_HAND_POSE, RIGHT_HAND_POSE, JAW, or betas with a range
    at: tuple[int, ...]  # which coordinate each residual bounds
    lower: Float[Tensor, " r"]  # radians
    upper: Float[Tensor, " r"]
    softness: Float[Tensor, " r"]

    def __call__(self, scene: Scene) -> Residual:
        """One residual for each bounded coordinate."""
        angles = scene[self.feature]
        value = _picked_columns(angles, self.at)
        over = torch.relu(value - self.upper)
        under = torch.relu(self.lower - value)
        residual = (over - under) / self.softness
        width = angles.shape[1]
        return Residual(residual, lambda: self._jacobian(residual, value, width))

    def _jacobian(self, residual: Tensor, value: Tensor, width: int) -> Jacobian:
        outside = (value > self.upper) | (value < self.lower)
        slope = outside.to(residual.dtype) / self.softness
        return Jacobian(residual, {self.feature: CoordinateBlock(self.at, slope, width)})


@dataclass(frozen=True)
class Bending:
    """exp(s x) of elbows and knees: the 2019 term, which pushes straight limbs to bend (kept for
    comparison).
    """

    at: tuple[int, ...]  # the four hinges among the 63 body angles
    sign: Float[Tensor, " 4"]

    def __call__(self, scene: Scene) -> Residual:
        """One residual for each hinge."""
        angles = scene[BODY_POSE]
        residual = torch.exp(self.sign * _picked_columns(angles, self.at))
        width = angles.shape[1]

        def jacobian() -> Jacobian:
            block = CoordinateBlock(self.at, residual * self.sign, width)
            return Jacobian(residual, {BODY_POSE: block})

        return Residual(residual, jacobian)


@dataclass(frozen=True)
class Upright:
    """The pelvis' lean from the image's vertical, robustly: most people stand or sit and most
    cameras are level.

    Residuals are the sideways and the forward part of the body's up direction in units of `spread`
    (sine of the lean), by GMoF of width `rho`: somebody lying costs no more than rho^2, which a few
    seen points outweigh.
    """

    spread: float
    rho: float = 2.0

    def __call__(self, scene: Scene) -> Residual:
        """Two residuals."""
        up = scene[UP]
        # the rows for x and z of the identity: y is along the vertical
        select = torch.eye(3, dtype=up.dtype, device=up.device)[::2] / self.spread
        lean = (up[:, None, :] * select).sum(-1)
        squash = self.rho / torch.sqrt((lean * lean).sum(-1, keepdim=True) + self.rho**2)
        weight = squash * squash

        def jacobian() -> Jacobian:
            # reweighted: the gradient of the squashed residual, a curvature that is never negative
            return Jacobian(weight * lean, {UP: DenseBlock(weight[..., None] * select)})

        return Residual(squash * lean, jacobian)


@dataclass(frozen=True)
class Depth:
    """Distance from the depth that the stage began at, in metres (the 2019 camera stage)."""

    def __call__(self, scene: Scene) -> Residual:
        """One residual."""
        transl = scene[TRANSL]
        began_at = scene.matches[ANCHORED_TRANSL].value[:, 2]
        residual = transl[:, 2:] - began_at[:, None]

        def jacobian() -> Jacobian:
            forward = torch.tensor([[0.0, 0.0, 1.0]], dtype=residual.dtype, device=residual.device)
            return Jacobian(residual, {TRANSL: SharedBlock(forward)})

        return Residual(residual, jacobian)


def _picked_columns(values: Tensor, at: tuple[int, ...]) -> Tensor:
    """Some columns [batch, r] of [batch, d], by an index that stays on the device."""
    where = column_index(at, values.device)
    return values[:, where] if isinstance(where, slice) else values.index_select(1, where)
