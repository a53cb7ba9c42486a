"""Children: a template of a small child as one more shape component, after the adult's.

The convention is that of the kid templates that go with SMPL and SMPL-X (AGORA, Patel et al. 2021):
the file holds the vertices of a small child, and (vertices - their mean) - v_template is appended
to the shape directions. Its coefficient, the last of betas, is 0 for an adult and 1 for the child
of the template.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import torch

from ...core import npy
from ...core.files import boundary, read_bounded
from ...core.signatures import FileKind
from ...core.strangers import named
from ..model import BodyModel
from .raw import LARGEST, BodyFileError

NAMES = (
    "smplx_kid_template.npy",
    "smplh_kid_template.npy",
    "smpl_kid_template.npy",
    "kid_template.npy",
)
LARGEST_FILE = 16 * 2**20  # bytes; those of SMPL-X have 250 thousand
_HEIGHTS = (0.3, 1.6)  # metres, of a small child


def find_kid_template(body_file: Path, vertices: int) -> Path:
    """The kid template for a body of so many vertices: beside its file, or one folder up.

    Raises BodyFileError where there is none.
    """
    for path in kid_templates(body_file):
        template, _ = _read(path)
        if template.shape[:1] == (vertices,):
            return path
    raise BodyFileError(
        f"{body_file.parent}: found no kid template for a body of age child, expected {NAMES[0]}"
    )


def kid_templates(body_file: Path) -> list[Path]:
    """The kid templates beside a body file and one folder up, of whatever mesh."""
    found: list[Path] = []
    for folder in (body_file.parent, body_file.parent.parent):
        found += [folder / name for name in NAMES if (folder / name).is_file()]
    return found


def with_kid(body: BodyModel, path: Path) -> BodyModel:
    """The body with the kid component after its betas.

    Raises BodyFileError for a template of another mesh.
    """
    template, sha256 = _read(path)
    count = len(body.v_template)
    is_float = template.dtype.kind == "f" and template.dtype.itemsize <= 8
    fits = template.shape == (count, 3) and is_float
    if not fits or not (np.abs(template.astype(np.float64)) <= LARGEST).all():
        raise BodyFileError(
            f"{path}: found {template.dtype} {template.shape}, expected finite numbers ({count}, 3)"
        )
    height = float(np.ptp(template[:, 1]))
    least, most = _HEIGHTS
    if not least <= height <= most:
        raise BodyFileError(
            f"{path}: found a child {height:.3g} high along y, "
            f"expected metres, y up: {least} to {most}"
        )
    centred = torch.as_tensor(template - template.mean(0, keepdims=True)).to(body.v_template)
    column = (centred - body.v_template)[..., None]
    shapedirs = torch.cat([body.shapedirs, column], -1)
    return dataclasses.replace(body, shapedirs=shapedirs, kid_sha256=sha256)


def _read(path: Path) -> tuple[np.ndarray, str]:
    """The template as it is in the file, and the sha256 of the file."""
    with boundary(path, "readable as .npy", BodyFileError):
        data = read_bounded(path, LARGEST_FILE)
        if not data.startswith(npy.MAGIC):
            found = named(data, FileKind.NPY) or "no .npy array"
            raise BodyFileError(f"{path}: {found}, expected a kid template (.npy)")
        template = npy.parse(data).array()
    return template, hashlib.sha256(data).hexdigest()
