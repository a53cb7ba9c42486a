"""The table of the tracks of a fitted video: from when to when, and how evenly they move."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..body import skinning
from ..body.model import BodyModel
from ..core.messages import cell
from ..core.npz import replacing
from ..evaluation.metrics import BODY_JOINTS
from ..evaluation.motion import acceleration, foot_sliding_mm, jitter, seam_ratio
from ..fitting.result import FitResult
from ..keypoints import names

FEET = tuple(
    names.POINT_INDEX[f"{side}_{point}"]
    for side in ("left", "right")
    for point in ("heel", "big_toe", "small_toe")
)


@dataclass(frozen=True)
class TrackLine:
    """One line of tracks.csv.

    clip: what the names of the frames have in common. first, last: numbers of frames. frames: how
    many the track has; filled: in how many of them nobody saw the person. accel_m_s2, jitter_m_s3:
    mean sizes of the second and third differences of the 22 body joints, in the camera's frame.
    foot_sliding_mm: how far points of feet that stand move from frame to frame. seam_ratio: of the
    accelerations where chunks join to those elsewhere. NaN: cannot be told.
    """

    track: int
    clip: str
    first: int
    last: int
    frames: int
    filled: int
    gender: str = ""
    age: str = ""
    stature_m: float = math.nan
    accel_m_s2: float = math.nan
    jitter_m_s3: float = math.nan
    foot_sliding_mm: float = math.nan
    seam_ratio: float = math.nan


@dataclass(frozen=True, eq=False)
class Movement:
    """Where the joints and the feet of a person are in frames that follow one another, metres."""

    joints: Float[Tensor, "frames 22 3"]
    feet: Float[Tensor, "frames 6 3"]

    @classmethod
    def of(cls, results: FitResult, body: BodyModel) -> Movement:
        """Of fitted frames [frames]."""
        like = body.v_template
        params = results.params.to(device=like.device, dtype=like.dtype)
        joints = skinning.joints(body, params)[:, :BODY_JOINTS]
        return cls(joints.cpu(), results.points3d[:, FEET, :].cpu())

    @classmethod
    def cat(cls, parts: Sequence[Movement]) -> Movement:
        """One after the other."""
        joints = torch.cat([part.joints for part in parts])
        return cls(joints, torch.cat([part.feet for part in parts]))


def measured(line: TrackLine, movement: Movement, joins: Sequence[int], fps: float) -> TrackLine:
    """The line with how the person moves. joins: the first frames of all chunks but the first."""
    sizes = acceleration(movement.joints, fps)
    return replace(
        line,
        accel_m_s2=float(sizes.mean()) if len(sizes) else math.nan,
        jitter_m_s3=jitter(movement.joints, fps),
        foot_sliding_mm=foot_sliding_mm(movement.feet, fps),
        seam_ratio=seam_ratio(movement.joints, joins, fps),
    )


def write_tracks(path: Path, lines: Sequence[TrackLine]) -> None:
    """Writes the table. Raises OSError where that cannot be."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow([field.name for field in fields(TrackLine)])
        for line in lines:
            table.writerow([_cell(value) for value in astuple(line)])


def _cell(value: str | int | float) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return cell(str(value))
