"""What a classifier says of people, in a table of its own (.csv).

    photo,person,gender,probability
    street_07.jpg,0,female,0.97

photo: the image's name or its keypoint file's, with or without suffix. person: the place in that
file, from 0. gender: neutral, female or male, or their first letters; empty: nothing is said.
probability: 0 to 1, of that gender; without the column, or where empty, every answer is a label.
Other columns are left alone.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..core.choices import BodyGender, Gender, GenderSource
from ..core.files import boundary, open_regular
from .camera_table import names_of_frame
from .frames import LABEL_FROM, Frame, GenderLabel, KeypointError, Note, Person, read_gender
from .likeness import bare, normal

_PHOTO, _PERSON, _GENDER, _PROBABILITY = "photo", "person", "gender", "probability"
_NEEDED = (_PHOTO, _PERSON, _GENDER)
_DIGITS = 9  # of a person's place; Python refuses to read thousands


class GenderAnswer(NamedTuple):
    """A line of the table; probability None where it is not told."""

    gender: BodyGender
    probability: float | None


class GenderTable:
    """The answers by photo and place; it knows which were used."""

    def __init__(self, path: Path, answers: Mapping[tuple[str, int], GenderAnswer]) -> None:
        """path: where they were read from. answers: by the photo's name as `photo_key` has it."""
        self._path = path
        self._answers = answers
        self._used: set[tuple[str, int]] = set()

    def told(self, frame: Frame) -> Frame:
        """The frame, its people with the labels that the table has for them; who has one already
        keeps it.
        """
        names = [photo_key(name) for name in names_of_frame(frame)]
        names += [name.rpartition("/")[2] for name in names]
        people = tuple(self._with_label(person, names) for person in frame.people)
        return replace(frame, people=people)

    def leftovers(self) -> Sequence[Note]:
        """A note about the lines that no person meant."""
        unused = sorted(self._answers.keys() - self._used)
        if not unused:
            return ()
        photo, person = unused[0]
        detail = (
            f"{len(unused)} of {len(self._answers)} in {self._path.name}; "
            f"first: {photo}, person {person}"
        )
        return (Note("genders that match nobody", detail),)

    def _with_label(self, person: Person, names: Sequence[str]) -> Person:
        keys = [(name, person.index) for name in names]
        key = next((key for key in keys if key in self._answers), None)
        if key is None:
            return person
        self._used.add(key)
        gender, probability = self._answers[key]
        if person.label is not None or gender is Gender.NEUTRAL:
            return person
        label = GenderLabel.predicted(gender, GenderSource.CSV, probability)
        if label is not None:
            return replace(person, label=label)
        detail = f"{self._path.name}: {gender.value} at {probability}, below {LABEL_FROM:g}"
        return replace(person, notes=(*person.notes, Note("gender not believed", detail)))


def photo_key(name: str) -> str:
    """What two names of one photo have in common."""
    return bare(normal(name.strip().replace("\\", "/")))


def read_genders(path: Path) -> GenderTable:
    """The table of a file. Raises KeypointError, one line, for one that is none."""
    answers: dict[tuple[str, int], GenderAnswer] = {}
    with (
        boundary(path, "a table of genders", KeypointError),
        io.TextIOWrapper(open_regular(path), "utf-8-sig", newline="") as stream,
    ):
        lines = csv.DictReader(stream)
        columns = {name.strip().lower(): name for name in lines.fieldnames or () if name}
        missing = [name for name in _NEEDED if name not in columns]
        if missing:
            expected = ",".join((*_NEEDED, _PROBABILITY))
            raise KeypointError(
                f"{path}: no column {', '.join(missing)}; expected {expected} in the first line"
            )
        for line in lines:
            # cells that a short line lacks are None
            cells = {short: (line.get(name) or "").strip() for short, name in columns.items()}
            if not cells[_GENDER]:
                continue
            origin = f"{path}: line {lines.line_num}"
            key = (photo_key(cells[_PHOTO]), _place(cells[_PERSON], origin))
            if key in answers:
                raise KeypointError(f"{origin}: {cells[_PHOTO]}, person {key[1]} is there twice")
            answers[key] = _answer(cells, origin)
    return GenderTable(path, answers)


def _place(cell: str, origin: str) -> int:
    if not (cell.isdecimal() and len(cell) <= _DIGITS):
        raise KeypointError(
            f"{origin}: person should be the place in the file (0, 1, ...), got {cell!r:.40}"
        )
    return int(cell)


def _answer(cells: Mapping[str, str], origin: str) -> GenderAnswer:
    gender = read_gender(cells[_GENDER])
    if gender is None:
        raise KeypointError(
            f"{origin}: gender should be neutral, female or male, got {cells[_GENDER]!r:.40}"
        )
    cell = cells.get(_PROBABILITY, "")
    if not cell:
        return GenderAnswer(gender, None)
    try:
        probability = float(cell)
    except ValueError:
        probability = math.nan
    if not 0 <= probability <= 1:
        raise KeypointError(f"{origin}: probability should be 0 to 1, got {cell!r:.40}")
    return GenderAnswer(gender, probability)
