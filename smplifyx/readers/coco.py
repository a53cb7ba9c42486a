"""COCO, COCO-WholeBody and Halpe JSON: annotations with their images, or a list of a detector's
results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from ..keypoints.layouts import LayoutName, to_canonical
from .camera_sidecar import IntrinsicsError, read_size
from .frames import Person, read_gender, unusable
from .values import clean, looks_normalised, triplets

LAYOUT_OF = MappingProxyType(
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


@dataclass(frozen=True)
class AnnotatedImage:
    """One image of an annotation file: its name as written there, (width, height) where stated, its
    people.
    """

    file_name: str
    image_size: tuple[int, int] | None
    people: tuple[Person, ...]
    notes: tuple[str, ...] = ()


def is_coco(document: object) -> bool:
    """Whether a JSON document is an annotation file or a non-empty list of results with keypoints."""
    if isinstance(document, dict):
        return isinstance(document.get("annotations"), list)
    return isinstance(document, list) and any(
        isinstance(entry, dict) and "keypoints" in entry for entry in document
    )


def read_images(document: Mapping[str, object] | list[object]) -> Iterator[AnnotatedImage]:
    """The images in file order with their people, then those that only the annotations name.

    An entry without a usable `image_id` is an unusable person of the image `unknown_image`.
    """
    entries = document["annotations"] if isinstance(document, dict) else document
    groups: dict[object, list[object]] = {}
    for entry in entries:
        groups.setdefault(_image_key(entry), []).append(entry)
    images = document.get("images") if isinstance(document, dict) else None
    for image in images if isinstance(images, list) else ():
        if isinstance(image, dict) and isinstance(image.get("id"), (int, str)):
            yield _annotated(image, groups.pop(image["id"], []))
    for key, group in groups.items():
        yield _annotated({"file_name": _name_of(key)}, group)


def _image_key(entry: object) -> int | str | None:
    key = entry.get("image_id") if isinstance(entry, dict) else None
    return key if isinstance(key, (int, str)) else None


def _name_of(key: int | str | None) -> str:
    """Detectors name images; COCO numbers them, and its files are the number in twelve digits."""
    return _UNKNOWN if key is None else f"{key:012d}" if isinstance(key, int) else key


def _annotated(image: Mapping[str, object], entries: list[object]) -> AnnotatedImage:
    name = image.get("file_name")
    name = name if isinstance(name, str) and name.strip() else _name_of(image.get("id"))
    try:
        size, notes = read_size(image, name), ()
    except IntrinsicsError as error:
        size, notes = None, (str(error),)
    people = tuple(_read_person(entry, index) for index, entry in enumerate(entries))
    return AnnotatedImage(file_name=name, image_size=size, people=people, notes=notes)


def _read_person(entry: object, index: int) -> Person:
    if not isinstance(entry, dict):
        return unusable(index, f"expected an object with keypoints, got {type(entry).__name__}")
    if _image_key(entry) is None:
        return unusable(
            index, f"image_id should be a number or a name, got {entry.get('image_id')!r:.40}"
        )
    if entry.get("iscrowd") == 1:
        return unusable(index, "annotated as a crowd, not as one person")
    notes: list[str] = []
    points = _points(entry, notes)
    if points is None:
        allowed = ", ".join(str(3 * n) for n in LAYOUT_OF)
        return unusable(
            index,
            f"keypoints should hold {allowed} numbers, got {_describe(entry.get('keypoints'))}",
        )
    layout = LAYOUT_OF[len(points)]
    keypoints = to_canonical(points, layout)
    if looks_normalised(keypoints):
        return unusable(index, "coordinates are fractions of the image, expected pixels")
    if notes and not keypoints.any():
        return unusable(index, "; ".join(notes))
    gender = read_gender(entry.get("gender"))
    return Person(
        index=index, keypoints=keypoints, gender=gender, layout=layout, notes=tuple(notes)
    )


def _describe(value: object) -> str:
    return str(len(value)) if isinstance(value, list) else type(value).__name__


def _points(entry: Mapping[str, object], notes: list[str]) -> Float[np.ndarray, "points 3"] | None:
    """The clean points of the entry in one of the layouts of LAYOUT_OF, None where its length fits
    none.
    """
    annotated = "score" not in entry
    body = triplets(entry.get("keypoints"))
    if body is None or len(body) not in LAYOUT_OF:
        return None
    separate = len(body) == 17 and any(f"{part}_kpts" in entry for part, _ in _PARTS)
    points = [_clean_part(body, "keypoints", annotated, notes, annotated and len(body) == 17)]
    if separate:
        points += [_read_part(entry, part, count, annotated, notes) for part, count in _PARTS]
    return np.concatenate(points)


def _read_part(
    entry: Mapping[str, object], part: str, count: int, annotated: bool, notes: list[str]
) -> Float[np.ndarray, "points 3"]:
    absent = np.zeros((count, 3), np.float32)
    key = f"{part}_kpts"
    if not entry.get(key) or entry.get(f"{part}_valid") is False:
        return absent
    points = triplets(entry[key])
    if points is None or len(points) != count:
        notes.append(
            f"{key} should hold {3 * count} numbers, has {_describe(entry[key])}; part ignored"
        )
        return absent
    return _clean_part(points, key, annotated, notes, annotated and part == "foot")


def _clean_part(
    points: Float[np.ndarray, "points 3"],
    key: str,
    annotated: bool,
    notes: list[str],
    always_flags: bool,
) -> Float[np.ndarray, "points 3"]:
    """Clean points; visibility flags 0, 1, 2 become confidences.

    Body and feet of annotations are always flags; faces and hands hold flags or scores, told apart
    by a 2.
    """
    marks = points[:, 2]
    flags = np.isin(marks, (0, 1, 2)).all() and (always_flags or (annotated and (marks == 2).any()))
    if flags:
        points = np.concatenate(
            [points[:, :2], np.select([marks == 2, marks == 1], [1.0, _HIDDEN], 0.0)[:, None]], 1
        )
    points, broken = clean(points)
    if broken:
        notes.append(
            f"{key}: {broken} of {len(points)} points are not finite numbers; points ignored"
        )
    return points
