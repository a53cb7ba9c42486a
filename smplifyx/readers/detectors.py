"""What detectors write of their own: images with people in many nestings, told by their keys.

mmpose's predictions, AlphaPose by image, OpenPifPaf, ControlNet, EasyMocap, Ultralytics, rtmlib,
Detectron2's and torchvision's predictions, easy_ViTPose, one document a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..core.messages import one_line
from .coco import image_key, read_results
from .documents import DamagedEntry, RecordList
from .forms import DEEPEST, first_of, holds_people, is_image, is_person, people_of
from .frames import ImageSize
from .odd_forms import usual_form
from .people import AboutFile, image_of, read_people, read_person
from .reader import ImagePeople, KeypointFile

# keys of a file under which its images stand
_IMAGES = ("instance_info", "frames", "images", "results", "data", "predictions", "instances",
           "outputs", "result")  # fmt: skip
FRAME_NUMBER = ("frame_id", "frame", "frame_index", "frame_idx", "frame_number", "frameId")
_NAME_LISTS = ("keypoint_id2name", "keypoint_names", "joint_names", "keypoints_names")
_LONGEST_NUMBER = 12  # digits
_PERSON_NUMBER = re.compile(r"(?:person|people|track|id)[ _-]?\d+$", re.IGNORECASE)


@dataclass(frozen=True)
class _Place:
    """Where in a file an image was met: the name of it so far, and the file it is in."""

    file: KeypointFile
    about: AboutFile
    name: str | None = None
    depth: int = 0

    def at(self, name: str | None) -> _Place:
        """A place inside this one."""
        return replace(self, name=name, depth=self.depth + 1)

    def frame(self, number: int) -> _Place:
        """The frame of that number of the file's video."""
        return self.at(f"{self.file.base_name}_{number:06d}")


class DetectorReader:
    """Any nesting of images, people and points that is told by its keys."""

    suffixes = (".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
    content = "people with keypoints in a detector's own form"

    def recognises(self, file: KeypointFile) -> bool:
        """Whether images or people are found in the document."""
        return holds_people(file.document)

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        """The images, in file order; whatever is wrong with one costs only it."""
        place = _Place(file, AboutFile(options=file.options))
        yield from _read(file.document, place)


def _read(value: object, place: _Place) -> Iterator[ImagePeople]:
    if place.depth > DEEPEST:
        return
    if isinstance(value, dict):
        yield from _read_object(usual_form(value), place)
    elif isinstance(value, (list, RecordList)):
        yield from _read_list(value, place)
    elif isinstance(value, DamagedEntry):
        yield ImagePeople((), place.name, problem=value.reason)


def _read_list(entries: Sequence[object], place: _Place) -> Iterator[ImagePeople]:
    """People, images, or lists of people, one for each image."""
    if _are_people(entries):
        yield from _read_people_by_image(entries, place)
        return
    for number in range(len(entries)):
        entry = entries[number]
        inner = place
        if len(entries) > 1 and not _names_itself(entry):
            inner = place.frame(number)
        yield from _read(entry, replace(inner, depth=place.depth + 1))


def _are_people(entries: Sequence[object]) -> bool:
    return any(is_person(entry) for entry in first_of(entries))


def _read_people_by_image(entries: Sequence[object], place: _Place) -> Iterator[ImagePeople]:
    for image in read_results(entries, place.about):
        yield image if image.file_name is not None else replace(image, file_name=place.name)


def _names_itself(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    return image_key(entry) is not None or any(key in entry for key in FRAME_NUMBER)


def _read_object(value: Mapping[str, object], place: _Place) -> Iterator[ImagePeople]:
    place = _named(value, replace(place, about=_with_names(value, place.about)))
    if is_image(value):
        yield _read_image(value, place)
        return
    if is_person(value):
        for image in _read_people_by_image([value], place):
            yield replace(image, image_size=_size_beside(value))
        return
    for key in _IMAGES:
        if holds_people(value.get(key), place.depth):
            yield from _read(value[key], place.at(place.name))
            return
    if value and all(_PERSON_NUMBER.match(key) for key in value):
        people = [{"id": key, **each} for key, each in value.items() if isinstance(each, dict)]
        yield from _read_people_by_image(people, place)
        return
    for key, inner in value.items():
        inside = place.frame(int(key)) if is_number(key) else place.at(key)
        if holds_people(inner, place.depth):
            yield from _read(inner, inside)
        elif isinstance(inner, list) and not inner:  # an image of nobody
            yield ImagePeople((), inside.name)


def _size_beside(value: Mapping[str, object]) -> ImageSize | None:
    """The image's size that stands beside one person's points; beside a place it is a box's."""
    return None if "x" in value or "bbox" in value else image_of((), about=value).image_size


def _named(value: Mapping[str, object], place: _Place) -> _Place:
    """The place with the name that an object gives to its image or frame."""
    key = image_key(value)
    if isinstance(key, str):
        return replace(place, name=key)
    if key is not None:
        return replace(place, name=f"{key:012d}")
    for number in FRAME_NUMBER:
        found = value.get(number)
        if isinstance(found, int):
            return replace(place.frame(found), depth=place.depth)
        if isinstance(found, str) and found:
            return replace(place, name=found)
    return place


def _with_names(value: Mapping[str, object], about: AboutFile) -> AboutFile:
    """What an object says of its points' names (mmpose: `meta_info`; easy_ViTPose: `skeleton`)."""
    meta = value.get("meta_info")
    holders = [value, meta] if isinstance(meta, dict) else [value]
    for holder in holders:
        for key in (*_NAME_LISTS, "skeleton"):
            found = _names_in(holder.get(key))
            if found:
                return replace(about, point_names=found)
    return about


def is_number(key: str) -> bool:
    """Whether a key is the number of a frame or of a point."""
    return key.isascii() and key.isdigit() and len(key) <= _LONGEST_NUMBER


def _names_in(value: object) -> tuple[str, ...] | None:
    """Names in a list, or in an object by their numbers."""
    if isinstance(value, dict) and all(is_number(str(key)) for key in value):
        value = [value[key] for key in sorted(value, key=int)]
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return None
    return tuple(value) or None


def _read_image(value: Mapping[str, object], place: _Place) -> ImagePeople:
    try:
        entries = people_of(value)
        people = read_people(entries, partial(read_person, about=place.about))
        return image_of(people, place.name, value)
    except Exception as error:  # whatever it is, it is this image's
        return ImagePeople((), place.name, problem=one_line(error))
