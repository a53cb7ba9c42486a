"""HumanData, the npz of mmhuman3d, which SMPLer-X, SMPLest-X and AiOS train on.

Their readers have one mask of points for a whole file and write into it what the hands of each row
say, so the last row decides for all: people with both hands and all others get a file each. Where
there are no hands their poses are not in the file at all, which every reader takes for "not told".

The points are the body's own as readers pose it (eyes look ahead, a face or hand that was not seen
is the mean one), in the first 144 of HUMAN_DATA's 190 places.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..body.joints import BodyKind
from ..body.params import BodyParams
from ..keypoints import names
from .confidences import squared_weight
from .dataset_format import FormatFacts
from .dataset_rows import BOX_MARGIN, DatasetRows
from .joint_orders import SMPLX_144, seen_index, smplx_144
from .npz_columns import NpzColumns, Table
from .reader_body import NEUTRAL_ONLY, ReaderBody

HANDS, NO_HANDS = "_hands.npz", "_nohands.npz"
SLOTS = 190
BETAS = 10
EXPRESSIONS = 10
FINGERS = (*range(25, 55), *range(66, 76))  # places of SMPLX_144, the tips among them
FACE = slice(76, 144)
_UNTOLD = SLOTS - len(SMPLX_144)


def tables(rows: DatasetRows, reader: ReaderBody) -> dict[str, Table]:
    """Both files."""
    has_hands = rows.left_hand_valid & rows.right_hand_valid
    seen = rows.posed(_as_readers_pose(rows, reader))
    left, right = reader.hands_about_mean(rows)
    eyes = {
        "smplx/leye_pose": rows.params.leye_pose,
        "smplx/reye_pose": rows.params.reye_pose,
    }
    columns = _columns(seen, reader) | eyes
    hands = {
        "smplx/left_hand_pose": left.unflatten(1, (15, 3)),
        "smplx/right_hand_pose": right.unflatten(1, (15, 3)),
    }
    without = dict(columns)
    for name in ("keypoints2d_smplx", "keypoints3d_smplx"):
        without[name] = columns[name].clone()
        without[name][:, FINGERS] = 0
    return {
        HANDS: _table({**columns, **hands}, rows, has_hands.numpy()),
        NO_HANDS: _table(without, rows, ~has_hands.numpy()),
    }


def _table(columns: dict[str, Tensor], rows: DatasetRows, index: np.ndarray) -> Table:
    texts = {
        "image_path": np.array(rows.images, dtype=str),
        "meta/gender": np.array([gender.value for gender in rows.genders], dtype=str),
    }
    arrays = texts | {name: column.numpy() for name, column in columns.items()}
    chosen = {name: array[index] for name, array in arrays.items()}
    return Table(chosen, rows[torch.from_numpy(index)])


def _as_readers_pose(rows: DatasetRows, reader: ReaderBody) -> BodyParams:
    """What readers make of the parameters, apart from betas that they cannot use."""
    params = rows.params
    has_hands = (rows.left_hand_valid & rows.right_hand_valid)[:, None, None]
    face = rows.face_valid[:, None]
    left_mean, right_mean = reader.hand_means(rows)
    return params.replace(
        leye_pose=torch.zeros_like(params.leye_pose),
        reye_pose=torch.zeros_like(params.reye_pose),
        jaw_pose=params.jaw_pose * face,
        expression=params.expression * face,
        left_hand_pose=torch.where(
            has_hands, params.left_hand_pose, left_mean.unflatten(1, (15, 3))
        ),
        right_hand_pose=torch.where(
            has_hands, params.right_hand_pose, right_mean.unflatten(1, (15, 3))
        ),
    )


def _columns(rows: DatasetRows, reader: ReaderBody) -> dict[str, Tensor]:
    """All but hands, eyes and texts."""
    params, camera = rows.params, rows.camera
    points3d, points2d = _points(rows)
    size = camera.image_size.round().to(torch.int32)
    always = torch.ones(len(rows), dtype=torch.bool)
    return {
        "bbox_xywh": _boxes(rows, slice(None), BOX_MARGIN, always),
        "lhand_bbox_xywh": _boxes(rows, names.LEFT_HAND, 1.0, rows.left_hand_valid),
        "rhand_bbox_xywh": _boxes(rows, names.RIGHT_HAND, 1.0, rows.right_hand_valid),
        "face_bbox_xywh": _boxes(rows, names.FACE, 1.0, rows.face_valid),
        "keypoints2d_smplx": points2d,
        "keypoints3d_smplx": points3d,
        "smplx/global_orient": params.global_orient,
        "smplx/body_pose": params.body_pose,
        "smplx/jaw_pose": params.jaw_pose,
        "smplx/betas": reader.betas(rows, BETAS),
        "smplx/betas_extra": rows.age,  # SMPLest-X leaves out whoever has one: children
        "smplx/expression": rows.expressions(EXPRESSIONS),
        "smplx/transl": params.transl,
        "meta/height": size[:, 1],
        "meta/width": size[:, 0],
        "meta/focal_length": camera.focal,
        "meta/principal_point": camera.center,
    }


def _points(rows: DatasetRows) -> tuple[Float[Tensor, "n 190 4"], Float[Tensor, "n 190 3"]]:
    """Points and weights, metres in the camera's frame and pixels."""
    points3d = smplx_144(rows)
    known = ~points3d.isnan().any(-1)
    weight = squared_weight(rows.sigma[:, seen_index(SMPLX_144)]) * known
    weight[:, FACE] *= rows.face_valid[:, None]
    points2d = rows.project(points3d)
    pad = torch.nn.functional.pad
    return (
        pad(torch.cat([points3d, weight[..., None]], -1).nan_to_num(), (0, 0, 0, _UNTOLD)),
        pad(torch.cat([points2d, weight[..., None]], -1).nan_to_num(), (0, 0, 0, _UNTOLD)),
    )


