"""The npz of 4D-Humans (HMR2): SMPL in the camera's frame, with points in pixels and metres.

The box's side is in pixels here; the same program's tar shards have it divided by 200.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..body.joints import BodyKind
from .confidences import linear_weight
from .dataset_format import FormatFacts
from .dataset_rows import DatasetRows
from .npz_columns import NpzColumns, Table
from .reader_body import NEUTRAL_ONLY, ReaderBody
from .spin_points import OPENPOSE_25, SPIN_24, SpinPoints, smpl_pose

BETAS = 10
LEAST_WEIGHT = 0.3  # the reader of shards takes smaller ones for 0
_EXTRA = 19  # of SPIN's 24: without nose, eyes and ears, which OpenPose's have
_POINTS = len(OPENPOSE_25) + _EXTRA
# The reader measures from this joint, which is a sum of vertices.
_PELVIS = len(OPENPOSE_25) + SPIN_24.index("pelvis_mpii")


class HumansPoints(NamedTuple):
    """The 44 points: pixels and metres in the camera's frame, each with a weight; zeros where a
    point is not known.
    """

    points2d: Float[Tensor, "n 44 3"]
    points3d: Float[Tensor, "n 44 4"]


def humans_points(rows: DatasetRows, reader: ReaderBody) -> HumansPoints:
    """What the reader compares its own joints with.

    Weights are 0 or at least LEAST_WEIGHT. Without the pelvis, no point in metres counts.
    """
    points = SpinPoints.of(rows, reader)[:_POINTS]
    weight = trusted(points)
    placed = weight * points.known[:, _PELVIS, None]
    return HumansPoints(
        points2d=torch.cat([points.points2d, weight[..., None]], -1),
        points3d=torch.cat([points.points3d, placed[..., None]], -1),
    )


def trusted(points: SpinPoints) -> Float[Tensor, "n k"]:
    """Weights for the reader's loss, which is linear: nothing counts a little by accident."""
    weight = linear_weight(points.sigma) * points.known
    return torch.where(weight < LEAST_WEIGHT, torch.zeros_like(weight), weight)


def tables(rows: DatasetRows, reader: ReaderBody) -> dict[str, Table]:
    """The one file."""
    points = humans_points(rows, reader)
    body = len(OPENPOSE_25)
    columns = {
        "imgname": np.array(rows.images),
        "center": rows.centers,
        "scale": rows.box_sides[:, None].repeat(1, 2),
        "body_pose": smpl_pose(rows),
        "has_body_pose": rows.body_valid.float(),
        "betas": reader.betas(rows, BETAS),
        "has_betas": (reader.shape_holds(rows) & rows.body_valid).float(),
        "body_keypoints_2d": points.points2d[:, :body],
        "extra_keypoints_2d": points.points2d[:, body:],
        "body_keypoints_3d": points.points3d[:, :body],
        "extra_keypoints_3d": points.points3d[:, body:],
    }
    return {".npz": Table({name: np.asarray(value) for name, value in columns.items()}, rows)}


FOUR_D_HUMANS = NpzColumns(
    FormatFacts(
        name="4d-humans",
        about="4D-Humans (HMR2): SMPL npz",
        kind=BodyKind.SMPL,
        genders=NEUTRAL_ONLY,
        suffix=".npz",
        regressed=True,
    ),
    tables,
)
