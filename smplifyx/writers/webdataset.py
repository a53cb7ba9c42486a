"""Tars of samples as WebDataset, Hugging Face and Ray read them: a photo with all its people.

Each sample has the same three members: `KEY.jpg`, upright; `KEY.json`, an object; `KEY.npz`, arrays
with a row for each person. No pickles: readers refuse them, with reason. Keys have no dots, since
readers split names at the first one.
"""

from __future__ import annotations

import itertools
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ..core import npz
from . import people_columns as columns
from .dataset_format import FormatFacts, Photos
from .dataset_rows import DatasetRows
from .json_items import compact
from .reader_body import ReaderBody
from .upright_photos import upright_jpeg
from .whole_files import WholeFiles, add_member

NOT_TOLD = -1.0  # in `sigma_px`
LONGEST_NAME = 60  # characters of a key that are the image's
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")


def write(rows: DatasetRows, reader: ReaderBody, folder: Path) -> None:
    """One tar. Raises ValueError for somebody without a photo, ImageError, OSError."""
    arrays = _arrays(rows)
    texts = _texts(rows, reader)
    with tarfile.open(folder / f"{rows.block:06d}.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        for own in _images(rows):
            person = rows.people[own.start]
            if person.photo is None:
                raise ValueError(f"{person.id}: no photo, and webdataset needs one")
            key = _key(rows.first + own.start, person.image)
            sample = {
                "image": person.image,
                "image_size": rows.camera.image_size[own.start].tolist(),
                "people": texts[own],
            }
            people = {name: array[own] for name, array in arrays.items()}
            add_member(tar, f"{key}.jpg", upright_jpeg(person.photo))
            add_member(tar, f"{key}.json", compact(sample).encode())
            add_member(tar, f"{key}.npz", npz.content_of(people))


def _images(rows: DatasetRows) -> Iterator[slice]:
    """The rows of each image, which lie together."""
    start = 0
    stems = (person.id.rpartition("/")[0] for person in rows.people)
    for _, own in itertools.groupby(zip(stems, rows.images, strict=True)):
        count = len(list(own))
        yield slice(start, start + count)
        start += count


def _key(row: int, image: str) -> str:
    """Unique by the number of the first person, and to be recognised by the name."""
    name = _UNFIT.sub("_", image.rpartition(".")[0] or image)
    return f"{row:09d}-{name[-LONGEST_NAME:]}"


def _arrays(rows: DatasetRows) -> dict[str, np.ndarray]:
    """What is known of everybody in numbers, a row each, without NaN."""
    names = [name for name in columns.FIXED if name not in ("points2d", "points3d")]
    results = [person.result for person in rows.people]
    tensors = {
        name: torch.stack([columns.tensor(result, columns.FIXED[name].path) for result in results])
        for name in names
    }
    known = rows.points3d.isfinite().all(-1)
    tensors |= {
        "betas": rows.params.betas,
        "kid_beta": rows.age,
        "expression": rows.params.expression,
        "keypoints": rows.keypoints.to_array(),
        "points3d": rows.points3d.nan_to_num(0.0),
        "points2d": rows.points2d.nan_to_num(0.0),
        "points_known": known,
        "joint_covariance": columns.upper_triangles(rows.covariance).nan_to_num(0.0),
        "covariance_known": rows.covariance.isfinite().flatten(1).all(-1),
        "sigma_px": rows.sigma.nan_to_num(NOT_TOLD),
        "box": torch.cat([rows.boxes[:, :2], rows.boxes[:, :2] + rows.boxes[:, 2:]], -1),
    }
    floats = torch.float32
    return {
        name: (tensor.to(floats) if tensor.is_floating_point() else tensor).numpy()
        for name, tensor in tensors.items()
    }


def _texts(rows: DatasetRows, reader: ReaderBody) -> list[dict[str, object]]:
    """What is known of everybody in words."""
    flags = reader.verdicts(rows)
    valid = {name: values.tolist() for name, values in flags.items()}
    told: list[dict[str, object]] = []
    for number, person in enumerate(rows.people):
        result = person.result
        told.append(
            {
                "id": person.id,
                "status": columns.status_of(result),
                "verdict": {name: valid[name][number] for name in valid},
                "reasons": person.kept.reasons,
                "person": result.origin.person,
                **{name: columns.found(result, path) for name, path in columns.TEXTS.items()},
                "gender_probability": result.origin.gender_probability,
                "versions": dict(result.provenance.versions),
            }
        )
    return told


WEBDATASET = WholeFiles(
    FormatFacts(
        name="webdataset",
        about="WebDataset, Hugging Face, Ray: tars of photos with their people",
        kind=None,
        photos=Photos.INSIDE,
    ),
    write,
)
