"""SPIN: what its evaluation saves, and the network's output as people save it.

SMPL's axis-angles or matrices, the root along the axes of the crop. Neither names photos or boxes;
`imgname` and `bbox` are read where somebody has put them beside.
"""

from __future__ import annotations

from collections.abc import Iterator

from .people import People, boxes, vectors_under
from .poses import of_smpl
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, texts


class SpinReader:
    """Everybody of a file."""

    system = "spin"
    content = "SPIN results (.npz, .pkl)"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there is a pose beside a camera of three numbers, under SPIN's names."""
        is_saved = has(file.content, "pose", "betas", "camera")
        return is_saved or has(file.content, "pred_rotmat", "pred_betas", "pred_camera")

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Row after row."""
        poses = of_smpl(entry(file.content, "pose", "pred_rotmat"))
        rows = len(poses)
        photos = texts(entry(file.content, "imgname", "img_path"))
        if not photos and rows == 1:
            photos = [file.base_name]
        people = People(
            self.system,
            poses,
            Axes.CROP,
            "smpl",
            betas=vectors_under(file.content, rows, "betas", "pred_betas"),
            boxes=boxes(entry(file.content, "bbox", "bboxes"), rows),
            photos=photos,
        )
        yield from people.predictions(file)
