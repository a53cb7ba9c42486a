"""The result pickles of the original SMPLify-X: `STEM/000.pkl`, one for each person.

The body stands at the origin and the camera moves. Its readers make a tensor of every value and
give them all to the body model, so nothing but numbers is in it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..body.joints import BodyKind
from . import old_pickle
from .dataset_format import FormatFacts, Photos
from .dataset_rows import DatasetRows
from .reader_body import ReaderBody
from .whole_files import WholeFiles

BETAS = 10
EXPRESSIONS = 10
HAND_COMPONENTS = 12  # of the original's settings


def write(rows: DatasetRows, reader: ReaderBody, folder: Path) -> None:
    """A file for each person."""
    values = _original(rows, reader) | _our_own(rows, reader)
    betas = reader.betas(rows, BETAS)
    child_betas = torch.cat([betas, rows.age[:, None]], 1)
    for row, person in enumerate(rows.people):
        own = {name: value[row : row + 1].numpy() for name, value in values.items()}
        # adults' models stop at eleven betas, those of age "kid" take them
        own["betas"] = (child_betas if rows.age[row] else betas)[row : row + 1].numpy()
        stem, _, number = person.id.rpartition("/")
        path = folder / stem / f"{int(number):03d}.pkl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(old_pickle.dumps(own))


def _original(rows: DatasetRows, reader: ReaderBody) -> dict[str, Tensor]:
    """All but betas; the body's angles instead of a latent, the hands' instead of coefficients."""
    return {
        "camera_rotation": torch.eye(3).repeat(len(rows), 1, 1),
        "camera_translation": rows.params.transl,
        **reader.pose_arguments(rows),
        "expression": rows.expressions(EXPRESSIONS),
    }


def _our_own(rows: DatasetRows, reader: ReaderBody) -> dict[str, Tensor]:
    """What the original does not tell."""
    left, right = reader.hand_coefficients(rows, HAND_COMPONENTS)
    results = [person.result for person in rows.people]
    return {
        "left_hand_pca": left,
        "right_hand_pca": right,
        "focal_length": rows.camera.focal,
        "center": rows.camera.center,
        "image_size": rows.camera.image_size,
        "loss": torch.stack([result.energy for result in results]).float().nan_to_num(),
        "status": torch.stack([result.status for result in results]).int(),
    }


SMPLIFYX_PKL = WholeFiles(
    FormatFacts(
        name="smplifyx-pkl",
        about="the original SMPLify-X's results, as pickles",
        kind=BodyKind.SMPLX,
        marks_shape=False,  # zeros are the mean body
        children=True,
        photos=Photos.NONE,
    ),
    write,
)
