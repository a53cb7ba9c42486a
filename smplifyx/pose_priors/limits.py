"""How far each body and finger joint can turn: tables in `priors/`, right side mirrored from the
left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..body.joints import BODY_POSE_JOINTS, JOINT_NAMES
from ..core import assets
from ..core.yaml_files import read_yaml
from .hands import HAND_ANGLES

AXES = "xyz"
HAND_POSE_JOINTS = JOINT_NAMES[25:]  # those of `left_hand_pose`, then those of `right_hand_pose`


@dataclass(frozen=True, eq=False)
class JointLimits:
    """Bounds on the 63 body angles, or on the 45 of a hand: angle `at` lies in [lower, upper]
    radians.

    A violation counts in units of `softness` (radians).
    """

    at: Int[Tensor, " bounds"]
    lower: Float[Tensor, " bounds"]
    upper: Float[Tensor, " bounds"]
    softness: Float[Tensor, " bounds"]

    def inside(self, pose: Float[Tensor, "*batch joints 3"]) -> Bool[Tensor, "*batch"]:
        """Whether every bounded angle of a body or hand pose (radians) is within its range."""
        angles = pose.flatten(-2)[..., self.at]
        return ((angles >= self.lower) & (angles <= self.upper)).all(-1)


class _Bound(NamedTuple):
    """One line of a table: the range of one angle, radians; sorts by `at`, which is unique."""

    at: int
    lower: float
    upper: float
    softness: float


def body_limits(like: Tensor, path: Path | None = None) -> JointLimits:
    """The limits of the table at `path` (None: the one that ships), with the dtype and device of
    `like`.

    Raises ValueError naming the joint and axis of a line that is unknown, empty or not soft.
    """
    path = path or assets.folder("priors") / "pose" / "limits.yaml"
    return _limits(_table(path, BODY_POSE_JOINTS), like.dtype, like.device)


def hand_limits(like: Tensor, path: Path | None = None) -> tuple[JointLimits, JointLimits]:
    """The limits of the left and the right hand, each over its own 45 angles; else as
    `body_limits`.
    """
    path = path or assets.folder("priors") / "hands" / "limits.yaml"
    # The table counts the angles of both hands as one pose, the left hand's first.
    bounds = _table(path, HAND_POSE_JOINTS)
    left = tuple(bound for bound in bounds if bound.at < HAND_ANGLES)
    right = tuple(
        bound._replace(at=bound.at - HAND_ANGLES) for bound in bounds if bound.at >= HAND_ANGLES
    )
    return _limits(left, like.dtype, like.device), _limits(right, like.dtype, like.device)


@lru_cache(maxsize=16)  # by plain numbers, dtype and device: every stage asks
def _limits(bounds: tuple[_Bound, ...], dtype: torch.dtype, device: torch.device) -> JointLimits:
    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    return JointLimits(
        at=torch.tensor([bound.at for bound in bounds], dtype=torch.int64, device=device),
        lower=column([bound.lower for bound in bounds]),
        upper=column([bound.upper for bound in bounds]),
        softness=column([bound.softness for bound in bounds]),
    )


@lru_cache(maxsize=4)  # by the path: read once, since every stage of every batch asks
def _table(path: Path, joints: tuple[str, ...]) -> tuple[_Bound, ...]:
    """The bounds of a table, in the order of the angles of these joints."""
    content = read_yaml(path, ValueError)
    if not isinstance(content, dict) or not isinstance(content.get("joints"), dict):
        raise ValueError(f"{path}: not a table of joint limits: no mapping of joints")
    bounds: list[_Bound] = []
    for joint, axes in content["joints"].items():
        for axis, entry in axes.items():
            bounds += _bounds_of(joint, axis, entry, joints)
    return tuple(sorted(bounds))


def _bounds_of(
    joint: str, axis: str, entry: Mapping[str, float], joints: tuple[str, ...]
) -> list[_Bound]:
    """One bound for a joint in the middle; two for a left one, the right one's mirrored."""
    lower = float(entry["min"])
    upper = float(entry["max"])
    softness = float(entry["softness"])
    if joint not in joints or joint.startswith("right_") or axis not in AXES:
        raise ValueError(
            f"joint limits: no degree of freedom {joint!r} {axis!r} "
            "on the left side or in the middle"
        )
    if not lower < upper or softness <= 0:
        raise ValueError(f"joint limits: {joint} {axis}: needs min < max and softness > 0")

    at = 3 * joints.index(joint) + AXES.index(axis)
    bounds = [_Bound(at, lower, upper, softness)]
    if joint.startswith("left_"):
        other = joint.replace("left_", "right_")
        other_at = 3 * joints.index(other) + AXES.index(axis)
        # in the mirror a turn about x stays as it is, one about y or z goes the other way
        if axis == "x":
            bounds.append(_Bound(other_at, lower, upper, softness))
        else:
            bounds.append(_Bound(other_at, -upper, -lower, softness))
    return bounds
