"""NeuralAnnot's JSON of fits and the COCO-WholeBody file beside it, for Hand4Whole, OSX and kin.

The fits go to the target, by annotation; images and annotations with the keypoints that were
detected go to `TARGET_coco.json`. An annotation's id is its row plus one, an image's that of its
first person.
"""

from __future__ import annotations

from types import MappingProxyType

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body.joints import BodyKind
from ..keypoints import names
from ..keypoints.confidence import CONFIDENT
from .dataset_format import FormatFacts
from .dataset_rows import DatasetRows
from .json_items import JsonFrame, JsonItems, compact, numbers
from .reader_body import NEUTRAL_ONLY, ReaderBody

BETAS = 10
EXPRESSIONS = 10
COCO_17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
FEET = tuple(
    f"{side}_{point}" for side in ("left", "right") for point in ("big_toe", "small_toe", "heel")
)
_FACE_68 = slice(names.FACE.start, names.FACE.start + 68)  # without pupils
_VISIBLE = 2  # COCO's word for a point that is seen
_CATEGORIES = compact([{"id": 1, "name": "person", "supercategory": "person"}])


def items(rows: DatasetRows, reader: ReaderBody) -> dict[str, list[str]]:
    """What both files hold of a block."""
    images = _image_ids(rows)
    return {
        "fits": [
            f'"{rows.first + row + 1}":{compact(fit)}'
            for row, fit in enumerate(_fits(rows, reader))
        ],
        "images": [
            compact(_image(rows, row, id))
            for row, id in enumerate(images)
            if id == rows.first + row + 1  # its first person
        ],
        "annotations": [compact(one) for one in _annotations(rows, images)],
    }


def _image_ids(rows: DatasetRows) -> list[int]:
    """Of each person's image: people of one are neighbours, and in one block."""
    ids: list[int] = []
    stems = [person.id.rpartition("/")[0] for person in rows.people]
    for row, stem in enumerate(stems):
        is_same = row > 0 and stem == stems[row - 1]
        ids.append(ids[-1] if is_same else rows.first + row + 1)
    return ids


def _fits(rows: DatasetRows, reader: ReaderBody) -> list[dict[str, object]]:
    """A part that was not seen is told as the mean one, for readers that look at no flag."""
    params = rows.params
    left, right = reader.hands_about_mean(rows)
    parts = {
        "root_pose": params.global_orient,
        "body_pose": params.body_pose,
        "shape": reader.betas(rows, BETAS),
        "trans": params.transl,
        "lhand_pose": left * rows.left_hand_valid[:, None],
        "rhand_pose": right * rows.right_hand_valid[:, None],
        "jaw_pose": params.jaw_pose * rows.face_valid[:, None],
        "expr": rows.expressions(EXPRESSIONS) * rows.face_valid[:, None],
    }
    flags = _flags(rows, "lhand_valid", "rhand_valid")
    return [
        {
            "smplx_param": {name: numbers(values[row]) for name, values in parts.items()}
            | flags[row],
            "cam_param": {
                "focal": numbers(rows.camera.focal[row]),
                "princpt": numbers(rows.camera.center[row]),
            },
        }
        for row in range(len(rows))
    ]


def _flags(rows: DatasetRows, left: str, right: str) -> list[dict[str, object]]:
    """Which parts were seen, hands by these names."""
    valid = {
        left: rows.left_hand_valid,
        right: rows.right_hand_valid,
        "face_valid": rows.face_valid,
    }
    return [{name: bool(values[row]) for name, values in valid.items()} for row in range(len(rows))]


def _image(rows: DatasetRows, row: int, id: int) -> dict[str, object]:
    width, height = rows.camera.image_size[row].round().int().tolist()
    return {"id": id, "file_name": rows.images[row], "height": height, "width": width}


def _annotations(rows: DatasetRows, images: list[int]) -> list[dict[str, object]]:
    """Keypoints as they were detected, those that were seen well."""
    seen = rows.keypoints.confidence > CONFIDENT
    points = {
        "keypoints": _points(rows, seen, [names.POINT_INDEX[name] for name in COCO_17]),
        "foot_kpts": _points(rows, seen, [names.POINT_INDEX[name] for name in FEET]),
        "lefthand_kpts": _points(rows, seen, names.LEFT_HAND),
        "righthand_kpts": _points(rows, seen, names.RIGHT_HAND),
        "face_kpts": _points(rows, seen, _FACE_68),
    }
    boxes = {
        "bbox": rows.within_image(rows.boxes),
        "lefthand_box": _box(rows, names.LEFT_HAND, rows.left_hand_valid),
        "righthand_box": _box(rows, names.RIGHT_HAND, rows.right_hand_valid),
        "face_box": _box(rows, names.FACE, rows.face_valid),
    }
    told = points | boxes
    flags = _flags(rows, "lefthand_valid", "righthand_valid")
    counts = (points["keypoints"][..., 2] > 0).sum(1).tolist()
    return [
        {
            "id": rows.first + row + 1,
            "image_id": images[row],
            "category_id": 1,
            "iscrowd": 0,
            "num_keypoints": counts[row],
        }
        | {name: numbers(values[row]) for name, values in told.items()}
        | flags[row]
        for row in range(len(rows))
    ]


def _points(
    rows: DatasetRows, seen: Bool[Tensor, "n 137"], index: slice | list[int]
) -> Float[Tensor, "n p 3"]:
    """x, y, visibility; zeros for a point that was not seen."""
    visible = seen[:, index][..., None].float()
    return torch.cat([rows.keypoints.xy[:, index] * visible, visible * _VISIBLE], -1)


def _box(rows: DatasetRows, part: slice, valid: Bool[Tensor, " n"]) -> Float[Tensor, "n 4"]:
    return rows.within_image(rows.boxes_of(part)) * valid[:, None]


NEURALANNOT = JsonItems(
    FormatFacts(
        name="neuralannot",
        about="Hand4Whole, OSX: NeuralAnnot's JSON and a COCO-WholeBody file",
        kind=BodyKind.SMPLX,
        genders=NEUTRAL_ONLY,
        suffix=".json",
    ),
    frames=MappingProxyType(
        {
            ".json": JsonFrame({"fits": "{\n"}, "\n}\n"),
            "_coco.json": JsonFrame(
                {"images": '{"images":[\n', "annotations": '\n],"annotations":[\n'},
                f'\n],"categories":{_CATEGORIES}}}\n',
            ),
        }
    ),
    items=items,
)
