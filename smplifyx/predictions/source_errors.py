"""How far each network's predictions are off, as measured: the cards in `priors/predictions/`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from ..body.joints import BODY_POSE_JOINTS
from ..config import Settings, read_settings
from ..core import assets
from ..evidence.pose_estimate import BONES
from ..keypoints import names

DEFAULT = "default"  # the card of networks that have none
HAND = "hand"
_Metres = Annotated[float, pydantic.Field(gt=0, le=2)]
_Degrees = Annotated[float, pydantic.Field(gt=0, le=180)]


def _sideless(name: str) -> str:
    return name.removeprefix("left_").removeprefix("right_")


def _kind_of(bone: int) -> str:
    end = BONES[bone][0]
    return HAND if end >= names.BODY.stop else _sideless(names.POINT_NAMES[end])


BONE_KINDS = tuple(_kind_of(bone) for bone in range(len(BONES)))
JOINT_KINDS = tuple(_sideless(name) for name in BODY_POSE_JOINTS)


class SourceErrors(Settings):
    """A card: where the numbers come from, and one standard deviation of each bone and joint.

    bones: metres across and along the view, of the bone that ends there; `hand`: from the wrist to
    any point of a hand. rotations: degrees about each axis; none for networks that tell points
    alone. enlarged: factor on them in a fit; more than 1 where the network errs as the fit does
    without it, so that the two are no independent measurements. A card may hold more, which nothing
    here reads.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    what: str
    source: str
    licence: str
    command: str
    enlarged: float = pydantic.Field(default=1.0, ge=1, le=100)
    bones: dict[str, tuple[_Metres, _Metres]]
    rotations: dict[str, _Degrees] = {}

    @pydantic.field_validator("bones")
    @classmethod
    def _every_bone(cls, given: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        return _complete(given, BONE_KINDS)

    @pydantic.field_validator("rotations")
    @classmethod
    def _every_joint(cls, given: dict[str, float]) -> dict[str, float]:
        return _complete(given, JOINT_KINDS) if given else given

    @property
    def across(self) -> Float[Tensor, " 44"]:
        """Of each bone, in the picture's plane, metres."""
        return torch.tensor([self.bones[kind][0] for kind in BONE_KINDS])

    @property
    def depth(self) -> Float[Tensor, " 44"]:
        """Of each bone, along the view, metres."""
        return torch.tensor([self.bones[kind][1] for kind in BONE_KINDS])

    @property
    def turns(self) -> Float[Tensor, " 21"]:
        """Of each body joint, radians; NaN where the card has none."""
        if not self.rotations:
            return torch.full((len(JOINT_KINDS),), torch.nan)
        degrees = torch.tensor([self.rotations[kind] for kind in JOINT_KINDS])
        return torch.deg2rad(degrees)


def load_source_errors(system: str) -> SourceErrors:
    """The card of a network, or that of those of which nothing was measured.

    Raises ConfigError for a card that cannot be read.
    """
    path = assets.folder("priors") / "predictions" / f"{Path(system).name}.yaml"
    if not path.is_file():
        path = path.with_name(f"{DEFAULT}.yaml")
    return read_settings(path, SourceErrors)


def _complete(given: dict, wanted: tuple[str, ...]) -> dict:
    if given.keys() != set(wanted):
        raise ValueError(f"expected {', '.join(dict.fromkeys(wanted))}, got {', '.join(given)}")
    return given
