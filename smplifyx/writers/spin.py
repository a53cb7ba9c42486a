"""SPIN's npz of a data set, and beside it the fits with which its training begins.

The body is SMPL in the camera's frame, without a translation or a camera: SPIN finds those from
the points. `has_smpl` tells it which bodies are to be believed as they are; of the others it
takes the fit while it explains the points, and looks for a better one.
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
from .spin_points import OPENPOSE_25, SPIN_24, SpinPoints, smpl_pose

BETAS = 10
_HIPS = [SPIN_24.index(name) for name in ("right_hip_lsp", "left_hip_lsp")]


def tables(rows: DatasetRows, reader: ReaderBody) -> dict[str, Table]:
    """The data set, and its fits."""
    pose = smpl_pose(rows)
    betas = reader.betas(rows, BETAS)
    believed = reader.shape_holds(rows) & rows.body_valid
    points = SpinPoints.of(rows, reader)[len(OPENPOSE_25) :]
    weight = squared_weight(points.sigma) * points.known
    # the reader measures from between the hips: where these are not known, nothing is
    placed = points.known & points.known[:, _HIPS].all(-1, keepdim=True)
    seen = rows.keypoints
    detected = torch.cat([seen.xy, seen.confidence[..., None]], -1)[:, : len(OPENPOSE_25)]
    columns = {
        "imgname": np.array(rows.images),
        "center": rows.centers,
        "scale": rows.box_sides / 200,
        "part": torch.cat([points.points2d, weight[..., None]], -1),
        "openpose": detected.float(),
        "pose": pose,
        "shape": betas,
        "has_smpl": believed.float(),
        "S": torch.cat([points.points3d, placed[..., None].float()], -1),
    }
    fits = {"fits": torch.cat([pose, betas], 1).numpy()}
    data = {name: np.asarray(value) for name, value in columns.items()}
    return {".npz": Table(data, rows), "_fits.npy": Table(fits, rows)}


SPIN = NpzColumns(
    FormatFacts(
        name="spin",
        about="SPIN and its heirs: SMPL npz, and the fits to begin with",
        kind=BodyKind.SMPL,
        genders=NEUTRAL_ONLY,  # training knows no other, whatever `gender` says
        suffix=".npz",
        regressed=True,
    ),
    tables,
)
