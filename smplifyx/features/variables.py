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
from ..pose_priors.contract import PosePrior, is_joint_angles


@dataclass(frozen=True)
class State(Bundle):
    """The unknowns of a body, named as `config.Block`, whether a solver moves them or not.

    The body's orientation is exp(global_orient) @ orient. A solver moves the increment, which is
    folded into the base between stages (`rebased`): it stays far from half a turn, where
    axis-angles jump.
    """

    orient: Float[Tensor, "*batch 3 3"]  # the base; no unknown of any block
    global_orient: Float[Tensor, "*batch 3"]  # the increment, axis-angle in radians
    transl: Float[Tensor, "*batch 3"]  # metres, camera frame
    body: Float[Tensor, "*batch latent"]  # in the latent space of the pose prior
    betas: Float[Tensor, "*batch shapes"]
    expression: Float[Tensor, "*batch expressions"]
    left_hand: Float[Tensor, "*batch components"]  # coefficients of `Hand`
    right_hand: Float[Tensor, "*batch components"]
    jaw: Float[Tensor, "*batch 3"]  # this and the eyes: axis-angles in radians
    leye: Float[Tensor, "*batch 3"]
    reye: Float[Tensor, "*batch 3"]
    focal: Float[Tensor, "*batch 1"]  # log of the factor on the camera's focal length

    def rebased(self) -> State:
        """The same bodies with the increment of the orientation folded into its base."""
        turned = rotations.exp(self.global_orient) @ self.orient
        return self.replace(orient=turned, global_orient=torch.zeros_like(self.global_orient))


@dataclass(frozen=True, eq=False)
class Hand:
    """A hand's pose space: axis-angles = mean + coefficients @ components.

    45 numbers are the axis-angles of 15 joints, radians. A body without fingers has n = 0.
    """

    mean: Float[Tensor, " 45"]
    components: Float[Tensor, "n 45"]
    sds: Float[Tensor, " n"]  # the spread of each coefficient among hands

    def decode(self, coefficients: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch 45"]:
        """PCA coefficients to axis-angles in radians."""
        # a sum, not a matrix product: how it rounds does not depend on the batch
        return self.mean + (coefficients[..., None] * self.components).sum(-2)

    def encode(self, angles: Float[Tensor, "*batch 45"]) -> Float[Tensor, "*batch n"]:
        """The coefficients whose pose is the nearest: the inverse of `decode` within the space."""
        inverse = torch.linalg.pinv(self.components)  # [45, n]
        return ((angles - self.mean)[..., None] * inverse).sum(-2)


@dataclass(frozen=True, eq=False)
class Decoder:
    """From unknowns to poses: a pose prior for the body, PCA for the hands, the rest as it is."""

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
        `LatentSpace`).
        """
        return is_joint_angles(self.prior)

    def params(self, state: State) -> BodyParams:
        """The body as SMPL-X parameters: axis-angles in radians, metres in the camera's frame."""
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
        """The unknowns of a body, at the camera's own focal length.

        params: as `params` makes them; a hand pose outside the hand's space becomes the nearest in
        it. latent: its body pose in the space of the prior, which `params.body_pose` does not tell.
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
    """How many betas and expression coefficients a preset fits with a body.

    A child's last beta, the kid coefficient, counts.
    """
    sized = body.sized(config.betas, config.expressions)
    return sized.shapedirs.shape[-1], sized.expressiondirs.shape[-1]
