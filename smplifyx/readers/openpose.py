"""OpenPose JSON as it really comes: versions 1.0 to 1.3 or none, parts missing, empty, renamed or
damaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from ..keypoints import names
from ..keypoints.layouts import LayoutName, to_canonical
from .frames import Person, read_gender, unusable
from .values import clean, looks_normalised, triplets

BODY_LAYOUTS = MappingProxyType({
    25: LayoutName.BODY_25, 18: LayoutName.COCO_18, 19: LayoutName.COCO_19, 17: LayoutName.COCO_17,
})  # fmt: skip


@dataclass(frozen=True)
class _Part:
    name: str
    keys: tuple[str, ...]  # newest spelling first
    counts: tuple[int, ...]  # numbers of points it may have; shorter ones are padded to the first


_BODY = _Part("body", ("pose_keypoints_2d", "pose_keypoints"), tuple(BODY_LAYOUTS))
_OTHERS = (
    _Part("left hand", ("hand_left_keypoints_2d", "hand_left_keypoints"), (21,)),
    _Part("right hand", ("hand_right_keypoints_2d", "hand_right_keypoints"), (21,)),
    _Part("face", ("face_keypoints_2d", "face_keypoints"), (70, 68)),
)
_KEYS = frozenset(key for part in (_BODY, *_OTHERS) for key in part.keys)
_GENDER_KEYS = ("gender_gt", "gender_pd")  # a label is worth more than a prediction


def is_openpose(document: object) -> bool:
    """Whether a JSON document is OpenPose output."""
    return isinstance(document, dict) and "people" in document


def read_people(document: Mapping[str, object]) -> tuple[Person, ...]:
    """Every entry of `people`, in order; what is wrong with one costs only that one or a part of
    it.

    Raises ValueError when `people` is no list.
    """
    people = document["people"]
    if people is None:
        return ()
    if not isinstance(people, list):
        raise ValueError(f"'people': expected a list, got {type(people).__name__}")
    return tuple(_read_person(entry, index) for index, entry in enumerate(people))


def _read_person(entry: object, index: int) -> Person:
    if not isinstance(entry, dict):
        return unusable(
            index, f"expected an object with keypoint lists, got {type(entry).__name__}"
        )
    if not _KEYS & entry.keys():
        return unusable(
            index, f"has none of the keys {_BODY.keys[0]}, {', '.join(p.keys[0] for p in _OTHERS)}"
        )
    notes: list[str] = []
    body = _read_part(entry, _BODY, notes)
    others = [_read_part(entry, part, notes) for part in _OTHERS]
    layout = BODY_LAYOUTS[len(body)]
    keypoints = _assemble(body, others, layout)
    if looks_normalised(keypoints):
        return unusable(
            index,
            "coordinates are fractions of the image, expected pixels (OpenPose --keypoint_scale 0)",
        )
    if notes and not keypoints.any():
        return unusable(index, "; ".join(notes))
    gender = _read_person_gender(entry, notes)
    return Person(
        index=index, keypoints=keypoints, gender=gender, layout=layout, notes=tuple(notes)
    )


def _read_part(
    entry: Mapping[str, object], part: _Part, notes: list[str]
) -> Float[np.ndarray, "points 3"]:
    """The part's clean points, zeros where it is missing; adds a line to `notes` for what had to be
    dropped.
    """
    absent = np.zeros((part.counts[0], 3), np.float32)
    key = next((k for k in part.keys if entry.get(k)), None)
    if key is None:
        return absent
    points = triplets(entry[key])
    if points is None or len(points) not in part.counts:
        allowed = " or ".join(str(3 * n) for n in part.counts)
        notes.append(
            f"{part.name}: {key} should hold {allowed} numbers, has {_describe(entry[key])}; part ignored"
        )
        return absent
    points, broken = clean(points)
    if broken:
        notes.append(
            f"{part.name}: {broken} of {len(points)} points are not finite numbers; points ignored"
        )
    return points


def _describe(value: object) -> str:
    return str(len(value)) if isinstance(value, list) else type(value).__name__


def _assemble(
    body: Float[np.ndarray, "points 3"], others: list[Float[np.ndarray, "_ 3"]], layout: LayoutName
) -> Float[np.ndarray, "137 3"]:
    """The body in canonical order; hands and face have that order already (a face of 68 has no
    pupils).
    """
    canonical = to_canonical(body, layout)
    for part, points in zip((names.LEFT_HAND, names.RIGHT_HAND, names.FACE), others, strict=True):
        canonical[part.start : part.start + len(points)] = points
    return canonical


def _read_person_gender(entry: Mapping[str, object], notes: list[str]) -> str | None:
    for key in _GENDER_KEYS:
        if entry.get(key) is None:
            continue
        gender = read_gender(entry[key])
        if gender is not None:
            return gender
        notes.append(f"{key}: {entry[key]!r:.40} is not neutral, female or male; ignored")
    return None
