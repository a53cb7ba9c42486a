"""The unknowns of a fit, and how they become a body."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from . import rotations
from .body.model import BodyModel
from .body.params import POSE_ROWS, BodyParams
from .bundle import Bundle
from .config import FitConfig
from .pose_priors.contract import PosePrior

TURNED = tuple(joint for name, joints in POSE_ROWS.items() if name != "body_pose" for joint in joints)


@dataclass(frozen=True)
class State(Bundle):
    """The unknowns of each row, named as `config.Block`: what a solver moves, and what stays as it is.

    The body's orientation is exp(global_orient) @ orient: the increment stays small, so it has no bad place.
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


@dataclass(frozen=True)
class Hand:
    """A hand's pose space: axis-angle = mean + coefficients @ components."""

    mean: Float[Tensor, " 45"]
    components: Float[Tensor, "n 45"]
    sds: Float[Tensor, " n"]

    def decode(self, coefficients: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch 45"]:
        """PCA coefficients to axis-angle in radians."""
        return self.mean + (coefficients[..., None] * self.components).sum(-2)


@dataclass(frozen=True)
class Decoder:
    """From unknowns to joint rotations: the pose prior for the body, PCA for the hands, the rest as it is."""

    prior: PosePrior
    left_hand: Hand
    right_hand: Hand

    def turns(self, state: State) -> Float[Tensor, "*batch 34 3"]:
        """Axis-angle of the joints in `TURNED`, which the pose prior does not make; the root's is the increment."""
        parts = [
            state.global_orient, state.jaw, state.leye, state.reye,
            self.left_hand.decode(state.left_hand), self.right_hand.decode(state.right_hand),
        ]  # fmt: skip
        return torch.cat(parts, -1).unflatten(-1, (-1, 3))

    @cached_property
    def jointwise(self) -> bool:
        """Whether the latent is the body pose itself, an axis-angle for each joint (see `PosePrior.velocity`)."""
        return self.prior.velocity(self.prior.mean()).dim() == 3

    def params(self, state: State) -> BodyParams:
        """The body in the vocabulary of SMPL-X."""
        return BodyParams(
            global_orient=rotations.log(rotations.exp(state.global_orient) @ state.orient),
            body_pose=rotations.log(self.prior.decode(state.body)),
            jaw_pose=state.jaw, leye_pose=state.leye, reye_pose=state.reye,
            left_hand_pose=self.left_hand.decode(state.left_hand).unflatten(-1, (-1, 3)),
            right_hand_pose=self.right_hand.decode(state.right_hand).unflatten(-1, (-1, 3)),
            betas=state.betas, expression=state.expression, transl=state.transl,
        )  # fmt: skip


def shape_sizes(body: BodyModel, config: FitConfig) -> tuple[int, int]:
    """How many betas (a child's last one included) and expression coefficients a preset fits with a body."""
    sized = body.sized(config.betas, config.expressions)
    return sized.shapedirs.shape[-1], sized.expressiondirs.shape[-1]
