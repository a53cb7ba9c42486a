"""AMASS's `*_stageii.npz` of ours back to results: one frame each, with the camera beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from ..body import skinning
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..camera import Camera
from ..core import npz, rotations
from ..core.choices import body_gender
from ..core.files import boundary, read_bounded
from ..fitting.result import Origin
from ..writers.amass import ENDING, WORLD_OF_CAMERA
from .imported import (
    NOTE,
    Import,
    ImportedFileError,
    ImportedPerson,
    column,
    fitting_betas,
    params_of,
    result_of,
)

LARGEST_FILE = 2**28  # bytes
SIZE = (1920.0, 1080.0)  # of the picture that AMASS's own recordings do not have
FOCAL = 1500.0


class AmassReader:
    """A file, or a folder of them; of each every frame."""

    def read(self, given: Import) -> Iterator[ImportedPerson]:
        """As `DatasetReader.read`. A frame of AMASS's own recordings stands before a made-up
        camera.
        """
        path = given.path
        paths = sorted(path.rglob(f"*{ENDING}")) if path.is_dir() else [path]
        if not paths:
            raise ImportedFileError(f"{path}: no *{ENDING}")
        for file in paths:
            name = file.relative_to(path).as_posix() if path.is_dir() else file.name
            with boundary(file, "a motion of AMASS", ImportedFileError):
                yield from _people(file, name.removesuffix(ENDING), given)


def _people(path: Path, name: str, given: Import) -> Iterator[ImportedPerson]:
    arrays = npz.arrays_of(read_bounded(path, LARGEST_FILE))
    body = given.body(body_gender(str(arrays["gender"])))
    poses = column(arrays, "poses", (None, 165))
    places = column(arrays, "trans", (len(poses), 3))
    betas = fitting_betas(column(arrays, "betas", (None,)), body)
    camera = _camera(arrays)
    photo = str(arrays.get("imgname", ""))
    for frame, (pose, place) in enumerate(zip(poses, places, strict=True)):
        params = before_camera(body, params_of(pose, betas, place))
        origin = Origin(source=path.name, image=given.photo(photo), photo=photo, notes=NOTE)
        stem = name if len(poses) == 1 else f"{name}/{frame:06d}"
        yield ImportedPerson(stem, result_of(body, params, camera, origin))


def before_camera(body: BodyModel, params: BodyParams) -> BodyParams:
    """From AMASS's world to the camera's frame: `writers.amass.in_world` undone."""
    turn = torch.tensor(WORLD_OF_CAMERA, dtype=torch.float64).mT
    pelvis = skinning.joints(body, params)[..., 0, :].double()
    transl = params.transl.double()
    root = rotations.log(turn @ rotations.exp(params.global_orient.double()))
    moved = pelvis @ turn.mT - (pelvis - transl)
    return params.replace(global_orient=root.float(), transl=moved.float())


def _camera(arrays: Mapping[str, np.ndarray]) -> Camera:
    if "cam_int" not in arrays:
        return Camera.from_focal(FOCAL, torch.tensor(SIZE))
    K = column(arrays, "cam_int", (3, 3)).astype(np.float32)
    size = column(arrays, "image_size", (2,)).astype(np.float32)
    camera = Camera(K=torch.from_numpy(K), image_size=torch.from_numpy(size))
    camera.check()
    return camera
