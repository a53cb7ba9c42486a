"""How far each body joint can turn: the table `priors/pose/limits.yaml`, right side mirrored from the left."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import yaml
from jaxtyping import Float, Int
from torch import Tensor

from .. import assets
from ..body.joints import JOINT_NAMES

AXES = "xyz"
BODY_POSE_JOINTS = JOINT_NAMES[1:22]  # the joints of `BodyParams.body_pose`


@dataclass(frozen=True, eq=False)
class JointLimits:
    """Bounds on body angles: angle `at` of the 63 lies in [lower, upper] radians; a violation counts in `softness`."""

    at: Int[Tensor, " rows"]
    lower: Float[Tensor, " rows"]
    upper: Float[Tensor, " rows"]
    softness: Float[Tensor, " rows"]

    def inside(self, body_pose: Float[Tensor, "*batch 21 3"]) -> Tensor:
        """Whether every bounded angle of a pose is within its range: bool [*batch]."""
        angles = body_pose.flatten(-2)[..., self.at]
        return ((angles >= self.lower) & (angles <= self.upper)).all(-1)


def body_limits(like: Tensor, path: Path | None = None) -> JointLimits:
    """The limits of the table at `path` (None: the one that ships), with the dtype and device of `like`.

    Raises ValueError naming the joint and axis of a row that is unknown, empty or not soft.
    """
    rows = _table(path or assets.folder("priors") / "pose" / "limits.yaml")
    at, lower, upper, softness = zip(*rows, strict=True)
    values = (like.new_tensor(column) for column in (lower, upper, softness))
    return JointLimits(torch.tensor(at, device=like.device), *values)


@lru_cache(maxsize=4)
def _table(path: Path) -> tuple[tuple[int, float, float, float], ...]:
    """The rows of a table, sorted; read once, since every stage of every batch asks."""
    table = yaml.safe_load(path.read_text())["joints"]
    return tuple(
        sorted(
            row for joint, axes in table.items() for axis, entry in axes.items() for row in _rows(joint, axis, entry)
        )
    )


def _rows(joint: str, axis: str, entry: dict) -> list[tuple[int, float, float, float]]:
    """One row for a joint in the middle; two for a left one, the right mirrored: x kept, y and z negated."""
    low, high, softness = (float(entry[key]) for key in ("min", "max", "softness"))
    if joint not in BODY_POSE_JOINTS or joint.startswith("right_") or axis not in AXES:
        raise ValueError(f"joint limits: no degree of freedom {joint!r} {axis!r} on the left side or in the middle")
    if not low < high or softness <= 0:
        raise ValueError(f"joint limits: {joint} {axis}: needs min < max and softness > 0")
    rows = [(_index(joint, axis), low, high, softness)]
    if joint.startswith("left_"):
        other = _index(joint.replace("left_", "right_"), axis)
        rows.append((other, low, high, softness) if axis == "x" else (other, -high, -low, softness))
    return rows


def _index(joint: str, axis: str) -> int:
    return 3 * BODY_POSE_JOINTS.index(joint) + AXES.index(axis)
