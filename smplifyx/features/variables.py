"""The unknowns of a fit, and how they become a body."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.model import BodyModel
from ..body.params import BodyParams
from ..config import Block, FitConfig
from ..core import rotations
from ..core.bundle import Bundle
from ..pose_priors.contract import PosePrior


@dataclass(frozen=True)
class State(Bundle):
    """The unknowns of each row, named as `config.Block`: what a solver moves, and what stays as it
    is.

    The body's orientation is exp(global_orient) @ orient: the increment stays small, so it has no
    bad place.
    """

    orient: Float[Tensor, "*batch 3 3"]
    global_orient: Float[Tensor, "*batch 3"]
    transl: Float[Tensor, "*batch 3"]
    body: Float[Tensor, "*batch latent"]
    betas: Float[Tensor, "*batch shapes"]
    expression: Float[Tensor, "*batch expressions"]
    left_hand: Float[Tensor, "*batch components"]
    right_hand: Float[Tensor, "*batch components"]
    jaw: Float[Tensor, "*batch 3"]
    leye: Float[Tensor, "*batch 3"]
    reye: Float[Tensor, "*batch 3"]
    focal: Float[Tensor, "*batch 1"]  # log of the factor on the camera's focal length

    def rebased(self) -> State:
        """The same bodies with the increment of the orientation folded into its base."""
        turned = rotations.exp(self.global_orient) @ self.orient
        return self.replace(orient=turned, global_orient=torch.zeros_like(self.global_orient))


@dataclass(frozen=True, eq=False)
class Hand:
    """A hand's pose space: axis-angle = mean + coefficients @ components."""

    mean: Float[Tensor, " 45"]
    components: Float[Tensor, "n 45"]
    sds: Float[Tensor, " n"]

    def decode(self, coefficients: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch 45"]:
        """PCA coefficients to axis-angle in radians."""
        return self.mean + (coefficients[..., None] * self.components).sum(-2)

    def encode(self, angles: Float[Tensor, "*batch 45"]) -> Float[Tensor, "*batch n"]:
        """The coefficients whose pose is the nearest: the inverse of `decode`."""
        inverse = torch.linalg.pinv(self.components)
        return ((angles - self.mean)[..., None] * inverse).sum(-2)


@dataclass(frozen=True, eq=False)
class Decoder:
    """From unknowns to joint rotations: the pose prior for the body, PCA for the hands, the rest as
    it is.
    """

    prior: PosePrior
    left_hand: Hand
    right_hand: Hand

    @property
    def hands(self) -> dict[Block, Hand]:
        """Each hand by the block of its unknowns."""
        return {Block.LEFT_HAND: self.left_hand, Block.RIGHT_HAND: self.right_hand}

    @cached_property
    def jointwise(self) -> bool:
        """Whether the latent is the body pose itself, an axis-angle for each joint (see
        `PosePrior.velocity`).
        """
        return self.prior.velocity(self.prior.mean()).dim() == 3

    def params(self, state: State) -> BodyParams:
        """The body in the vocabulary of SMPL-X."""
        return BodyParams(
            global_orient=rotations.log(rotations.exp(state.global_orient) @ state.orient),
            body_pose=rotations.log(self.prior.decode(state.body)),
            jaw_pose=state.jaw,
            leye_pose=state.leye,
            reye_pose=state.reye,
            left_hand_pose=self.left_hand.decode(state.left_hand).unflatten(-1, (-1, 3)),
            right_hand_pose=self.right_hand.decode(state.right_hand).unflatten(-1, (-1, 3)),
            betas=state.betas,
            expression=state.expression,
            transl=state.transl,
        )

    def state(self, params: BodyParams, latent: Float[Tensor, "*batch latent"]) -> State:
        """The unknowns of a body that `params` made, at the camera's own focal length; latent: its
        body pose.
        """
        return State(
            orient=rotations.exp(params.global_orient),
            global_orient=torch.zeros_like(params.global_orient),
            transl=params.transl,
            body=latent,
            betas=params.betas,
            expression=params.expression,
            left_hand=self.left_hand.encode(params.left_hand_pose.flatten(-2)),
            right_hand=self.right_hand.encode(params.right_hand_pose.flatten(-2)),
            jaw=params.jaw_pose,
            leye=params.leye_pose,
            reye=params.reye_pose,
            focal=torch.zeros_like(params.transl[..., :1]),
        )


def shape_sizes(body: BodyModel, config: FitConfig) -> tuple[int, int]:
    """How many betas (a child's last one included) and expression coefficients a preset fits with a
    body.
    """
    sized = body.sized(config.betas, config.expressions)
    return sized.shapedirs.shape[-1], sized.expressiondirs.shape[-1]
