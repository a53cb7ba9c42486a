"""What a small file next to the keypoints says about its people: age, gender, height, start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.choices import Age, BodyGender, GenderSource
from ..core.files import boundary
from ..evidence.kinds import FACTS, of_facts
from .frames import Frame, GenderLabel, KeypointError, NamedStart, Person, read_gender
from .sidecars import PEOPLE_SUFFIX, find_sidecar, load_json

_KEYS = ("age", "gender", "start", *FACTS)
_START_KEYS = ("file", "person")
_DIGITS = 9  # of an index; Python refuses to read thousands


@dataclass(frozen=True)
class PersonFacts:
    """What a sidecar says about one person; None: nothing. `others` are facts for evidence."""

    age: Age | None = None
    gender: BodyGender | None = None
    start: NamedStart | None = None
    others: Mapping[str, object] = field(default_factory=dict)


def with_facts(frame: Frame) -> tuple[Person, ...]:
    """The frame's people with what its `X.people.json`, in the folder of the keypoints or of the
    image, says about them.

    The file holds a list in the order of the people (null: nothing to say) or an object by index,
    with any of age (adult, child, auto), gender, start (a file of a network's predictions, by its
    path from the sidecar's folder, or {"file": ..., "person": its place in there}) and the facts of
    `evidence`, such as height (metres). Raises KeypointError for one that cannot be used.
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
    label = person.label
    if facts.gender is not None:
        label = GenderLabel(facts.gender, GenderSource.SIDECAR)
    return replace(
        person,
        age=person.age if facts.age is None else facts.age,
        label=label,
        start=facts.start,
        facts={**person.facts, **facts.others},
    )


def _read(path: Path) -> dict[int, PersonFacts]:
    """The facts by the index of the person. Raises KeypointError."""
    document = load_json(path, KeypointError)
    with boundary(path, "about people as they are in the keypoints", KeypointError):
        if isinstance(document, list):
            document = {
                str(index): entry for index, entry in enumerate(document) if entry is not None
            }
        if not isinstance(document, Mapping):
            raise KeypointError(
                f"{path}: expected a list of people or an object by index, "
                f"got {type(document).__name__}"
            )
        strange = [key for key in document if not (key.isdecimal() and len(key) <= _DIGITS)]
        if strange:
            raise KeypointError(
                f"{path}: expected people by index (0, 1, ...), got {', '.join(strange)[:80]}"
            )
        return {
            int(key): _read_facts(entry, f"{path}: person {key}", path.parent)
            for key, entry in document.items()
        }


def _read_facts(entry: object, origin: str, folder: Path) -> PersonFacts:
    if not isinstance(entry, Mapping) or entry.keys() - set(_KEYS):
        raise KeypointError(
            f"{origin}: expected an object with any of {', '.join(_KEYS)}, got {entry!r:.80}"
        )
    said = {key: value for key, value in entry.items() if value is not None}
    return PersonFacts(
        age=_age(said["age"], origin) if "age" in said else None,
        gender=_gender(said["gender"], origin) if "gender" in said else None,
        start=_start(said["start"], origin, folder) if "start" in said else None,
        others=_others(said, origin),
    )


def _age(value: object, origin: str) -> Age:
    for age in Age:
        if age.value == value:
            return age
    allowed = ", ".join(age.value for age in Age)
    raise KeypointError(f"{origin}: age should be one of {allowed}, got {value!r:.40}")


def _start(value: object, origin: str, folder: Path) -> NamedStart:
    """A file that is there, and perhaps a person's place in it; what it holds is read later."""
    said = {"file": value} if isinstance(value, str) else value
    if not isinstance(said, Mapping) or said.keys() - set(_START_KEYS) or "file" not in said:
        raise KeypointError(
            f"{origin}: start should be a file or an object of {' and '.join(_START_KEYS)}, "
            f"got {value!r:.80}"
        )
    file, person = said["file"], said.get("person")
    if not isinstance(file, str) or os.path.isabs(file):
        raise KeypointError(
            f"{origin}: start: file should be a path from the sidecar's folder, got {file!r:.80}"
        )
    if not os.path.isfile(folder / file):  # a pipe would never end
        raise KeypointError(f"{origin}: start: file {file!r:.80} is no regular file")
    if person is None:
        return NamedStart(folder / file, None, origin)
    if not isinstance(person, int) or isinstance(person, bool) or person < 0:
        raise KeypointError(
            f"{origin}: start: person should be a whole number from 0, got {person!r:.40}"
        )
    return NamedStart(folder / file, person, origin)


def _others(said: Mapping[str, object], origin: str) -> Mapping[str, object]:
    """The facts that some kind of evidence understands, each of which can be."""
    others = {word: said[word] for word in FACTS if word in said}
    try:
        of_facts(others)
    except ValueError as error:
        raise KeypointError(f"{origin}: {error}") from error
    return others


def _gender(value: object, origin: str) -> BodyGender:
    gender = read_gender(value)
    if gender is None:
        raise KeypointError(
            f"{origin}: gender should be neutral, female or male, got {value!r:.40}"
        )
    return gender
