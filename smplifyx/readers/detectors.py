"""What detectors write of their own: images with people in many nestings, told by their keys.

mmpose's predictions, AlphaPose by image, OpenPifPaf, ControlNet, EasyMocap, Ultralytics, rtmlib,
Detectron2's and torchvision's predictions, easy_ViTPose, one document a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from ..core.messages import one_line
from .coco import image_key, is_person, read_results
from .documents import Damaged, RecordList
from .people import AboutFile, image_of, read_people, read_person
from .reader import ImagePeople, KeypointFile

# keys of an image under which its people stand, each with points of its own
_PEOPLE = ("people", "annots", "instances", "predictions", "bodies", "persons", "pose_results",
           "detections", "annotations")  # fmt: skip
# keys of a file under which its images stand
_IMAGES = ("instance_info", "frames", "images", "results", "data", "predictions")
FRAME_NUMBER = ("frame_id", "frame", "frame_index", "frame_idx", "frame_number", "frameId")
_NAME_LISTS = ("keypoint_id2name", "keypoint_names", "joint_names", "keypoints_names")
_PARALLEL = ("pred_keypoints", "keypoints", "preds")  # the points of all people in one list
_SCORES = ("keypoint_scores", "keypoints_scores", "kpt_scores", "scores")
_LOOKED_AT = 100  # entries, to tell what a list is of
_DEEPEST = 4  # nestings of images in images


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
        return _holds_people(file.document, 0)

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        """The images, in file order; whatever is wrong with one costs only it."""
        place = _Place(file, AboutFile(options=file.options))
        yield from _read(file.document, place)


def _holds_people(value: object, depth: int) -> bool:
    if depth > _DEEPEST:
        return False
    if isinstance(value, dict):
        if _is_image(value) or is_person(value):
            return True
        inner = list(islice(value.values(), _LOOKED_AT))
    elif isinstance(value, (list, RecordList)):
        inner = [value[index] for index in range(min(len(value), _LOOKED_AT))]
    else:
        return False
    return any(_holds_people(each, depth + 1) for each in inner)


def _is_image(value: Mapping[str, object]) -> bool:
    """Whether an object is one image with people, of whom there may be none."""
    for key in _PEOPLE:
        people = value.get(key)
        if isinstance(people, (list, RecordList)) and (not len(people) or is_entry(people[0])):
            return True
    return any(_is_parallel(value.get(key)) for key in _PARALLEL)


def is_entry(value: object) -> bool:
    """Whether an entry of a list can be a person."""
    return is_person(value) or (isinstance(value, dict) and ("joints19" in value or not value))


def _is_parallel(value: object) -> bool:
    """Whether a list is [people][points][numbers], of more than one person or of many points."""
    if not isinstance(value, list) or not value or not isinstance(value[0], list):
        return False
    first = value[0][0] if value[0] else None
    return isinstance(first, list) and bool(first) and not isinstance(first[0], (list, dict))


def _read(value: object, place: _Place) -> Iterator[ImagePeople]:
    if place.depth > _DEEPEST:
        return
    if isinstance(value, dict):
        yield from _read_object(value, place)
    elif isinstance(value, (list, RecordList)):
        yield from _read_list(value, place)
    elif isinstance(value, Damaged):
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
    first = (entries[index] for index in range(min(len(entries), _LOOKED_AT)))
    return any(is_person(entry) and not _is_image(entry) for entry in first)


def _read_people_by_image(entries: Sequence[object], place: _Place) -> Iterator[ImagePeople]:
    for image in read_results(entries, place.about):
        yield image if image.file_name is not None else replace(image, file_name=place.name)


def _names_itself(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    return image_key(entry) is not None or any(key in entry for key in FRAME_NUMBER)


def _read_object(value: Mapping[str, object], place: _Place) -> Iterator[ImagePeople]:
    place = _named(value, replace(place, about=_with_names(value, place.about)))
    if _is_image(value):
        yield _read_image(value, place)
        return
    if is_person(value):
        yield from _read_people_by_image([value], place)
        return
    for key in _IMAGES:
        if _holds_people(value.get(key), place.depth):
            yield from _read(value[key], place.at(place.name))
            return
    for key, inner in value.items():
        if _holds_people(inner, place.depth):
            yield from _read(inner, place.frame(int(key)) if key.isdigit() else place.at(key))


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


def _names_in(value: object) -> tuple[str, ...] | None:
    """Names in a list, or in an object by their numbers."""
    if isinstance(value, dict) and all(str(key).isdigit() for key in value):
        value = [value[key] for key in sorted(value, key=int)]
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return None
    return tuple(value) or None


def _read_image(value: Mapping[str, object], place: _Place) -> ImagePeople:
    try:
        entries = _people_of(value)
        people = read_people(entries, partial(read_person, about=place.about))
        return image_of(people, place.name, value)
    except Exception as error:  # whatever it is, it is this image's
        return ImagePeople((), place.name, problem=one_line(error))


def _people_of(value: Mapping[str, object]) -> Sequence[object]:
    for key in _PEOPLE:
        people = value.get(key)
        if isinstance(people, (list, RecordList)) and (not len(people) or is_entry(people[0])):
            return people
    key = next(key for key in _PARALLEL if _is_parallel(value.get(key)))
    points = value[key]
    assert isinstance(points, list)
    scores = next((value[k] for k in _SCORES if isinstance(value.get(k), list)), None)
    if not isinstance(scores, list) or len(scores) != len(points):
        return [{"keypoints": each} for each in points]
    return [
        {"keypoints": each, "keypoint_scores": given}
        for each, given in zip(points, scores, strict=True)
    ]

