"""What a small file next to the keypoints says about the people in them: age, height, gender."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.choices import Age, BodyGender
from ..core.messages import one_line
from .frames import Frame, KeypointError, Person, read_gender
from .sidecars import PEOPLE_SUFFIX, find_sidecar
from .values import number_or_nan

HEIGHTS = (0.3, 2.8)  # metres, the least and the most
_KEYS = ("age", "height", "gender")


@dataclass(frozen=True)
class PersonFacts:
    """What a sidecar says about one person; None: nothing. The height is in metres."""

    age: Age | None = None
    height: float | None = None
    gender: BodyGender | None = None


def with_facts(frame: Frame) -> tuple[Person, ...]:
    """The frame's people with what its `X.people.json`, in the folder of the keypoints or of the
    image, says about them.

    The file holds a list in the order of the people (null: nothing to say) or an object by index,
    with any of age (adult, child, auto), height (metres) and gender. Raises KeypointError for one
    that cannot be used.
    """
    path = find_sidecar(frame, PEOPLE_SUFFIX)
    if path is None:
        return frame.people
    facts = _read(path)
    strangers = facts.keys() - {person.index for person in frame.people}
    if strangers:
        raise KeypointError(
            f"{path}: there is no person {min(strangers)} in {frame.keypoint_file.name}"
        )
    return tuple(_told(person, facts.get(person.index)) for person in frame.people)


def _told(person: Person, facts: PersonFacts | None) -> Person:
    """The person with the facts; of what they leave out, what the keypoint file says stays."""
    if facts is None:
        return person
    return replace(
        person,
        age=person.age if facts.age is None else facts.age,
        height=person.height if facts.height is None else facts.height,
        gender=person.gender if facts.gender is None else facts.gender,
    )


def _read(path: Path) -> dict[int, PersonFacts]:
    """The facts by the index of the person. Raises KeypointError."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        message = one_line(error, limit=None)
        raise KeypointError(f"{path}: not readable as JSON ({message})") from error
    if isinstance(document, list):
        document = {str(index): entry for index, entry in enumerate(document) if entry is not None}
    if not isinstance(document, Mapping):
        raise KeypointError(
            f"{path}: expected a list of people or an object by index, "
            f"got {type(document).__name__}"
        )
    if not all(key.isdecimal() for key in document):
        raise KeypointError(
            f"{path}: expected people by index (0, 1, ...), got {', '.join(document)[:80]}"
        )
    return {
        int(key): _read_facts(entry, f"{path}: person {key}") for key, entry in document.items()
    }


def _read_facts(entry: object, origin: str) -> PersonFacts:
    if not isinstance(entry, Mapping) or entry.keys() - set(_KEYS):
        raise KeypointError(
            f"{origin}: expected an object with any of {', '.join(_KEYS)}, got {entry!r:.80}"
        )
    facts = PersonFacts()
    # in the order of the file: of several faults the first is told
    for key, value in entry.items():
        if value is None:
            continue
        if key == "age":
            facts = replace(facts, age=_age(value, origin))
        elif key == "height":
            facts = replace(facts, height=_height(value, origin))
        else:
            facts = replace(facts, gender=_gender(value, origin))
    return facts


def _age(value: object, origin: str) -> Age:
    for age in Age:
        if age.value == value:
            return age
    allowed = ", ".join(age.value for age in Age)
    raise KeypointError(f"{origin}: age should be one of {allowed}, got {value!r:.40}")


def _height(value: object, origin: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    height = number_or_nan(value) if is_number else float("nan")
    least, most = HEIGHTS
    if not least <= height <= most:
        raise KeypointError(
            f"{origin}: height should be metres, {least} to {most}, got {value!r:.40}"
        )
    return height


def _gender(value: object, origin: str) -> BodyGender:
    gender = read_gender(value)
    if gender is None:
        raise KeypointError(
            f"{origin}: gender should be neutral, female or male, got {value!r:.40}"
        )
    return gender
