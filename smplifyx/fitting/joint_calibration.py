"""What makes the covariances of joints honest: the card in `priors/uncertainty/`.

The curvature of an energy knows neither how far a model is from people nor how heavy the tails of
errors are. The card scales it, group of joints by group, to errors that were measured on generated
people (`python -m priors.recipes.joint_uncertainty`).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from ..config import Settings, read_settings
from ..core import assets
from ..keypoints import names

JOINTS = names.RIGHT_HAND.stop  # the body's 25 points, then 21 of each hand
CARD = "joints.yaml"
NOISE_REFERENCE = 0.02  # metres: what a real detector leaves of a person, see `noise_level`
SHARES = (0.5, 0.68, 0.8, 0.9, 0.95)  # of the errors, for which the card has a radius
# squared radius of the region of a Gaussian in space that holds 68 %
GAUSSIAN_68 = 3.506
ROOT = "mid_hip"  # lies where joints are measured from: its covariance says nothing
HANDS = "hands"
# The groups that have a factor of their own, by the endings of their names; left and right are one.
GROUPS = MappingProxyType({
    "hips": ("hip",),
    "trunk": ("neck", "shoulder"),
    "head": ("nose", "eye", "ear"),
    "elbows": ("elbow",),
    "wrists": ("wrist",),
    "knees": ("knee",),
    "feet": ("ankle", "toe", "heel"),
    HANDS: (),
})  # fmt: skip


def group_of(joint: int) -> str:
    """The name of the group of one of the 67 joints."""
    if joint >= names.BODY.stop:
        return HANDS
    name = names.POINT_NAMES[joint]
    return next(group for group, endings in GROUPS.items() if name.endswith(endings))


GROUP_INDEX = tuple(list(GROUPS).index(group_of(joint)) for joint in range(JOINTS))


class GroupCalibration(Settings):
    """What makes the covariances of a group of joints honest."""

    factor: float = pydantic.Field(gt=0, le=10)  # on standard deviations from the curvature
    # squared Mahalanobis radius that holds each share of SHARES of the errors
    radii: tuple[Annotated[float, pydantic.Field(gt=0)], ...]
    count: int = pydantic.Field(ge=1)  # joints that this was estimated from

    @pydantic.field_validator("radii")
    @classmethod
    def _one_each(cls, given: tuple[float, ...]) -> tuple[float, ...]:
        if len(given) != len(SHARES) or sorted(given) != list(given):
            raise ValueError(f"expected {len(SHARES)} growing numbers, got {list(given)}")
        return given


class JointCalibration(Settings):
    """The card: where the numbers come from, and those of each group."""

    what: str
    source: str
    licence: str
    command: str
    preset: str
    people: int
    # T: an alternative whose energy is higher by g counts exp(-g / T) as much as the fitted body
    temperature: float = pydantic.Field(gt=0)
    # on the ratio of a person's noise to NOISE_REFERENCE, whose power scales with the factors
    noise_exponent: float = pydantic.Field(ge=0, le=2)
    groups: dict[str, GroupCalibration]

    @pydantic.field_validator("groups")
    @classmethod
    def _every_group(cls, given: dict[str, GroupCalibration]) -> dict[str, GroupCalibration]:
        if given.keys() != GROUPS.keys():
            raise ValueError(f"expected {', '.join(GROUPS)}, got {', '.join(given)}")
        return given

    def radius(self, share: float) -> Float[Tensor, " 67"]:
        """The Mahalanobis radius of the region of each joint that holds a share of its errors.

        The region is where offset^T covariance^-1 offset <= radius^2. Raises ValueError for a share
        that the card does not have.
        """
        if share not in SHARES:
            raise ValueError(f"share: expected one of {', '.join(map(str, SHARES))}, got {share}")
        at = SHARES.index(share)
        squares = [self.groups[group_of(joint)].radii[at] for joint in range(JOINTS)]
        return torch.tensor(squares).sqrt()

    @cached_property
    def factors(self) -> Float[Tensor, " 67"]:
        """The factor of each joint."""
        return torch.tensor([self.groups[group_of(joint)].factor for joint in range(JOINTS)])


def load_joint_calibration(path: Path | None = None) -> JointCalibration:
    """The card that ships, or another one. Raises ConfigError in one line."""
    shipped = assets.folder("priors") / "uncertainty" / CARD
    return read_settings(path or shipped, JointCalibration)
