"""EFT's JSON: SMPL bodies as rotation matrices, before an orthographic camera of the box.

The camera has a scale and a shift for a crop of the box to -1..1, and no depth. A body that was
fitted in perspective is off by what depth does: scale and shift are the best for its joints, and
`residual_px` tells what is left.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.joints import BodyKind
from ..core import rotations
from ..keypoints import names
from ..keypoints.confidence import SEEN
from .dataset_format import FormatFacts
from .dataset_rows import DatasetRows
from .json_items import JsonFrame, JsonItems, compact
from .reader_body import NEUTRAL_ONLY, ReaderBody
from .spin_points import smpl_pose

BETAS = 10
_DATA = "data"
_OPENPOSE_18 = [names.POINT_INDEX[name] for name in names.BODY_NAMES[:19] if name != "mid_hip"]


class BoxCamera(NamedTuple):
    """p = scale xy + shift: from metres of a body to -1..1 of its box.

    residual: how far joints are from where perspective has them, root of the mean square, pixels.
    """

    scale: Float[Tensor, " n"]
    shift: Float[Tensor, "n 2"]
    residual: Float[Tensor, " n"]


def box_camera(rows: DatasetRows) -> BoxCamera:
    """The best camera for each person's joints, by least squares."""
    half = rows.box_sides[:, None, None].clamp(min=1.0) / 2
    wanted = (rows.project(rows.joints) - rows.centers[:, None]) / half
    given = rows.joints[..., :2] - rows.params.transl[:, None, :2]
    given_mean, wanted_mean = given.mean(1), wanted.mean(1)
    about, aim = given - given_mean[:, None], wanted - wanted_mean[:, None]
    scale = (about * aim).sum((1, 2)) / (about * about).sum((1, 2))
    off = (scale[:, None, None] * about - aim) * half
    return BoxCamera(
        scale=scale,
        shift=wanted_mean - scale[:, None] * given_mean,
        residual=torch.square(off).sum(-1).mean(1).sqrt(),
    )


def items(rows: DatasetRows, reader: ReaderBody) -> dict[str, list[str]]:
    """The people."""
    matrices = rotations.exp(smpl_pose(rows).unflatten(1, (24, 3)))
    betas = reader.betas(rows, BETAS)
    camera = box_camera(rows)
    seen = (rows.keypoints.confidence[:, _OPENPOSE_18] > SEEN).float()
    texts: list[str] = []
    for number, person in enumerate(rows.people):
        scale, shift = camera.scale[number, None], camera.shift[number]
        item = {
            "parm_pose": matrices[number].tolist(),
            "parm_shape": betas[number].tolist(),
            "parm_cam": torch.cat([scale, shift]).tolist(),
            "bbox_scale": float(rows.box_sides[number]) / 200,
            "bbox_center": rows.centers[number].tolist(),
            "joint_validity_openpose18": seen[number].tolist(),
            "smpltype": "smpl",
            "annotId": rows.first + number,
            "imageName": PurePosixPath(person.image).name,
            "subjectId": person.id,
            "residual_px": round(float(camera.residual[number]), 3),
        }
        texts.append(compact(item))
    return {_DATA: texts}


EFT = JsonItems(
    FormatFacts(
        name="eft",
        about="EFT: SMPL JSON with an orthographic camera",
        kind=BodyKind.SMPL,
        genders=NEUTRAL_ONLY,
        suffix=".json",
        marks_shape=False,  # a reader takes zeros for the mean body
    ),
    frames={".json": JsonFrame({_DATA: '{"ver":0.1,"data":[\n'}, "\n]}\n")},
    items=items,
)
