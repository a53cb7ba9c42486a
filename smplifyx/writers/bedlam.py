"""BEDLAM's npz, which CameraHMR, Multi-HMR and BEDLAM's own training read.

The body is SMPL-X with full hand angles in the camera's frame. The whole translation stands in
`cam_ext`, and `trans_cam` is zero: readers add it to a view of `cam_ext` each time a row is drawn.
The betas are eleven wide, as Multi-HMR wants them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..body.joints import BodyKind
from ..core.choices import Gender
from ..keypoints import names
from .confidences import squared_weight
from .dataset_format import FormatFacts
from .dataset_rows import BOX_MARGIN, DatasetRows
from .joint_orders import SMPLX_144, seen_index
from .npz_columns import NpzColumns, Table
from .reader_body import NEUTRAL_ONLY, ReaderBody

BETAS = 11
BODY_JOINTS = 24  # `gtkps`: the model's first joints, jaw and left eye among them
_LETTERS = {Gender.MALE: "m", Gender.FEMALE: "f", Gender.NEUTRAL: "neutral"}


def tables(rows: DatasetRows, reader: ReaderBody) -> dict[str, Table]:
    """The one file."""
    pose = rows.params.full_pose().flatten(1)  # root, body, jaw, eyes, hands: as BEDLAM has them
    count = len(rows)
    extrinsics = torch.eye(4).repeat(count, 1, 1)
    extrinsics[:, :3, 3] = rows.params.transl
    joints = rows.joints[:, :BODY_JOINTS]
    weight = squared_weight(rows.sigma[:, seen_index(SMPLX_144[:BODY_JOINTS])])
    points = torch.cat([rows.project(joints), weight[..., None]], -1)
    columns = {
        "imgname": np.array(rows.images),
        "center": rows.centers,
        "scale": rows.box_sides / 200,
        "pose_cam": pose,
        "pose_world": pose,
        "shape": reader.betas(rows, BETAS),
        "trans_cam": torch.zeros(count, 3),
        "cam_ext": extrinsics,
        "cam_int": rows.camera.K,
        "gtkps": points,
        **_hand_boxes(rows, "lh", names.LEFT_HAND),
        **_hand_boxes(rows, "rh", names.RIGHT_HAND),
        "gender": np.array([_LETTERS[gender] for gender in rows.genders]),
    }
    return {".npz": Table({name: np.asarray(value) for name, value in columns.items()}, rows)}


def _hand_boxes(rows: DatasetRows, name: str, hand: slice) -> dict[str, Tensor]:
    """Centre and side / 200 of the box around a hand of the body, pixels: CameraHMR crops it."""
    points = rows.project(rows.model_points[:, hand])
    low, high = points.amin(1), points.amax(1)
    side = (high - low).amax(-1) * BOX_MARGIN
    return {f"{name}_c": (low + high) / 2, f"{name}_s": side / 200}


BEDLAM = NpzColumns(
    FormatFacts(
        name="bedlam",
        about="BEDLAM, CameraHMR, Multi-HMR: SMPL-X npz with camera",
        kind=BodyKind.SMPLX,
        genders=NEUTRAL_ONLY,
        suffix=".npz",
        marks_shape=False,  # a trainer takes zeros for the mean body
        shuffled=True,
    ),
    tables,
)
