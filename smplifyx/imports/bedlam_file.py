"""BEDLAM's npz back to results: parameters and camera; no keypoints, no expression."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

import numpy as np
import torch

from ..camera import Camera
from ..core import npz
from ..core.choices import BodyGender, Gender
from ..core.files import boundary, read_bounded
from ..fitting.result import Origin
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

LARGEST_FILE = 2**32  # bytes
KEYS = ("imgname", "pose_cam", "shape", "cam_ext", "trans_cam", "cam_int", "gender")
GENDERS: MappingProxyType[str, BodyGender] = MappingProxyType(
    {"m": Gender.MALE, "male": Gender.MALE, "f": Gender.FEMALE, "female": Gender.FEMALE}
)


class BedlamReader:
    """One npz."""

    def read(self, given: Import) -> Iterator[ImportedPerson]:
        """As `DatasetReader.read`; the people of an image come together, in the order in which
        images first appear.
        """
        path = given.path
        with boundary(path, "an npz of BEDLAM", ImportedFileError):
            arrays = npz.arrays_of(read_bounded(path, LARGEST_FILE), KEYS)
            pose = column(arrays, "pose_cam", (None, 165))
            count = len(pose)
            shape = column(arrays, "shape", (count, None))
            place = column(arrays, "cam_ext", (count, 4, 4))[:, :3, 3]
            place = place + column(arrays, "trans_cam", (count, 3))
            K = column(arrays, "cam_int", (count, 3, 3))
            images = [str(name) for name in arrays["imgname"].reshape(count)]
            letters = arrays.get("gender", np.full(count, ""))
            by_image: dict[str, list[int]] = {}
            for row, image in enumerate(images):
                by_image.setdefault(image, []).append(row)
            for image, rows in by_image.items():
                for person, row in enumerate(rows):
                    body = given.body(GENDERS.get(str(letters[row]), Gender.NEUTRAL))
                    params = params_of(pose[row], fitting_betas(shape[row], body), place[row])
                    origin = Origin(
                        source=path.name,
                        image=given.photo(image),
                        person=person,
                        photo=image,
                        image_size_source="twice the principal point",
                        notes=NOTE,
                    )
                    result = result_of(body, params, _camera(K[row]), origin)
                    yield ImportedPerson(image.rpartition(".")[0] or image, result)


def _camera(K: np.ndarray) -> Camera:
    """The image's size is not told: the middle is taken to be the principal point."""
    matrix = torch.from_numpy(np.array(K, np.float32))
    camera = Camera(K=matrix, image_size=(2 * matrix[:2, 2]).round())
    camera.check()
    return camera
