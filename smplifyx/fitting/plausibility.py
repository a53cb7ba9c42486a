"""Whether a fitted body is one that a person has: its shape, stature, joints and place.

Points that no body makes (a misread layout, gross outliers) can be met by a body that nobody has.
Its reprojection error is small, so only this tells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body.params import BodyParams
from ..config import HEIGHTS
from ..core.bundle import Bundle
from ..pose_priors.limits import body_limits

MOST_SHAPE = 4.0  # sd: the length of ten betas; of people one in ten reach it, of sound fits nobody
COUNTED_BETAS = 10
MOST_BEYOND = 30.0  # degrees beyond a joint's range, which is soft: sound fits stay below 10
NEAREST = 0.1  # metres before the camera, of the nearest point


@dataclass(frozen=True)
class Plausibility(Bundle):
    """What is checked of each body. Comparisons with NaN fail: such a body is not plausible."""

    shape_sd: Float[Tensor, "*batch"]  # length of the betas, in standard deviations of people
    stature: Float[Tensor, "*batch"]  # metres
    beyond_limits: Float[Tensor, "*batch"]  # degrees, of the joint angle farthest out of its range
    nearest: Float[Tensor, "*batch"]  # metres along the camera's axis, of the nearest point

    @classmethod
    def of(
        cls,
        params: BodyParams,
        points3d: Float[Tensor, "*batch 137 3"],
        stature: Float[Tensor, "*batch"],
        is_child: bool,
    ) -> Plausibility:
        """Of fitted bodies; points3d in the camera's frame.

        is_child: the last beta is then the kid coefficient, which has a range of its own.
        """
        betas = params.betas[..., :-1] if is_child else params.betas
        # more betas make a longer vector for the same person
        usual = math.sqrt(max(betas.shape[-1], COUNTED_BETAS) / COUNTED_BETAS)
        limits = body_limits(betas)
        angles = params.body_pose.flatten(-2)[..., limits.at]
        beyond = torch.maximum(angles - limits.upper, limits.lower - angles).amax(-1)
        depth = points3d[..., 2]
        return cls(
            shape_sd=betas.norm(dim=-1) / usual,
            stature=stature,
            beyond_limits=torch.rad2deg(beyond).clamp(min=0.0),
            # points that the model lacks are NaN and count as far away
            nearest=torch.where(depth.isnan(), torch.inf, depth).amin(-1),
        )

    @property
    def is_human(self) -> Bool[Tensor, "*batch"]:
        """Whether everything is as people are, before the camera."""
        shortest, tallest = HEIGHTS
        return (
            (self.shape_sd <= MOST_SHAPE)
            & (self.stature >= shortest)
            & (self.stature <= tallest)
            & (self.beyond_limits <= MOST_BEYOND)
            & (self.nearest >= NEAREST)
        )

    def reason(self) -> str:
        """What is not as people are, of one person, in one line; empty where nothing is."""
        shortest, tallest = HEIGHTS
        found: list[str] = []
        if not self.shape_sd <= MOST_SHAPE:
            found.append(f"shape of {self.shape_sd:.1f} sd, people have {MOST_SHAPE:g} at most")
        if not shortest <= self.stature <= tallest:
            found.append(f"stature of {self.stature:.2f} m, not {shortest:g} to {tallest:g} m")
        if not self.beyond_limits <= MOST_BEYOND:
            found.append(f"a joint bent {self.beyond_limits:.0f} degrees beyond its range")
        if not self.nearest >= NEAREST:
            found.append(f"{self.nearest:.2f} m before the camera")
        return "a body that nobody has: " + "; ".join(found) if found else ""
