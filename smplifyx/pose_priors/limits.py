"""How far each body and finger joint can turn: tables in `priors/`, right side mirrored from the
left.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import yaml
from jaxtyping import Float, Int
from torch import Tensor

from ..body.joints import BODY_POSE_JOINTS, JOINT_NAMES
from ..core import assets

AXES = "xyz"
HAND_POSE_JOINTS = JOINT_NAMES[25:]  # those of `left_hand_pose`, then those of `right_hand_pose`
HAND_ANGLES = 45


@dataclass(frozen=True, eq=False)
class JointLimits:
    """Bounds on the 63 body angles, or on the 45 of a hand: angle `at` lies in [lower, upper]
    radians.

    A violation counts in units of `softness`.
    """

    at: Int[Tensor, " rows"]
    lower: Float[Tensor, " rows"]
    upper: Float[Tensor, " rows"]
    softness: Float[Tensor, " rows"]

    def inside(self, pose: Float[Tensor, "*batch joints 3"]) -> Tensor:
        """Whether every bounded angle of a body or hand pose is within its range: bool [*batch]."""
        angles = pose.flatten(-2)[..., self.at]
        return ((angles >= self.lower) & (angles <= self.upper)).all(-1)


def body_limits(like: Tensor, path: Path | None = None) -> JointLimits:
    """The limits of the table at `path` (None: the one that ships), with the dtype and device of
    `like`.

    Raises ValueError naming the joint and axis of a row that is unknown, empty or not soft.
    """
    rows = _table(path or assets.folder("priors") / "pose" / "limits.yaml", BODY_POSE_JOINTS)
    return _limits(rows, like.dtype, like.device)


def hand_limits(like: Tensor, path: Path | None = None) -> tuple[JointLimits, JointLimits]:
    """The limits of the left and the right hand, each over its own 45 angles; else as
    `body_limits`.
    """
    rows = _table(path or assets.folder("priors") / "hands" / "limits.yaml", HAND_POSE_JOINTS)
    left = tuple(row for row in rows if row[0] < HAND_ANGLES)
    right = tuple((at - HAND_ANGLES, *bounds) for at, *bounds in rows if at >= HAND_ANGLES)
    return _limits(left, like.dtype, like.device), _limits(right, like.dtype, like.device)


@lru_cache(maxsize=16)  # every stage asks
def _limits(
    rows: tuple[tuple[int, float, float, float], ...], dtype: torch.dtype, device: torch.device
) -> JointLimits:
    at, *bounds = zip(*rows, strict=True)
    values = (torch.tensor(column, dtype=dtype, device=device) for column in bounds)
    return JointLimits(torch.tensor(at, device=device), *values)


@lru_cache(maxsize=4)
def _table(path: Path, joints: tuple[str, ...]) -> tuple[tuple[int, float, float, float], ...]:
    """The rows of a table, sorted; read once, since every stage of every batch asks."""
    table = yaml.safe_load(path.read_text())["joints"]
    rows = (
        _rows(joint, axis, entry, joints)
        for joint, axes in table.items()
        for axis, entry in axes.items()
    )
    return tuple(sorted(itertools.chain.from_iterable(rows)))


def _rows(
    joint: str, axis: str, entry: dict, joints: tuple[str, ...]
) -> list[tuple[int, float, float, float]]:
    """One row for a joint in the middle; two for a left one, the right mirrored: x kept, y and z
    negated.
    """
    low, high, softness = (float(entry[key]) for key in ("min", "max", "softness"))
    if joint not in joints or joint.startswith("right_") or axis not in AXES:
        raise ValueError(
            f"joint limits: no degree of freedom {joint!r} {axis!r} on the left side or in the middle"
        )
    if not low < high or softness <= 0:
        raise ValueError(f"joint limits: {joint} {axis}: needs min < max and softness > 0")
    at = 3 * joints.index(joint) + AXES.index(axis)
    rows = [(at, low, high, softness)]
    if joint.startswith("left_"):
        other = 3 * joints.index(joint.replace("left_", "right_")) + AXES.index(axis)
        rows.append((other, low, high, softness) if axis == "x" else (other, -high, -low, softness))
    return rows
