"""SMPLer-X: an npz for each person of each frame, its box and photo in a meta file beside it.

Axis-angles, the root along the axes of the crop, hands without their mean (OSX's family has
`flat_hand_mean=False`). `transl` is that of the crop's own camera and is not read. The eyes are
zeros that nobody predicted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..core.files import read_bounded
from .people import People, boxes_of_corner, short_photo_of, vectors_under
from .poses import LEFT_HAND, RIGHT_HAND, GivenPoses
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, numbers

_KEYS = frozenset(
    "global_orient body_pose left_hand_pose right_hand_pose jaw_pose leye_pose reye_pose betas "
    "expression transl".split()
)
_SIZES = {"global_orient": 3, "body_pose": 63, "left_hand_pose": 45, "right_hand_pose": 45}
_NAME = re.compile(r"(?P<frame>\d+)_(?P<person>\d+)")  # 00012_0
LARGEST_META = 2**20  # bytes


class SmplerXReader:
    """One person of one frame."""

    system = "smplerx"
    content = "SMPLer-X people (.npz with their meta .json)"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether the file has exactly the arrays that SMPLer-X writes, of one person."""
        content = file.content
        if not isinstance(content, Mapping) or set(content) != _KEYS:
            return False
        return all(numbers(content[key]).size == size for key, size in _SIZES.items())

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """The one person."""
        content = file.content
        assert isinstance(content, Mapping)  # as recognised
        poses = GivenPoses.nothing(1)
        poses.put_parts(content, "global_orient", "body_pose", "jaw_pose")
        for side, place in (("left", LEFT_HAND), ("right", RIGHT_HAND)):
            hand = file.hands.whole(content[f"{side}_hand_pose"], side, 1, self.system)
            poses.put(place, hand)
        meta = _meta_of(file)
        name = _NAME.fullmatch(file.base_name)
        # the demo opens the image of the frame's number
        photo = f"{int(name['frame']):06d}.jpg" if name else ""
        people = People(
            self.system,
            poses,
            Axes.CROP,
            "smplx",
            betas=vectors_under(content, 1, "betas"),
            expressions=vectors_under(content, 1, "expression"),
            boxes=boxes_of_corner(entry(meta, "bbox"), 1),
            photos=[short_photo_of(entry(meta, "img_path")) or photo],
            ids=[name["person"]] if name else (),
        )
        yield from people.predictions(file)


def is_meta(content: object) -> bool:
    """Whether a file is a meta file of SMPLer-X's, which is read with its npz."""
    return has(content, "focal", "princpt", "bbox", "img_path")


def _meta_of(file: PredictionFile) -> Mapping[str, object]:
    """What the meta file says, in `meta` beside the npz's folder or beside the npz; empty, with a
    note, where there is none.
    """
    beside = file.path.with_suffix(".json")
    places: tuple[Path, ...] = (file.path.parent.parent / "meta" / beside.name, beside)
    for place in places:
        try:
            content = json.loads(read_bounded(place, LARGEST_META))
        except (OSError, ValueError, RecursionError):
            continue
        if is_meta(content):
            return content
    file.note("no meta file beside it (meta/NAME.json): the person's box is not known")
    return {}
