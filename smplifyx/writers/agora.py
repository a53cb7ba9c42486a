"""Predictions for AGORA's evaluation: a pickle for each person.

The evaluation loads the body of the gender that is told, with `flat_hand_mean=False`, and aligns it
at the pelvis; `joints`, in pixels of an image of 3840 x 2160, say whose prediction it is. Children
have the model of their gender, girls the neutral one: these are given as a mesh instead.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..body import skinning
from ..body.joints import BodyKind
from ..core.choices import Gender
from . import old_pickle
from .dataset_format import FormatFacts
from .dataset_rows import DatasetPerson, DatasetRows
from .joint_orders import smplx_144
from .reader_body import ReaderBody
from .whole_files import WholeFiles

FOLDER = "predictions"  # where the check of the format looks, and takes all it finds
BETAS = 10
EXPRESSIONS = 10
MATCHED = 24  # joints by which a prediction finds its person
COMPARED = 127  # joints of a prediction that is a mesh
# AGORA's smaller images: the same names but for an ending, a third of the pixels
_SMALL = (1280, 720)
_SMALL_SUFFIX = "_1280x720"
_SMALL_FACTOR = 3.0


def write(rows: DatasetRows, reader: ReaderBody, folder: Path) -> None:
    """A file for each person."""
    params = _params(rows, reader)
    child_betas = torch.cat([params["betas"], rows.age[:, None]], 1)  # the last: how much of one
    joints = rows.project(rows.joints[:, :MATCHED]) * _to_full_size(rows)[:, None, None]
    all_joints = smplx_144(rows)[:, :COMPARED]
    (folder / FOLDER).mkdir()
    for row, person in enumerate(rows.people):
        own = {name: values[row : row + 1].numpy() for name, values in params.items()}
        told: dict[str, object] = {
            "joints": joints[row].numpy(),
            "params": own,
            "gender": person.body.gender.value,
        }
        if rows.age[row] != 0:
            own["betas"] = child_betas[row : row + 1].numpy()
            told |= {"kid_flag": True, "num_betas": BETAS + 1}
            if person.body.gender is Gender.FEMALE:
                told |= {"verts": _mesh(person), "allSmplJoints3d": all_joints[row].numpy()}
        name = f"{_image_name(person)}_personId_{person.id.rpartition('/')[2]}.pkl"
        (folder / FOLDER / name).write_bytes(old_pickle.dumps(told))


def _params(rows: DatasetRows, reader: ReaderBody) -> dict[str, Tensor]:
    return {
        "transl": rows.params.transl,
        **reader.pose_arguments(rows),
        "betas": reader.betas(rows, BETAS),
        "expression": rows.expressions(EXPRESSIONS),
    }


def _mesh(person: DatasetPerson) -> Float[np.ndarray, "v 3"]:
    params = person.result.params.to(dtype=torch.float32)
    return skinning.vertices(person.body.to(dtype=torch.float32), params).numpy()


def _to_full_size(rows: DatasetRows) -> Float[Tensor, " n"]:
    """What makes pixels of AGORA's small images those of its full ones; 1 for all other images."""
    is_small = (rows.camera.image_size == torch.tensor(_SMALL)).all(-1)
    return torch.where(is_small, _SMALL_FACTOR, 1.0)


def _image_name(person: DatasetPerson) -> str:
    """The image's name as the evaluation knows it, whatever folder it lies in."""
    stem = person.id.rpartition("/")[0]
    name = PurePosixPath(person.image).with_suffix("").as_posix() if person.image else stem
    return name.replace("/", "-").removesuffix(_SMALL_SUFFIX)


AGORA = WholeFiles(
    FormatFacts(
        name="agora",
        about="AGORA's evaluation: a prediction for each person, as a pickle",
        kind=BodyKind.SMPLX,
        marks_shape=False,  # zeros are the mean body
        children=True,
    ),
    write,
)
