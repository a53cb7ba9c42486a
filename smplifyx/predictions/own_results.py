"""Our own results, `results/<stem>/<person>.npz`: a fit as the start of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .people import People, short_photo_of, vectors_under
from .poses import PARTS, GivenPoses
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, numbers, text


class OwnResultReader:
    """One fitted person."""

    system = "smplifyx"
    content = "results of smplifyx (.npz)"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there is a body and what made it."""
        return has(file.content, "global_orient", "model_sha256", "point_order", "status")

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """The one person; none where the fit failed."""
        content = file.content
        assert isinstance(content, Mapping)  # as recognised
        if text(content["status"]) == "failed":
            file.note("a fit that failed")
            return
        poses = GivenPoses.nothing(1)
        poses.put_parts(content, *PARTS)
        photo = text(entry(content, "photo")) or text(entry(content, "image"))
        people = People(
            self.system,
            poses,
            Axes.CAMERA,
            text(entry(content, "model_name")),
            betas=vectors_under(content, 1, "betas"),
            expressions=vectors_under(content, 1, "expression"),
            points=numbers(content["points3d"]).reshape(1, 137, 3),
            photos=[short_photo_of(photo)],
            ids=[text(entry(content, "person_id")) or text(entry(content, "person"))],
            genders=[text(entry(content, "gender"))],
        )
        yield from people.predictions(file)
