"""CameraHMR's npz of SMPL bodies, as its trainer reads what CamSMPLify has fitted.

`scale` is the box's side / 200, as the trainer has it; CamSMPLify itself counts pixels there. The
44 points of `gtkps` are those of 4D-Humans, whose order the trainer flips them by.
"""

from __future__ import annotations

import numpy as np
import torch

from ..body.joints import BodyKind
from .confidences import squared_weight
from .dataset_format import FormatFacts
from .dataset_rows import DatasetRows
from .npz_columns import NpzColumns, Table
from .reader_body import NEUTRAL_ONLY, ReaderBody
from .spin_points import SpinPoints, smpl_pose

BETAS = 10
POINTS = 44


def tables(rows: DatasetRows, reader: ReaderBody) -> dict[str, Table]:
    """The one file."""
    extrinsics = torch.eye(4).repeat(len(rows), 1, 1)
    extrinsics[:, :3, 3] = rows.params.transl
    points = SpinPoints.of(rows, reader)[:POINTS]
    weight = squared_weight(points.sigma) * points.known
    columns = {
        "imgname": np.array(rows.images),
        "center": rows.centers,
        "scale": rows.box_sides / 200,
        "pose": smpl_pose(rows),
        "shape": reader.betas(rows, BETAS),
        "cam_int": rows.camera.K,
        "cam_ext": extrinsics,  # the trainer's translation
        "cam_t": rows.params.transl,  # the fitter's
        "gtkps": torch.cat([points.points2d, weight[..., None]], -1),
    }
    return {".npz": Table({name: np.asarray(value) for name, value in columns.items()}, rows)}


CAMSMPLIFY = NpzColumns(
    FormatFacts(
        name="camsmplify",
        about="CameraHMR: SMPL npz with camera",
        kind=BodyKind.SMPL,
        genders=NEUTRAL_ONLY,
        suffix=".npz",
        marks_shape=False,  # the trainer takes zeros for the mean body
        regressed=True,
    ),
    tables,
)
