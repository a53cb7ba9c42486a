"""What a small file beside the keypoints says about the people in them: age, height, gender."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from .frames import Frame, KeypointError, Person, read_gender

SUFFIX = ".people.json"
AGES = ("adult", "child", "auto")
HEIGHTS = (0.3, 2.8)  # metres
_KEYS = ("age", "height", "gender")


def with_facts(frame: Frame) -> tuple[Person, ...]:
    """The frame's people with what its `X.people.json`, beside the keypoints or the image, says
    about them.

    The file holds a list in the order of the people (null: nothing to say) or an object by index,
    with any of age (adult, child, auto), height (metres) and gender. Raises KeypointError for one
    that cannot be used.
    """
    path = _find(frame)
    if path is None:
        return frame.people
    facts = _read(path)
    strangers = facts.keys() - {person.index for person in frame.people}
    if strangers:
        raise KeypointError(
            f"{path}: there is no person {min(strangers)} in {frame.keypoint_file.name}"
        )
    return tuple(replace(person, **facts.get(person.index, {})) for person in frame.people)


def _find(frame: Frame) -> Path | None:
    name = Path(frame.stem).name + SUFFIX
    folders = [frame.keypoint_file.parent] + ([] if frame.image is None else [frame.image.parent])
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _read(path: Path) -> dict[int, dict[str, object]]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise KeypointError(
            f"{path}: not readable as JSON ({' '.join(str(error).split())})"
        ) from error
    if isinstance(document, list):
        document = {str(index): entry for index, entry in enumerate(document) if entry is not None}
    if not isinstance(document, Mapping):
        raise KeypointError(
            f"{path}: expected a list of people or an object by index, got {type(document).__name__}"
        )
    if not all(key.isdecimal() for key in document):
        raise KeypointError(
            f"{path}: expected people by index (0, 1, ...), got {', '.join(document)[:80]}"
        )
    return {int(key): _facts(entry, f"{path}: person {key}") for key, entry in document.items()}


def _facts(entry: object, origin: str) -> dict[str, object]:
    if not isinstance(entry, Mapping) or entry.keys() - set(_KEYS):
        raise KeypointError(
            f"{origin}: expected an object with any of {', '.join(_KEYS)}, got {entry!r:.80}"
        )
    readers = {"age": _age, "height": _height, "gender": _gender}
    return {key: readers[key](value, origin) for key, value in entry.items() if value is not None}


def _age(value: object, origin: str) -> str:
    if value not in AGES:
        raise KeypointError(f"{origin}: age should be one of {', '.join(AGES)}, got {value!r:.40}")
    return value


def _height(value: object, origin: str) -> float:
    height = (
        float(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else math.nan
    )
    if not HEIGHTS[0] <= height <= HEIGHTS[1]:
        raise KeypointError(
            f"{origin}: height should be metres, {HEIGHTS[0]} to {HEIGHTS[1]}, got {value!r:.40}"
        )
    return height


def _gender(value: object, origin: str) -> str:
    gender = read_gender(value)
    if gender is None:
        raise KeypointError(
            f"{origin}: gender should be neutral, female or male, got {value!r:.40}"
        )
    return gender
