"""Multi-HMR: a dictionary for each person, in lists by image, pickled or as an npz.

`rotvec` holds the root, 21 joints of the body, 15 of the left and of the right hand (their mean
included) and the jaw. The camera is that of the padded square image: its axes are the image's.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from .people import Found, People, find_people, holds_people, joints_of, vectors_under
from .poses import BODY, JAW, LEFT_HAND, RIGHT_HAND, ROOT, GivenPoses, matrices, rows_of
from .prediction import JOINTS, Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, numbers, shape_of

_GIVEN = 53
_PLACES = ((ROOT, 0), (BODY, 1), (LEFT_HAND, 22), (RIGHT_HAND, 37), (JAW, 52))


def _is_person(value: object) -> bool:
    return has(value, "rotvec") and shape_of(entry(value, "rotvec"))[-2:] == (_GIVEN, 3)


class MultiHmrReader:
    """People of one image, or of many frames."""

    system = "multihmr"
    content = "Multi-HMR people (.pkl, .npz)"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there are 53 rotations under Multi-HMR's name for them."""
        return holds_people(file.content, _is_person)

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Person after person; a list of lists is one of frames, an image has its file's name."""
        for found in find_people(file.content, _is_person):
            read: list[Prediction] = []
            with file.about(str(found)):
                read = list(_people(found, file.base_name).predictions(file))
            yield from read


def _people(found: Found, base_name: str) -> People:
    rows = rows_of(found.value["rotvec"], _GIVEN)
    given = matrices(found.value["rotvec"], _GIVEN, rows)
    poses = GivenPoses.nothing(rows)
    for place, start in _PLACES:
        poses.put(place, given[:, start : start + place.stop - place.start])
    photo = found.photo or ("" if found.frame is not None else base_name)
    return People(
        MultiHmrReader.system,
        poses,
        Axes.CAMERA,
        "smplx",
        betas=vectors_under(found.value, rows, "shape"),
        expressions=vectors_under(found.value, rows, "expression"),
        joints=_joints(found, rows),
        photos=[photo],
        frames=[found.frame],
        ids=[found.person_id] if rows == 1 else [str(row) for row in range(rows)],
    )


def _joints(found: Found, rows: int) -> Float[np.ndarray, "rows 55 3"] | None:
    """SMPL-X's own joints are the first of those that are told, in the camera's frame."""
    value = entry(found.value, "j3d_smplx", "j3d")
    if value is None:
        return None
    array = numbers(value)
    if array.shape[-1:] != (3,) or array.ndim < 2 or array.shape[-2] < JOINTS:
        return None
    return joints_of(array.reshape(rows, -1, 3)[:, :JOINTS], range(JOINTS))