def _boxes(rows: DatasetRows, part: slice, margin: float, valid: Tensor) -> Float[Tensor, "n 5"]:
    """The box about the seen points of a part, enlarged about its middle, and whether it is one."""
    box = rows.boxes_of(part)
    size = box[:, 2:] * margin
    middle = box[:, :2] + box[:, 2:] / 2
    inside = rows.within_image(torch.cat([middle - size / 2, size], -1))
    return torch.cat([inside, torch.ones_like(inside[:, :1])], -1) * valid[:, None]


def _mask(left_out: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(SLOTS, np.uint8)
    mask[: len(SMPLX_144)] = 1
    mask[list(left_out)] = 0
    return mask


def _constants(left_out: tuple[int, ...]) -> dict[str, object]:
    return {
        "keypoints2d_smplx_mask": _mask(left_out),
        "keypoints3d_smplx_mask": _mask(left_out),
        "misc": {
            "flat_hand_mean": False,  # trainers read no flag, and add the mean
            "bbox_source": "keypoints2d_original",
            "bbox_body_scale": BOX_MARGIN,
            "bbox_facehand_scale": 1.0,
            "smplx_source": "smplifyx",
            "cam_param_type": "perspective",
            "kps3d_root_aligned": False,
        },
        "__key_strict__": False,
        "__keypoints_compressed__": False,
    }


HUMANDATA = NpzColumns(
    FormatFacts(
        name="humandata",
        about="mmhuman3d, SMPLer-X, SMPLest-X: HumanData, a file with hands, one without",
        kind=BodyKind.SMPLX,
        genders=NEUTRAL_ONLY,
        suffix=".npz",
    ),
    tables,
    constants=MappingProxyType({HANDS: _constants(()), NO_HANDS: _constants(FINGERS)}),
    row_counts=("__data_len__", "__temporal_len__"),
)
