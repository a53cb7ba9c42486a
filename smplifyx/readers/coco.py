"""COCO, COCO-WholeBody and Halpe JSON: annotations with their images, or a list of a detector's
results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from ..core.messages import one_line
from ..keypoints.layouts import LAYOUTS, LayoutName
from ..keypoints.point_names import named_layout
from .documents import DamagedEntry, RecordList
from .forms import first_of, is_by_name, is_person
from .frames import Note, Person, unusable
from .people import (
    BODY,
    AboutFile,
    PartKeys,
    image_of,
    raw_part,
    read_people,
    read_person,
)
from .point_forms import NotPoints, RawPoints, read_points
from .reader import ImagePeople, KeypointFile

# WholeBody annotations keep each part under its own key; in this order, after the 17 body points,
# they are the 133.
_PARTS = (("foot", 6), ("face", 68), ("lefthand", 21), ("righthand", 21))
# confidence of a point that an annotator placed without seeing it (visibility 1; 2 is seen)
_HIDDEN = 0.5
_IMAGE_KEYS = ("image_id", "image", "file_name", "filename", "image_name", "imgname", "img_name")
_UNKNOWN = "unknown_image"

ImageKey = int | str | None  # what an entry calls its image; None where it does not


class CocoReader:
    """Many images to a file: `annotations` and their `images`, or a list of results."""

    suffixes = (".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
    content = "COCO 'annotations' or results"

    def recognises(self, file: KeypointFile) -> bool:
        """Whether the document is an annotation file or a non-empty list of people with points."""
        document = file.document
        if isinstance(document, dict):
            return isinstance(document.get("annotations"), (list, RecordList))
        if not isinstance(document, (list, RecordList)):
            return False
        return any(is_person(entry) for entry in first_of(document))

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        """The images in file order with their people, then those that only the annotations name.

        Entries that name no image are of the one that the file is named after.
        """
        document = file.document
        if isinstance(document, dict):
            yield from _read_annotations(document, file)
        else:
            assert isinstance(document, (list, RecordList))  # as recognised
            yield from read_results(document, AboutFile(options=file.options))


def read_results(entries: Sequence[object], about: AboutFile) -> Iterator[ImagePeople]:
    """People in a list, by the images that they name, in order of appearance."""
    indices_of = _indices_by_image(entries)
    for key, indices in indices_of.items():
        name = _name_of(key)
        if key is None and len(indices_of) > 1:  # the others name theirs: whose is it?
            name = _UNKNOWN
        yield _read_image(entries, indices, lambda _: about, {"file_name": name})


def _read_annotations(document: Mapping[str, object], file: KeypointFile) -> Iterator[ImagePeople]:
    entries = document["annotations"]
    assert isinstance(entries, (list, RecordList))
    about_category = _about_categories(document.get("categories"), file)
    indices_of = _indices_by_image(entries)
    for image in _listed_images(document):
        indices = indices_of.pop(_usable_key(image["id"]), [])
        yield _read_image(entries, indices, about_category, image)
    for key, indices in indices_of.items():
        name = _UNKNOWN if key is None else _name_of(key)
        yield _read_image(entries, indices, about_category, {"file_name": name})


def _about_categories(categories: object, file: KeypointFile) -> Callable[[object], AboutFile]:
    """What is known of an annotation's points, by its category: the names, where they have any."""
    about_of: dict[object, AboutFile] = {}
    for category in categories if isinstance(categories, (list, RecordList)) else ():
        if not isinstance(category, dict) or _usable_key(category.get("id")) is None:
            continue
        point_names = category.get("keypoints")
        if isinstance(point_names, list) and all(isinstance(name, str) for name in point_names):
            about_of[category["id"]] = AboutFile(tuple(point_names) or None, file.options, True)
    unnamed = AboutFile(options=file.options, is_annotated=True)
    only = next(iter(about_of.values())) if len(about_of) == 1 else unnamed

    def about(entry: object) -> AboutFile:
        key = _usable_key(entry.get("category_id")) if isinstance(entry, dict) else None
        return only if key is None else about_of.get(key, unnamed)

    return about


def _listed_images(document: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """The entries of `images` that an annotation could be of."""
    images = document.get("images")
    for image in images if isinstance(images, (list, RecordList)) else ():
        if isinstance(image, dict) and _usable_key(image.get("id")) is not None:
            yield image


def _indices_by_image(entries: Sequence[object]) -> dict[ImageKey, list[int]]:
    found: dict[ImageKey, list[int]] = {}
    for index, entry in enumerate(entries):
        found.setdefault(image_key(entry), []).append(index)
    return found


def image_key(entry: object) -> ImageKey:
    """The image that an entry says it is of."""
    if not isinstance(entry, dict):
        return None
    for key in _IMAGE_KEYS:
        found = _usable_key(entry.get(key))
        if found is not None:
            return found
    return None


def _usable_key(value: object) -> ImageKey:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, (int, str)) and value != "" else None


def _name_of(key: ImageKey) -> str | None:
    """Detectors name images; COCO numbers them, and its files are the number in twelve digits."""
    return f"{key:012d}" if isinstance(key, int) else key


