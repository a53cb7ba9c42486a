"""OpenPose JSON as it really comes: versions 1.0 to 1.3 or none, parts missing, empty, renamed or
damaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from ..core.choices import BodyGender
from ..keypoints import names
from ..keypoints.layouts import LayoutName, to_canonical
from .camera_sidecar import IntrinsicsError, read_size
from .frames import Note, Person, read_gender, unusable
from .reader import ImagePeople, KeypointFile
from .values import PartPoints, clean, length_or_type, looks_normalised, triplets

LAYOUT_OF_COUNT = MappingProxyType({
    25: LayoutName.BODY_25, 18: LayoutName.COCO_18, 19: LayoutName.COCO_19, 17: LayoutName.COCO_17,
})  # fmt: skip


@dataclass(frozen=True)
class _Part:
    """A part of a person under its own key."""

    name: str
    keys: tuple[str, ...]  # newest spelling first
    counts: tuple[int, ...]  # numbers of points it may have; the first stands for a missing part


_BODY = _Part("body", ("pose_keypoints_2d", "pose_keypoints"), tuple(LAYOUT_OF_COUNT))
_LEFT_HAND = _Part("left hand", ("hand_left_keypoints_2d", "hand_left_keypoints"), (21,))
_RIGHT_HAND = _Part("right hand", ("hand_right_keypoints_2d", "hand_right_keypoints"), (21,))
_FACE = _Part("face", ("face_keypoints_2d", "face_keypoints"), (70, 68))
_PARTS = (_BODY, _LEFT_HAND, _RIGHT_HAND, _FACE)
_KEYS = frozenset(key for part in _PARTS for key in part.keys)
# hands and face have the canonical order already: where they begin
_FIRST_POINT = (
    (_LEFT_HAND, names.LEFT_HAND.start),
    (_RIGHT_HAND, names.RIGHT_HAND.start),
    (_FACE, names.FACE.start),
)
_GENDER_KEYS = ("gender_gt", "gender_pd")  # a label is worth more than a prediction


class OpenPoseReader:
    """One image to a file: `people`, each with a list of numbers per part."""

    suffixes = (".json",)
    content = "OpenPose 'people'"

    def recognises(self, file: KeypointFile) -> bool:
        """Whether the document is an object with `people`."""
        return isinstance(file.document, dict) and "people" in file.document

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        """Every entry of `people`, in order, as one image. Raises ValueError when `people` is no
        list.
        """
        document = file.document
        assert isinstance(document, dict)  # as recognised
        people = _read_people(document["people"])
        try:
            yield ImagePeople(people, image_size=read_size(document, "keypoint file"))
        except IntrinsicsError as error:
            yield ImagePeople(people, notes=(Note("image size not understood", str(error)),))


def _read_people(entries: object) -> tuple[Person, ...]:
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise ValueError(f"'people': expected a list, got {type(entries).__name__}")
    return tuple(_read_person(entry, index) for index, entry in enumerate(entries))


def _read_person(entry: object, index: int) -> Person:
    if not isinstance(entry, dict):
        return unusable(
            index, f"expected an object with keypoint lists, got {type(entry).__name__}"
        )
    if not _KEYS & entry.keys():
        usual_keys = ", ".join(part.keys[0] for part in _PARTS)
        return unusable(index, f"has none of the keys {usual_keys}")
    parts = {part.name: _read_part(entry, part) for part in _PARTS}
    layout = LAYOUT_OF_COUNT[len(parts[_BODY.name].points)]
    keypoints = _assemble(parts, layout)
    if looks_normalised(keypoints):
        return unusable(
            index,
            "coordinates are fractions of the image, expected pixels (OpenPose --keypoint_scale 0)",
        )
    notes = [note for part in parts.values() for note in part.notes]
    if notes and not keypoints.any():
        return unusable(index, "; ".join(map(str, notes)))
    gender, gender_notes = _read_person_gender(entry)
    return Person(
        index=index,
        keypoints=keypoints,
        gender=gender,
        layout=layout,
        notes=(*notes, *gender_notes),
    )


def _read_part(entry: Mapping[str, object], part: _Part) -> PartPoints:
    for key in part.keys:
        if entry.get(key):
            break
    else:  # missing, null or an empty list: nobody saw that part
        return PartPoints.absent(part.counts[0])
    points = triplets(entry[key])
    if points is None or len(points) not in part.counts:
        allowed = " or ".join(str(3 * count) for count in part.counts)
        found = length_or_type(entry[key])
        return PartPoints.absent(
            part.counts[0],
            Note("part ignored", f"{part.name}: {key} should hold {allowed} numbers, has {found}"),
        )
    return clean(points, part.name)


def _assemble(parts: Mapping[str, PartPoints], layout: LayoutName) -> Float[np.ndarray, "137 3"]:
    canonical = to_canonical(parts[_BODY.name].points, layout)
    for part, first in _FIRST_POINT:
        points = parts[part.name].points
        # a face of 68 ends before the pupils, which stay unseen
        canonical[first : first + len(points)] = points
    return canonical


def _read_person_gender(entry: Mapping[str, object]) -> tuple[BodyGender | None, Sequence[Note]]:
    """The gender of the first key that has a usable one, and a note for each that has another."""
    notes: list[Note] = []
    for key in _GENDER_KEYS:
        if entry.get(key) is None:
            continue
        gender = read_gender(entry[key])
        if gender is not None:
            return gender, notes
        given = f"{key}: {entry[key]!r:.40}"
        notes.append(Note("gender ignored", f"{given} is not neutral, female or male"))
    return None, notes
