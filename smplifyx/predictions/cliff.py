"""CLIFF: one npz for a video, a folder or an image.

SMPL's axis-angles or matrices in the frame of the whole image's camera, a row of `detection_all`
for each person: image's number, box, scores, person's number.
"""

from __future__ import annotations

from collections.abc import Iterator

from .people import People, vectors
from .poses import of_smpl
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, texts, whole, wholes

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
        detected = entry(content, "detection_all")
        given = None
        if detected is not None:
            given = vectors(detected, max(len(wholes(detected)) // 8, 1))
        if given is None or len(given) < rows or given.shape[1] <= _BOX.stop:
            people = People(
                self.system, poses, Axes.CAMERA, "smpl",
                betas=vectors(entry(content, "shape"), rows),
                photos=photos if len(photos) == rows else (),
            )  # fmt: skip
            yield from people.predictions(file)
            return
        given = given[:rows]
        images = [whole(float(number)) for number in given[:, _IMAGE]]
        people = People(
            self.system,
            poses,
            Axes.CAMERA,
            "smpl",
            betas=vectors(entry(content, "shape"), rows),
            boxes=given[:, _BOX],
            photos=[photos[i] if i is not None and 0 <= i < len(photos) else "" for i in images],
            frames=images,
            ids=[str(whole(float(row[_PERSON]))) if len(row) > _PERSON else "" for row in given],
        )
        yield from people.predictions(file)
