"""The tar shards that 4D-Humans (HMR2) is trained from: photos, and the people of each.

Readers split a name at its first dot, so a key has none; members of a key stand side by side. The
box's side is divided by 200 here; the same program's npz has it in pixels.
"""

from __future__ import annotations

import itertools
import re
import tarfile
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..body.joints import BodyKind
from ..keypoints import names
from .dataset_format import FormatFacts, Photos
from .dataset_rows import DatasetRows
from .four_d_humans import BETAS, humans_points
from .old_pickle import dumps
from .reader_body import NEUTRAL_ONLY, ReaderBody
from .spin_points import smpl_pose
from .upright_photos import upright_jpeg
from .whole_files import WholeFiles, add_member

ROBUST = 100.0  # pixels: beyond this an error counts no more, as in SMPLify
_NO_KEY = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_STEM = 60  # characters; names in a tar have 100


def write(rows: DatasetRows, reader: ReaderBody, folder: Path) -> None:
    """The shard of a block. Raises ImageError for a photo that cannot be read, OSError."""
    columns = _columns(rows, reader)
    losses = reprojection_loss(rows).tolist()
    with tarfile.open(folder / f"{rows.block:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as shard:
        in_order = range(len(rows))
        for photo, group in itertools.groupby(in_order, lambda row: rows.people[row].photo):
            assert photo is not None  # who has none is not exported
            people = list(group)
            key = _key(rows, people[0])
            persons = [_person(columns, row, losses[row]) for row in people]
            add_member(shard, f"{key}.jpg", upright_jpeg(photo))
            add_member(shard, f"{key}.data.pyd", dumps(persons))


def reprojection_loss(rows: DatasetRows) -> Float[Tensor, " n"]:
    """The robust squared distance of the body's 25 points from the detected ones, in pixels of the
    photo, summed with squared confidences: what the reader's own fits say of themselves.
    """
    confidence = rows.keypoints.confidence[:, names.BODY]
    off = rows.points2d[:, names.BODY] - rows.keypoints.xy[:, names.BODY]
    off = torch.where(confidence[..., None] > 0, off, torch.zeros_like(off))
    squares = torch.square(off)
    robust = ROBUST**2 * squares / (ROBUST**2 + squares)
    return (torch.square(confidence) * robust.sum(-1)).sum(-1)


def _columns(rows: DatasetRows, reader: ReaderBody) -> dict[str, np.ndarray]:
    """What a person's entry holds, for all."""
    points = humans_points(rows, reader)
    columns = {
        "keypoints_2d": points.points2d,
        "keypoints_3d": points.points3d,
        "center": rows.centers,
        "scale": rows.box_sides[:, None].repeat(1, 2) / 200,
        "body_pose": smpl_pose(rows),
        "betas": reader.betas(rows, BETAS),
        "has_body_pose": rows.body_valid.float(),
        "has_betas": (reader.shape_holds(rows) & rows.body_valid).float(),
    }
    return {name: column.float().numpy() for name, column in columns.items()}


def _person(columns: dict[str, np.ndarray], row: int, loss: float) -> dict[str, object]:
    """An entry; the reader calls `.item()` on the loss, so it is an array that holds a dict."""
    person: dict[str, object] = {name: np.asarray(column[row]) for name, column in columns.items()}
    fitting_loss = np.array({"reprojection_loss": loss}, dtype=object)
    return person | {"extra_info": {"fitting_loss": fitting_loss}}


def _key(rows: DatasetRows, row: int) -> str:
    """The name of a photo in all shards: the number of its first person among all, and its stem as
    far as names in a tar go.
    """
    stem = PurePosixPath(rows.people[row].image).stem
    return f"{rows.first + row:09d}_{_NO_KEY.sub('_', stem)[:_LONGEST_STEM]}"


FOUR_D_HUMANS_TAR = WholeFiles(
    FormatFacts(
        name="4d-humans-tar",
        about="4D-Humans (HMR2): tar shards of photos and SMPL",
        kind=BodyKind.SMPL,
        genders=NEUTRAL_ONLY,
        photos=Photos.INSIDE,
        regressed=True,
    ),
    write,
)
