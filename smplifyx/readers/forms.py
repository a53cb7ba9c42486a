"""What an object or a list of a JSON document is of: a person, an image with people, or neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from ..keypoints.point_names import canonical_name
from .documents import RecordList
from .odd_forms import usual_form
from .people import IN_3D, PERSON_KEYS

LOOKED_AT = 100  # entries, to tell what a list is of
DEEPEST = 4  # nestings of images in images
FEWEST_NAMED = 5  # keys that are points' names
# keys of an image under which its people stand, each with points of its own
_PEOPLE = ("people", "annots", "instances", "predictions", "bodies", "persons", "pose_results",
           "detections", "annotations", "poses")  # fmt: skip
# keys of an image under which the points of all its people stand in one list
_PARALLEL = ("pred_keypoints", "keypoints", "preds")
_SCORES = ("keypoint_scores", "keypoints_scores", "kpt_scores", "scores")

List = list | RecordList


def first_of(value: object) -> Iterator[object]:
    """The first LOOKED_AT entries of a list or values of an object."""
    if isinstance(value, dict):
        return islice(iter(value.values()), LOOKED_AT)
    if isinstance(value, List):
        return (value[index] for index in range(min(len(value), LOOKED_AT)))
    return iter(())


def is_person(entry: object) -> bool:
    """Whether an object is a person with points of its own."""
    if not isinstance(entry, dict) or is_image(entry):
        return False
    return bool(PERSON_KEYS & entry.keys()) or is_by_name(entry)


def is_by_name(entry: Mapping[str, object]) -> bool:
    """Whether an object has points under their names: `{"nose": [x, y, c], ...}`."""
    named = [
        key
        for key, value in islice(entry.items(), LOOKED_AT)
        if isinstance(value, (list, dict)) and canonical_name(key) is not None
    ]
    return len(named) >= FEWEST_NAMED


def is_image(value: Mapping[str, object]) -> bool:
    """Whether an object is one image with people, of whom there may be none."""
    return _people_key(value) is not None or _parallel_key(value) is not None


def _people_key(value: Mapping[str, object]) -> str | None:
    for key in _PEOPLE:
        people = value.get(key)
        if isinstance(people, List) and (not len(people) or _may_be_person(people[0])):
            return key
    # one person's points are objects too, with x and y
    people = value.get("keypoints")
    return "keypoints" if isinstance(people, list) and people and is_person(people[0]) else None


def _may_be_person(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    return not entry or is_person(entry) or any(key in entry for key in IN_3D)


def _parallel_key(value: Mapping[str, object]) -> str | None:
    return next((key for key in _PARALLEL if _is_of_several(value.get(key))), None)


def _is_of_several(value: object) -> bool:
    """Whether a list is [people][points][numbers] of more than one person."""
    if not isinstance(value, list) or len(value) < 2 or not isinstance(value[0], list):
        return False
    point = value[0][0] if value[0] else None
    return isinstance(point, list) and bool(point) and not isinstance(point[0], (list, dict))


def people_of(value: Mapping[str, object]) -> Sequence[object]:
    """The people of an image (see `is_image`), each as an object with lists of points."""
    key = _people_key(value)
    if key is not None:
        people = value[key]
        assert isinstance(people, List)
        return people
    key = _parallel_key(value)
    assert key is not None
    points = value[key]
    assert isinstance(points, list)
    scores = next((value[k] for k in _SCORES if isinstance(value.get(k), list)), None)
    if not isinstance(scores, list) or len(scores) != len(points):
        return [{"keypoints": each} for each in points]
    return [
        {"keypoints": each, "keypoint_scores": given}
        for each, given in zip(points, scores, strict=True)
    ]


def holds_people(value: object, depth: int = 0) -> bool:
    """Whether people are found in a document, in images in images or alone."""
    if depth > DEEPEST:
        return False
    if isinstance(value, dict):
        value = usual_form(value)
        if is_image(value) or is_person(value):
            return True
    return any(holds_people(each, depth + 1) for each in first_of(value))
