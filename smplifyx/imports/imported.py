"""What a reader of a dataset's file gives: people as results, each in its frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from ..body import skinning
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..body.stature import stature_of
from ..camera import Camera
from ..core.choices import BodyGender
from ..fitting.result import FitResult, FitStatus, Origin, Provenance
from ..fitting.uncertainty import ShapeUncertainty
from ..keypoints import Keypoints, names

NOTE = "imported: no keypoints were read"
PRESET = "imported"


class ImportedFileError(ValueError):
    """A dataset's file that cannot be read; the message is one line."""


@dataclass(frozen=True, eq=False)
class ImportedPerson:
    """One person of a file; frame: what the person's frame is called."""

    frame: str
    result: FitResult


@dataclass(frozen=True)
class Import:
    """What a reader is given.

    body: the model of a gender, for files that do not hold all that a result does. photo: where a
    picture lies that a file names; empty: nowhere.
    """

    path: Path
    body: Callable[[BodyGender], BodyModel]
    photo: Callable[[str], str]


@runtime_checkable
class DatasetReader(Protocol):
    """Reads the files of one format. What it reads is bounded, and nothing is unpickled freely."""

    def read(self, given: Import) -> Iterator[ImportedPerson]:
        """The people, those of a frame together.

        Raises ImportedFileError, ResultFileError, OSError.
        """
        ...


def result_of(body: BodyModel, params: BodyParams, camera: Camera, origin: Origin) -> FitResult:
    """A result of parameters alone: no keypoints, no energies. Without batch axes."""
    points3d = skinning.points(body, params)
    nothing, unknown = torch.tensor(0.0), torch.tensor(math.nan)
    return FitResult(
        params=params,
        camera=camera,
        keypoints=Keypoints.from_array(torch.zeros(names.COUNT, 3)),
        points3d=points3d,
        points2d=camera.project(points3d),
        energies={},
        energy=nothing,
        hypothesis_energies=torch.zeros(1),
        chosen=torch.tensor(0),
        gap=unknown,
        status=torch.tensor(int(FitStatus.OK)),
        steps=torch.tensor(0),
        latent=torch.zeros(0),
        shape=ShapeUncertainty(stature_of(body)(params.betas[None])[0][0], unknown, unknown),
        provenance=Provenance.of(body, PRESET, ""),
        origin=origin,
    )


def params_of(pose: np.ndarray, betas: np.ndarray, transl: np.ndarray) -> BodyParams:
    """From 165 angles: root, body, jaw, eyes, left hand, right hand. Raises ValueError."""
    joints = torch.from_numpy(np.array(pose, np.float32)).reshape(55, 3)
    return BodyParams(
        global_orient=joints[0],
        body_pose=joints[1:22],
        jaw_pose=joints[22],
        leye_pose=joints[23],
        reye_pose=joints[24],
        left_hand_pose=joints[25:40],
        right_hand_pose=joints[40:55],
        betas=torch.from_numpy(np.array(betas, np.float32)),
        expression=torch.zeros(10),
        transl=torch.from_numpy(np.array(transl, np.float32)),
    )


def fitting_betas(betas: np.ndarray, body: BodyModel) -> np.ndarray:
    """As many as the body has. Raises ValueError where others are not zero."""
    count = body.shapedirs.shape[-1]
    if np.any(betas[count:]):
        raise ValueError(f"{np.count_nonzero(betas)} betas, the body {body.name} has {count}")
    return betas[:count]


def column(
    arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int | None, ...]
) -> np.ndarray:
    """Finite numbers of that shape; a length of None stands for any. Raises ValueError."""
    if name not in arrays:
        raise ValueError(f"no {name!r}")
    array = arrays[name]
    lengths = zip(shape, array.shape, strict=False)
    if array.ndim != len(shape) or not all(want in (None, got) for want, got in lengths):
        expected = ["n" if length is None else length for length in shape]
        raise ValueError(f"{name} has shape {list(array.shape)}, expected {expected}")
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError(f"{name} is not of finite numbers")
    return array
