"""The mean body, and the few template poses in which fits begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from ..body import skinning
from ..body.joints import JOINT_INDEX
from ..body.model import BodyModel
from ..core import rotations
from ..features.variables import Decoder, State

# Axis-angle in radians by joint, on top of the prior's mean pose.
TEMPLATE_POSES = MappingProxyType(
    {
        "standing": {},
        "sitting": {
            "left_hip": (-1.4, 0.0, 0.1),
            "right_hip": (-1.4, 0.0, -0.1),
            "left_knee": (1.4, 0.0, 0.0),
            "right_knee": (1.4, 0.0, 0.0),
        },
        "arms_up": {"left_shoulder": (0.0, 0.0, 1.2), "right_shoulder": (0.0, 0.0, -1.2)},
        "crouching": {
            "left_hip": (-1.9, 0.0, 0.3),
            "right_hip": (-1.9, 0.0, -0.3),
            "left_knee": (2.0, 0.0, 0.0),
            "right_knee": (2.0, 0.0, 0.0),
            "spine1": (0.4, 0.0, 0.0),
        },
    }
)


@dataclass(frozen=True, eq=False)
class Templates:
    """The mean body in the template poses of a preset."""

    latents: Float[Tensor, "poses latent"]
    points: Float[Tensor, "poses 137 3"]  # metres, in the body's frame
    pelvis: Float[Tensor, " 3"]

    @classmethod
    def of(cls, decoder: Decoder, body: BodyModel, poses: Sequence[str]) -> Templates:
        """Template poses by name, of a body of as many betas as are fitted."""
        neutral = neutral_state(decoder, body, (), body.v_template)
        latents = [_latent(decoder, neutral, pose) for pose in poses]
        states = [neutral.replace(body=latent) for latent in latents]
        bodies = decoder.params(State.stack(states))
        return cls(
            latents=torch.stack(latents),
            points=skinning.points(body, bodies),
            pelvis=skinning.joints(body, bodies)[0, 0],
        )


def neutral_state(decoder: Decoder, body: BodyModel, batch: tuple[int, ...], like: Tensor) -> State:
    """The prior's mean pose of the mean body at the origin; batch: leading axes; dtype and device
    of `like`.
    """

    def zeros(*size: int) -> Tensor:
        return torch.zeros(*batch, *size, dtype=like.dtype, device=like.device)

    betas, expressions = body.shapedirs.shape[-1], body.expressiondirs.shape[-1]
    return State(
        orient=torch.eye(3).to(like).expand(*batch, 3, 3),
        global_orient=zeros(3),
        transl=zeros(3),
        body=decoder.prior.mean().expand(*batch, -1),
        betas=zeros(betas),
        expression=zeros(expressions),
        left_hand=zeros(len(decoder.left_hand.sds)),
        right_hand=zeros(len(decoder.right_hand.sds)),
        jaw=zeros(3),
        leye=zeros(3),
        reye=zeros(3),
        focal=zeros(1),
    )


def neutral_points(decoder: Decoder, body: BodyModel) -> Float[Tensor, "137 3"]:
    """The canonical points of the mean body in the prior's mean pose at the origin."""
    neutral = neutral_state(decoder, body, (), body.v_template)
    return skinning.points(body, decoder.params(neutral))


def _latent(decoder: Decoder, neutral: State, pose_name: str) -> Float[Tensor, " latent"]:
    """The latent of a template pose: the prior's mean with some joints set."""
    pose = decoder.prior.decode(neutral.body).clone()
    for joint, angles in TEMPLATE_POSES[pose_name].items():
        pose[JOINT_INDEX[joint] - 1] = rotations.exp(torch.tensor(angles).to(pose))
    return decoder.prior.encode(pose)
