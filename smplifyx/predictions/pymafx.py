"""PyMAF-X: `output.pkl` of joblib, all people of a video or a folder.

`smplx_params` is a list of batches; `body_pose` has the root as its first joint. Rotation matrices,
hands with their mean, the root along the axes of the crop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float

from .people import People, boxes_of_center, vectors_under
from .poses import BODY, ROOT, GivenPoses
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, numbers, texts, wholes

_NAME = re.compile(r"(?P<photo>.*)_f(?P<frame>\d+)_p(?P<person>\d+)")  # photo_f3_p0


class PyMafXReader:
    """All batches of a file."""

    system = "pymafx"
    content = "PyMAF-X output.pkl"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there is a list of batches under PyMAF-X's name."""
        batches = entry(file.content, "smplx_params")
        first = batches[0] if isinstance(batches, list) and batches else None
        return has(first, "body_pose") and has(file.content, "frame_ids")

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Person after person, as the file has them."""
        batches = entry(file.content, "smplx_params")
        assert isinstance(batches, list)  # as recognised
        ids = texts(entry(file.content, "person_ids"))
        frames = wholes(entry(file.content, "frame_ids"))
        box = _boxes(file.content, len(frames))
        start = 0
        for number, batch in enumerate(batches):
            read: list[Prediction] = []
            count = _count(batch)
            with file.about(f"batch {number}"):
                rows = slice(start, start + count)
                if rows.stop > len(frames):
                    raise ValueError(f"more people than the {len(frames)} frame_ids")
                people = _people(batch, ids[rows], frames[rows], None if box is None else box[rows])
                read = list(people.predictions(file))
            start += count
            yield from read


def _count(batch: object) -> int:
    pose = entry(batch, "body_pose")
    return len(pose) if isinstance(pose, (np.ndarray, list)) else 0


def _boxes(content: object, rows: int) -> Float[np.ndarray, "rows 4"] | None:
    """Squares about (x, y), their side behind."""
    given = vectors_under(content, rows, "bboxes")
    if given is None or given.shape[1] < 3:
        return None
    return boxes_of_center(given[:, :2], given[:, 2:], rows)


def _people(
    batch: object,
    ids: list[str],
    frames: list[int | None],
    box: Float[np.ndarray, "rows 4"] | None,
) -> People:
    if not isinstance(batch, Mapping):
        raise ValueError("not a dictionary")
    pose = numbers(batch["body_pose"])
    if pose.ndim != 4 or pose.shape[1] < BODY.stop or pose.shape[2:] != (3, 3):
        raise ValueError(f"body_pose of shape {list(pose.shape)[:8]}")
    rows = len(pose)
    poses = GivenPoses.nothing(rows)
    poses.put(slice(ROOT.start, BODY.stop), pose[:, : BODY.stop])
    poses.put_parts(batch, "jaw_pose", "leye_pose", "reye_pose", "left_hand_pose")
    poses.put_parts(batch, "right_hand_pose")
    names = [_NAME.fullmatch(name) for name in ids]
    return People(
        PyMafXReader.system,
        poses,
        Axes.CROP,
        "smplx",
        betas=vectors_under(batch, rows, "shape"),
        expressions=vectors_under(batch, rows, "expression"),
        boxes=box,
        photos=[name["photo"] if name else "" for name in names],
        frames=frames,
        ids=[name["person"] if name else given for name, given in zip(names, ids, strict=True)],
    )