def _read_image(
    entries: Sequence[object],
    indices: Sequence[int],
    about: Callable[[object], AboutFile],
    image: Mapping[str, object],
) -> ImagePeople:
    """One image; whatever is wrong with it costs only it."""
    name = image.get("file_name")
    if not (isinstance(name, str) and name.strip()):
        name = _name_of(_usable_key(image.get("id")))
    try:
        picked = entries if len(indices) == len(entries) else _Picked(entries, indices)
        people = read_people(
            picked, lambda entry, index: _read_person(entry, index, about(entry), name)
        )
        return image_of(people, name, image)
    except Exception as error:
        return ImagePeople((), name, problem=one_line(error))


class _Picked(Sequence[object]):
    """Some entries of a list, which may be on the disk."""

    def __init__(self, entries: Sequence[object], indices: Sequence[int]) -> None:
        self._entries = entries
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> object:  # type: ignore[override]
        return self._entries[self._indices[index]]


def _read_person(entry: object, index: int, about: AboutFile, image: str | None) -> Person:
    if isinstance(entry, DamagedEntry):
        return unusable(index, entry.reason)
    if not isinstance(entry, dict):
        return unusable(index, f"expected an object with keypoints, got {type(entry).__name__}")
    if image == _UNKNOWN and image_key(entry) is None:
        given = entry.get("image_id")
        return unusable(index, f"image_id should be a number or a name, got {given!r:.40}")
    if entry.get("iscrowd") == 1:
        return unusable(index, "annotated as a crowd, not as one person")
    if is_by_name(entry):
        entry = {**entry, "keypoints": entry}
    return read_person(entry, index, about, _raw_part)


def _raw_part(entry: Mapping[str, object], part: PartKeys, about: AboutFile) -> RawPoints | None:
    """A part with confidences, which in annotations may stand as flags of visibility.

    The 17 body points of a WholeBody annotation take the other parts in: the 133.
    """
    # a detector's results have a score, annotations none
    annotated = "score" not in entry and "scores" not in entry
    whole = _has_whole_body(entry, about)
    if part is not BODY and whole:
        return None
    raw = raw_part(entry, part, about)
    if raw is None or not annotated or not raw.with_confidence:
        return raw
    is_flagged = part is BODY and len(raw.points) not in _OTHER_THAN_FLAGS
    points = _without_flags(raw.points, always=is_flagged and about.is_annotated)
    if part is BODY and whole and len(points) == 17:
        return _whole_body(entry, points)
    return RawPoints(points, raw.with_confidence, raw.names)


# Halpe and the 133 in one list come with confidences; there only a 2 tells flags
_OTHER_THAN_FLAGS = (26, 133, 136)


def _has_whole_body(entry: Mapping[str, object], about: AboutFile) -> bool:
    """Whether the body is COCO's 17 and other parts stand beside it under WholeBody's keys."""
    if not any(f"{name}_kpts" in entry for name, _ in _PARTS):
        return False
    body = entry.get("keypoints")
    if not isinstance(body, list) or len(body) not in (17, 51):
        return False
    named = None if about.point_names is None else named_layout(about.point_names)
    return about.point_names is None or (
        named is not None and named.layout is LAYOUTS[LayoutName.COCO_17]
    )


def _whole_body(entry: Mapping[str, object], body: Float[np.ndarray, "17 3"]) -> RawPoints:
    notes: list[Note] = []
    parts = [_whole_body_part(entry, name, count, notes) for name, count in _PARTS]
    return RawPoints(
        np.concatenate([body, *parts]),
        notes=tuple(notes),
        layout=LayoutName.COCO_WHOLEBODY_133,
    )


def _whole_body_part(
    entry: Mapping[str, object], name: str, count: int, notes: list[Note]
) -> Float[np.ndarray, "points 3"]:
    """One part, all zero where it is absent."""
    key = f"{name}_kpts"
    absent = np.zeros((count, 3))
    if not entry.get(key) or entry.get(f"{name}_valid") is False:
        return absent
    try:
        points = read_points(entry[key], (count,)).points
        if len(points) == count:
            return _without_flags(points, always=name == "foot")
        reason = f"{len(points)} points"
    except NotPoints as error:
        reason = str(error)
    notes.append(Note("part ignored", f"{key} should hold {count} points: {reason}"))
    return absent


def _without_flags(
    points: Float[np.ndarray, "points 3"], always: bool
) -> Float[np.ndarray, "points 3"]:
    """Points with the confidence told from visibility flags 0, 1, 2, where they are such flags.

    Body and feet `always` hold flags, if the numbers can be any; faces and hands hold either, and
    only a 2 tells flags from confidences of exactly 0 and 1.
    """
    marks = points[:, 2]
    possible = bool(np.isin(marks, (0, 1, 2)).all())
    if not possible or not (always or bool((marks == 2).any())):
        return points
    confidence = np.select([marks == 2, marks == 1], [1.0, _HIDDEN], 0.0)
    return np.concatenate([points[:, :2], confidence[:, None]], 1)
