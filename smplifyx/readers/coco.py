"""COCO, COCO-WholeBody and Halpe JSON: annotations with their images, or a list of a detector's
results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from ..keypoints.layouts import LayoutName, to_canonical
from .camera_sidecar import IntrinsicsError, read_size
from .frames import Note, Person, read_gender, unusable
from .reader import ImagePeople, KeypointFile
from .values import PartPoints, clean, length_or_type, looks_normalised, triplets

LAYOUT_OF_COUNT = MappingProxyType(
    {
        17: LayoutName.COCO_17,
        26: LayoutName.HALPE_26,
        133: LayoutName.COCO_WHOLEBODY_133,
        136: LayoutName.HALPE_136,
    }
)
# WholeBody annotations keep each part under its own key; in this order, after the 17 body points,
# they are the 133.
_PARTS = (("foot", 6), ("face", 68), ("lefthand", 21), ("righthand", 21))
# confidence of a point that an annotator placed without seeing it (visibility 1; 2 is seen)
_HIDDEN = 0.5
_UNKNOWN = "unknown_image"

ImageKey = (
    int | str | None
)  # what an entry calls its image; None where it does so by nothing usable


class CocoReader:
    """Many images to a file: `annotations` and their `images`, or a list of results."""

    suffixes = (".json",)
    content = "COCO 'annotations' or results"

    def recognises(self, file: KeypointFile) -> bool:
        """Whether the document is an annotation file or a non-empty list of results with
        keypoints.
        """
        document = file.document
        if isinstance(document, dict):
            return isinstance(document.get("annotations"), list)
        if not isinstance(document, list):
            return False
        return any(isinstance(entry, dict) and "keypoints" in entry for entry in document)

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        """The images in file order with their people, then those that only the annotations name.

        An entry without a usable `image_id` is an unusable person of the image `unknown_image`.
        """
        document = file.document
        assert isinstance(document, (dict, list))  # as recognised
        entries = document if isinstance(document, list) else document["annotations"]
        entries_of: dict[ImageKey, list[object]] = {}
        for entry in entries:
            entries_of.setdefault(_image_of(entry), []).append(entry)
        if isinstance(document, dict):
            for image in _listed_images(document):
                own_entries = entries_of.pop(_usable_key(image["id"]), [])
                yield _read_image(image, own_entries)
        for key, unlisted in entries_of.items():
            yield _read_image({"file_name": _name_of(key)}, unlisted)


def _listed_images(document: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """The entries of `images` that an annotation could be of."""
    images = document.get("images")
    for image in images if isinstance(images, list) else ():
        if isinstance(image, dict) and _usable_key(image.get("id")) is not None:
            yield image


def _image_of(entry: object) -> ImageKey:
    """The image that an entry says it is of."""
    return _usable_key(entry.get("image_id")) if isinstance(entry, dict) else None


def _usable_key(value: object) -> ImageKey:
    return value if isinstance(value, (int, str)) else None


def _name_of(key: ImageKey) -> str:
    """Detectors name images; COCO numbers them, and its files are the number in twelve digits."""
    if key is None:
        return _UNKNOWN
    return f"{key:012d}" if isinstance(key, int) else key


def _read_image(image: Mapping[str, object], entries: list[object]) -> ImagePeople:
    name = image.get("file_name")
    if not (isinstance(name, str) and name.strip()):
        name = _name_of(_usable_key(image.get("id")))
    people = tuple(_read_person(entry, index) for index, entry in enumerate(entries))
    try:
        return ImagePeople(people, file_name=name, image_size=read_size(image, name))
    except IntrinsicsError as error:
        return ImagePeople(
            people, file_name=name, notes=(Note("image size not understood", str(error)),)
        )


def _read_person(entry: object, index: int) -> Person:
    if not isinstance(entry, dict):
        return unusable(index, f"expected an object with keypoints, got {type(entry).__name__}")
    if _image_of(entry) is None:
        given = entry.get("image_id")
        return unusable(index, f"image_id should be a number or a name, got {given!r:.40}")
    if entry.get("iscrowd") == 1:
        return unusable(index, "annotated as a crowd, not as one person")
    whole = _read_points(entry)
    if whole is None:
        allowed = ", ".join(str(3 * count) for count in LAYOUT_OF_COUNT)
        found = length_or_type(entry.get("keypoints"))
        return unusable(index, f"keypoints should hold {allowed} numbers, got {found}")
    layout = LAYOUT_OF_COUNT[len(whole.points)]
    keypoints = to_canonical(whole.points, layout)
    if looks_normalised(keypoints):
        return unusable(index, "coordinates are fractions of the image, expected pixels")
    if whole.notes and not keypoints.any():
        return unusable(index, "; ".join(map(str, whole.notes)))
    return Person(
        index=index,
        keypoints=keypoints,
        gender=read_gender(entry.get("gender")),
        layout=layout,
        notes=whole.notes,
    )


def _read_points(entry: Mapping[str, object]) -> PartPoints | None:
    """The points of an entry in one of the layouts of LAYOUT_OF_COUNT, None where its length fits
    none.
    """
    annotated = "score" not in entry  # a detector's results have a score, annotations none
    body = triplets(entry.get("keypoints"))
    if body is None or len(body) not in LAYOUT_OF_COUNT:
        return None
    body_alone = len(body) == 17
    holds_flags = annotated and _are_flags(body, always=body_alone)
    parts = [_clean_part(body, "keypoints", holds_flags)]
    if body_alone and any(f"{name}_kpts" in entry for name, _ in _PARTS):
        parts += [_read_part(entry, name, count, annotated) for name, count in _PARTS]
    return PartPoints(
        points=np.concatenate([part.points for part in parts]),
        notes=tuple(note for part in parts for note in part.notes),
    )


def _read_part(entry: Mapping[str, object], name: str, count: int, annotated: bool) -> PartPoints:
    key = f"{name}_kpts"
    if not entry.get(key) or entry.get(f"{name}_valid") is False:
        return PartPoints.absent(count)
    points = triplets(entry[key])
    if points is None or len(points) != count:
        found = length_or_type(entry[key])
        return PartPoints.absent(
            count, Note("part ignored", f"{key} should hold {3 * count} numbers, has {found}")
        )
    holds_flags = annotated and _are_flags(points, always=name == "foot")
    return _clean_part(points, key, holds_flags)


def _are_flags(points: Float[np.ndarray, "points 3"], always: bool) -> bool:
    """Whether the third numbers of annotated points are visibility flags 0, 1, 2, not confidences.

    Body and feet `always` hold flags, if the numbers can be any; faces and hands hold either, and
    only a 2 tells flags from confidences of exactly 0 and 1.
    """
    marks = points[:, 2]
    possible = bool(np.isin(marks, (0, 1, 2)).all())
    return possible and (always or bool((marks == 2).any()))


def _clean_part(points: Float[np.ndarray, "points 3"], key: str, holds_flags: bool) -> PartPoints:
    """Clean points, the confidence told from the visibility where the file holds flags."""
    if holds_flags:
        marks = points[:, 2]
        confidence = np.select([marks == 2, marks == 1], [1.0, _HIDDEN], 0.0)
        points = np.concatenate([points[:, :2], confidence[:, None]], 1)
    return clean(points, key)
