"""AMASS's `*_stageii.npz`: a motion of one person, here of one frame, which Blender's SMPL-X add-on
opens and pose priors are trained on.

AMASS's worlds have z up. Nothing is known of gravity here: the camera is taken to be level, its
depth becomes y. Hands are full angles.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..body.joints import BodyKind
from ..core import npz, rotations
from .dataset_format import FormatFacts
from .dataset_rows import DatasetRows
from .reader_body import ReaderBody
from .whole_files import WholeFiles

BETAS = 16
RATE = 30  # frames per second; readers refuse less
WORLD = "z up; the camera is assumed level and looks along y"
# x stays, y is the camera's depth, z is up: -90 degrees about x
WORLD_OF_CAMERA = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0))
ENDING = "_stageii.npz"
_LONGEST = 80  # characters of a name
_UNFIT = re.compile(r"[^\w-]+")


def write(rows: DatasetRows, reader: ReaderBody, folder: Path) -> None:
    """A file for each person, in a folder for each folder of images: readers look one deep."""
    root, transl = in_world(rows)
    pose = rows.params.full_pose().flatten(1)  # root, body, jaw, eyes, hands
    pose = torch.cat([root, pose[:, 3:]], -1)[:, None].numpy()
    columns = {
        "trans": transl[:, None].numpy(),
        "poses": pose,
        "betas": reader.betas(rows, BETAS).numpy(),
        "root_orient": pose[..., :3],
        "pose_body": pose[..., 3:66],
        "pose_jaw": pose[..., 66:69],
        "pose_eye": pose[..., 69:75],
        "pose_hand": pose[..., 75:],
        "cam_int": rows.camera.K.numpy(),
        "image_size": rows.camera.image_size.numpy(),
    }
    for number, person in enumerate(rows.people):
        arrays = {name: array[number] for name, array in columns.items()}
        arrays |= {
            "gender": np.array(person.body.gender.value),
            "surface_model_type": np.array("smplx"),
            "mocap_frame_rate": np.array(RATE),
            "mocap_framerate": np.array(RATE),  # readers know one spelling or the other
            "mocap_time_length": np.array(1 / RATE),
            "num_betas": np.array(BETAS),
            "imgname": np.array(person.image),
            "world": np.array(WORLD),
        }
        npz.write(folder / _name(rows.first + number, person.id), arrays)


def in_world(rows: DatasetRows) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Root orientations and translations in AMASS's world.

    A body turns about its resting pelvis, which is not at its origin.
    """
    turn = torch.tensor(WORLD_OF_CAMERA, dtype=torch.float64)
    orient = rotations.exp(rows.params.global_orient.double())
    transl = rows.params.transl.double()
    pelvis = rows.joints[:, 0].double()  # in the camera's frame
    resting = pelvis - transl
    root = rotations.log(turn @ orient)
    return root.float(), (pelvis @ turn.T - resting).float()


def _name(row: int, id: str) -> str:
    """Unique by its number, to be recognised by the rest."""
    *parents, stem, person = ("people", *id.split("/"))[-3:]
    parent = _UNFIT.sub("_", parents[0]) if parents else "people"
    return f"{parent}/{row:09d}_{_UNFIT.sub('_', f'{stem}_{person}')[-_LONGEST:]}{ENDING}"


AMASS = WholeFiles(
    FormatFacts(
        name="amass",
        about="AMASS stageii npz: Blender's SMPL-X add-on, pose priors",
        kind=BodyKind.SMPLX,
        marks_shape=False,
    ),
    write,
)
