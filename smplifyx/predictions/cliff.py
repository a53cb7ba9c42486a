"""CLIFF: one npz for a video, a folder or an image.

SMPL's axis-angles or matrices in the frame of the whole image's camera, a row of `detection_all`
for each person: image's number, box, scores, person's number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from .people import People, id_of, vectors_under
from .poses import of_smpl
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, numbers, texts, whole

_IMAGE, _BOX, _PERSON = 0, slice(1, 5), 7


class CliffReader:
    """All people of a file."""

    system = "cliff"
    content = "CLIFF results (.npz)"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there are CLIFF's names for pose, place and focal length."""
        return has(file.content, "pose", "shape", "global_t", "focal_l")

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Person after person; rows of `detection_all` that were interpolated have no pose."""
        content = file.content
        poses = of_smpl(entry(content, "pose"))
        rows = len(poses)
        photos = texts(entry(content, "imgname"))
        given = _detected(entry(content, "detection_all"), rows)
        if given is None:
            people = People(
                self.system,
                poses,
                Axes.CAMERA,
                "smpl",
                betas=vectors_under(content, rows, "shape"),
                photos=photos if len(photos) == rows else (),
            )
            yield from people.predictions(file)
            return
        images = [whole(float(number)) for number in given[:, _IMAGE]]
        people = People(
            self.system,
            poses,
            Axes.CAMERA,
            "smpl",
            betas=vectors_under(content, rows, "shape"),
            boxes=given[:, _BOX],
            photos=[photos[i] if i is not None and 0 <= i < len(photos) else "" for i in images],
            frames=images,
            ids=_ids(given, images),
        )
        yield from people.predictions(file)


def _detected(value: object, rows: int) -> Float[np.ndarray, "rows columns"] | None:
    """The rows of people with a pose; interpolated ones stand behind them without."""
    if value is None:
        return None
    given = numbers(value)
    if given.ndim != 2 or len(given) < rows or given.shape[1] < _BOX.stop:
        return None
    return given[:rows]


def _ids(given: Float[np.ndarray, "rows columns"], images: list[int | None]) -> list[str]:
    """People's numbers; none where the column holds something else (the first CLIFF's has the
    class there), which two people of one image show.
    """
    if given.shape[1] <= _PERSON:
        return []
    ids = [id_of(float(number)) for number in given[:, _PERSON]]
    is_one_each = len(set(zip(images, ids, strict=True))) == len(ids)
    return ids if is_one_each else []
