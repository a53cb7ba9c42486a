"""What is plausible where the image is silent: priors and limits, each a few rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.stature import Stature
from ..config import Block
from ..pose_priors.contract import PosePrior, is_linear, is_piecewise
from .scene import Chosen, Picked, Rows, Scene, Slopes


def linear(name: str, value: Tensor, matrix: Tensor) -> Rows:
    """Rows `matrix @ value` of the unknowns `name`: value [b, d], matrix [r, d]."""
    rows = (matrix * value[:, None, :]).sum(-1)
    return Rows(rows, lambda: Slopes(rows, {name: matrix}))


@dataclass(frozen=True)
class Scaled:
    """Unknowns in units of their spread: betas, expression, jaw, eyes or log focal around zero."""

    block: Block
    factors: Float[Tensor, " d"]  # 1 / standard deviation

    def __call__(self, scene: Scene) -> Rows:
        rows = self.factors * scene[self.block.value]
        slope = Picked(self._all, self.factors.expand_as(rows))
        return Rows(rows, lambda: Slopes(rows, {self.block.value: slope}))

    @cached_property
    def _all(self) -> Tensor:
        return torch.arange(len(self.factors), device=self.factors.device)


@dataclass(frozen=True)
class Height:
    """The body's stature in its T-pose against the person's known height, in units of `spread`
    metres.

    Zero for people whose height is not known.
    """

    stature: Stature
    spread: float

    def __call__(self, scene: Scene) -> Rows:
        value, slope = self.stature(scene[Block.BETAS.value])
        known = scene.observation.height.isfinite()
        off = torch.where(known, value - scene.observation.height, 0.0) / self.spread
        pull = torch.where(known[:, None], slope, 0.0) / self.spread
        rows = off[:, None]
        return Rows(rows, lambda: Slopes(rows, {Block.BETAS.value: pull[:, None]}))


@dataclass(frozen=True)
class Silent:
    """Nothing: stands for a term that has nothing to say about anybody of a batch."""

    def __call__(self, scene: Scene) -> Rows:
        rows = scene[Block.BETAS.value][:, :0]
        return Rows(rows, lambda: Slopes(rows, {}))


@dataclass(frozen=True)
class HandSize:
    """Axis-angle offset of the fingers from the mean hand, isotropic (the 2019 hand prior)."""

    block: Block
    components: Float[Tensor, "n 45"]

    def __call__(self, scene: Scene) -> Rows:
        return linear(self.block.value, scene[self.block.value], self.components.T)


@dataclass(frozen=True)
class BodyPrior:
    """How unusual the body pose is: rows whose square sum is -2 log density of the pose prior."""

    prior: PosePrior

    def __call__(self, scene: Scene) -> Rows:
        latent = scene[Block.BODY.value]
        prior = self.prior
        if is_piecewise(prior):
            rows, which = prior.residual_in_piece(latent)
            return Rows(rows, lambda: Slopes(rows, {Block.BODY.value: Chosen(prior.pieces, which)}))
        rows = prior.residual(latent)
        return Rows(rows, lambda: Slopes(rows, {Block.BODY.value: self._jacobian(latent)}))

    def _jacobian(self, latent: Tensor) -> Tensor:
        return self.prior.jacobian(latent) if self._constant is None else self._constant

    @cached_property
    def _constant(self) -> Tensor | None:
        """The Jacobian [r, latent] of a linear prior; always the same tensor."""
        return self.prior.constant_jacobian() if is_linear(self.prior) else None


@dataclass(frozen=True)
class Limits:
    """Joint angles outside their natural range, in units of softness; exactly zero inside."""

    source: str  # 'body_pose', 'left_hand_pose', 'right_hand_pose' or 'jaw'
    at: Tensor  # [r] which coordinate each row bounds
    lower: Float[Tensor, " r"]  # radians
    upper: Float[Tensor, " r"]
    softness: Float[Tensor, " r"]

    def __call__(self, scene: Scene) -> Rows:
        angles = scene[self.source]
        value = angles.index_select(1, self.at)
        rows = (torch.relu(value - self.upper) - torch.relu(self.lower - value)) / self.softness
        return Rows(rows, lambda: self._slopes(rows, value))

    def _slopes(self, rows: Tensor, value: Tensor) -> Slopes:
        outside = ((value > self.upper) | (value < self.lower)).to(rows.dtype) / self.softness
        return Slopes(rows, {self.source: Picked(self.at, outside)})


@dataclass(frozen=True)
class Bending:
    """exp(s x) of elbows and knees: the 2019 term, which pushes straight limbs to bend (kept for
    comparison).
    """

    at: Tensor  # [4]
    sign: Float[Tensor, " 4"]

    def __call__(self, scene: Scene) -> Rows:
        angles = scene["body_pose"]
        rows = torch.exp(self.sign * angles[:, self.at])
        return Rows(rows, lambda: Slopes(rows, {"body_pose": Picked(self.at, rows * self.sign)}))


@dataclass(frozen=True)
class Upright:
    """The pelvis' lean from the image's vertical, robustly: most people stand or sit and most
    cameras are level.

    Rows are the sideways and the forward part of the body's up direction in units of `spread` (sine
    of the lean), by GMoF of width `rho`: somebody lying costs no more than rho^2, which a few seen
    points outweigh.
    """

    spread: float
    rho: float = 2.0

    def __call__(self, scene: Scene) -> Rows:
        up = scene["up"]
        select = torch.eye(3, dtype=up.dtype, device=up.device)[::2] / self.spread
        lean = (up[:, None, :] * select).sum(-1)
        squash = self.rho / torch.sqrt((lean * lean).sum(-1, keepdim=True) + self.rho**2)
        weight = squash * squash
        return Rows(
            squash * lean, lambda: Slopes(weight * lean, {"up": weight[..., None] * select})
        )


@dataclass(frozen=True)
class Depth:
    """Distance from the depth first guessed, in metres (the 2019 camera stage)."""

    def __call__(self, scene: Scene) -> Rows:
        transl = scene[Block.TRANSL.value]
        rows = transl[:, 2:] - scene.observation.depth[:, None]
        forward = torch.tensor([[0.0, 0.0, 1.0]], dtype=rows.dtype, device=rows.device)
        return Rows(rows, lambda: Slopes(rows, {Block.TRANSL.value: forward}))
