"""Tables of points (.csv): a row for each person of an image, or a row for each point.

    frame, NOSE_x, NOSE_y, NOSE_visibility, LEFT_EYE_INNER_x, ...
    x1, y1, z1, v1, x2, ...
    frame, landmark, x, y, z, visibility

as MediaPipe's landmarks and other detectors' points are saved. Two-line and three-line headings
(scorer, bodyparts, coords) are read too.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ..core.files import open_regular
from ..core.messages import one_line
from ..keypoints.face_mesh import MESH_COUNTS, face_of_mesh
from .frames import Person
from .mediapipe import FACE_CONFIDENCE, HAND_CONFIDENCE, in_fractions
from .people import MOST_PEOPLE, AboutFile, image_of, read_people, read_person
from .reader import ImagePeople, KeypointFile
from .values import number_or_nan

FEWEST_POINTS = 5  # in a heading; fewer are columns of something else
MOST_COLUMNS = 10_000
_LONGEST_HEADING = 2**20  # bytes
_COORDINATE = MappingProxyType({
    "x": "x", "y": "y", "z": "z", "v": "c", "vis": "c", "visibility": "c", "c": "c", "conf": "c",
    "confidence": "c", "score": "c", "likelihood": "c", "prob": "c", "s": "c",
})  # fmt: skip
_IMAGE = ("image", "image_id", "image_name", "file_name", "filename", "file", "img", "path")
_FRAME = ("frame", "frame_id", "frame_index", "frame_idx", "frame_number", "frame_no", "frames")
_PERSON = ("person_id", "person", "track_id", "idx", "pose_id", "id", "individual")
_POINT = ("landmark", "landmark_index", "landmark_id", "landmark_idx", "landmark_name", "keypoint",
          "keypoint_id", "keypoint_name", "joint", "joint_name", "joint_id", "point", "bodypart",
          "name", "index", "id")  # fmt: skip
_TYPE = ("type", "part", "body_part")
_WORDS = re.compile(r"[A-Za-z]+|\d+")
_NUMBERED = ("", "landmark", "pose", "poselandmark", "keypoint", "kp", "point", "joint", "lm", "p")
_HANDS = MappingProxyType({
    "lefthand": "left hand", "lefthandlandmark": "left hand",
    "righthand": "right hand", "righthandlandmark": "right hand",
})  # fmt: skip
_FACES = ("face", "facelandmark", "facemesh")
_ENTRY_KEY = MappingProxyType({
    "left hand": "left_hand_keypoints", "right hand": "right_hand_keypoints",
})  # fmt: skip
_POSE = 33
_BODY = "body"

Row = Sequence[str]


@dataclass(frozen=True)
class _Point:
    """A point of a part: by its name, or by its number where the name is empty."""

    part: str
    name: str
    number: int


@dataclass(frozen=True)
class _Heading:
    """What the columns hold: of which point which coordinate, and what each row is of."""

    columns: Mapping[str, int]  # by name, in lower case
    points: Mapping[_Point, Mapping[str, int]]  # column of each coordinate, of a wide table
    lines: int

    def first(self, names: Sequence[str]) -> int | None:
        """The column of the first of these names that the table has."""
        return next((self.columns[name] for name in names if name in self.columns), None)


class PointTableReader:
    """A table with a row for each person, or a row for each point."""

    suffixes = (".csv",)
    content = "a table of points"

    def recognises(self, file: KeypointFile) -> bool:
        """Whether the file is called a table, and its heading has points."""
        return file.path.name.lower().endswith(".csv") and is_point_table(file.path)

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        """The images in the order of the rows. Raises OSError and ValueError."""
        with open_regular(file.path) as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
            rows = _rows(text)
            heading = _heading_of(list(islice(_rows(_head(file.path)), 3)))
            if heading is None:
                raise ValueError("the heading names no points")
            for _ in range(heading.lines):
                next(rows, None)
            read = _read_wide if heading.points else _read_long
            names_images = heading.first((*_IMAGE, *_FRAME)) is not None
            yield from _alone_unnumbered(read(rows, heading, file), names_images)


def _alone_unnumbered(images: Iterator[ImagePeople], names_images: bool) -> Iterator[ImagePeople]:
    """A single image without a name of its own is the one that the file is named after."""
    first = next(images, None)
    if first is None:
        return
    second = next(images, None)
    if second is None:
        yield replace(first, file_name=None) if not names_images else first
        return
    yield first
    yield second
    yield from images


def is_point_table(path: Path) -> bool:
    """Whether a file's first lines are the heading of a table of points."""
    try:
        return _heading_of(list(islice(_rows(_head(path)), 3))) is not None
    except (OSError, ValueError, csv.Error):
        return False


def _head(path: Path) -> io.StringIO:
    with open_regular(path) as stream:
        content = stream.read(_LONGEST_HEADING)
    return io.StringIO(content.decode("utf-8-sig", errors="replace"), newline="")


def _rows(text: io.TextIOBase) -> Iterator[Row]:
    first = text.readline(_LONGEST_HEADING)
    delimiter = max(",;\t", key=first.count)
    text.seek(0)
    return csv.reader(text, delimiter=delimiter)


def _heading_of(rows: Sequence[Row]) -> _Heading | None:
    """The heading of a table of points, None where it is of something else."""
    if not rows or len(rows[0]) > MOST_COLUMNS:
        return None
    cells, lines = list(rows[0]), 1
    if len(rows) > 2 and cells[:1] == ["scorer"]:
        cells = [f"{part}_{of}" for part, of in zip(rows[1], rows[2], strict=False)]
        cells[:1] = ["frame"]
        lines = 3
    columns = {cell.strip().lower().replace(" ", "_"): place for place, cell in enumerate(cells)}
    points: dict[_Point, dict[str, int]] = {}
    for place, cell in enumerate(cells):
        found = _point_of(cell)
        if found is not None:
            point, coordinate = found
            points.setdefault(point, {})[coordinate] = place
    whole = {point: places for point, places in points.items() if {"x", "y"} <= places.keys()}
    if len(whole) >= FEWEST_POINTS:
        return _Heading(columns, whole, lines)
    heading = _Heading(columns, {}, lines)
    if {"x", "y"} <= columns.keys() and heading.first(_POINT) is not None:
        return heading
    return None


def _point_of(cell: str) -> tuple[_Point, str] | None:
    """The point and the coordinate that a column is of: `NOSE_x`, `x1`, `left_hand_3_y`."""
    words = _WORDS.findall(cell[:100])
    if len(words) < 2:
        return None
    if words[-1].lower() in _COORDINATE:
        coordinate, rest = words[-1].lower(), words[:-1]
    elif words[0].lower() in _COORDINATE:
        coordinate, rest = words[0].lower(), words[1:]
    else:
        return None
    return _named_point(rest), _COORDINATE[coordinate]


def _named_point(words: Sequence[str], kind: str = "") -> _Point:
    """A point by the words of its name; `kind` is what a column of its own says of the part."""
    number = next((int(word) for word in words if word.isdigit() and len(word) < 6), -1)
    letters = "".join(word for word in words if not word.isdigit()).lower()
    letters = (re.sub(r"[^a-z]", "", kind.lower()) + letters).removesuffix("s")
    if number >= 0 and letters in _NUMBERED:
        return _Point(_BODY, "", number)
    if number >= 0 and letters in _HANDS:
        return _Point(_HANDS[letters], "", number)
    if number >= 0 and letters in _FACES:
        return _Point("face", "", number)
    return _Point(_BODY, "_".join(words), -1)


def _read_wide(rows: Iterator[Row], heading: _Heading, file: KeypointFile) -> Iterator[ImagePeople]:
    numbered = enumerate(rows)
    for key, group in groupby(numbered, lambda row: _key_of_row(row, heading)):
        entries: list[object] = []
        for _, row in group:
            if row:
                values = {point: _values(row, places) for point, places in heading.points.items()}
                entries.append(_entry(values, _cell(row, heading.first(_PERSON))))
            _not_too_many(entries)
        if entries:
            yield _image(entries, key, heading, file)


def _read_long(rows: Iterator[Row], heading: _Heading, file: KeypointFile) -> Iterator[ImagePeople]:
    person_names = tuple(name for name in _PERSON if name != "id")
    point_column, type_column = heading.first(_POINT), heading.first(_TYPE)
    places = {
        _COORDINATE[name]: place for name, place in heading.columns.items() if name in _COORDINATE
    }
    filled = ((0, row) for row in rows if row)  # without frames all rows are of one image
    for key, group in groupby(filled, lambda row: _key_of_row(row, heading)):
        values_of: dict[str, dict[_Point, tuple[float, ...]]] = {}
        for _, row in group:
            person = _cell(row, heading.first(person_names))
            words = _WORDS.findall(_cell(row, point_column)[:100])
            point = _named_point(words, _cell(row, type_column))
            values = values_of.setdefault(person, {})
            values[point] = _values(row, places)
            _not_too_many(values_of)
            if len(values) > MOST_COLUMNS:
                raise ValueError(f"more than {MOST_COLUMNS} points of one person")
        entries: list[object] = []
        entries += (_entry(values, person) for person, values in values_of.items())
        yield _image(entries, key, heading, file)


def _not_too_many(people: Sequence[object] | Mapping[str, object]) -> None:
    if len(people) > MOST_PEOPLE:
        raise ValueError(f"more than {MOST_PEOPLE} people in one image")


def _key_of_row(numbered: tuple[int, Row], heading: _Heading) -> tuple[str, str]:
    """(Image, frame) of a row; where the table names neither, rows are frames."""
    number, row = numbered
    image, frame = heading.first(_IMAGE), heading.first(_FRAME)
    if image is None and frame is None:
        return "", str(number)
    return _cell(row, image), _cell(row, frame)


def _cell(row: Row, place: int | None) -> str:
    return row[place].strip() if place is not None and place < len(row) else ""


def _values(row: Row, places: Mapping[str, int]) -> tuple[float, ...]:
    """x, y and confidence of one point, without confidence where the table has none."""
    names = ("x", "y", "c") if "c" in places else ("x", "y")
    return tuple(number_or_nan(_cell(row, places[name])) for name in names)


def _entry(values: Mapping[_Point, tuple[float, ...]], person: str) -> dict[str, object]:
    """A person as an object with lists of points."""
    entry: dict[str, object] = {"person_id": person}
    parts: dict[str, list[_Point]] = {}
    for point in values:
        parts.setdefault(point.part, []).append(point)
    for part, points in parts.items():
        ordered = sorted(points, key=lambda point: point.number)
        rows = [list(values[point]) for point in ordered]
        if part == _BODY:
            _put_body(entry, ordered, rows)
        elif part in _ENTRY_KEY:
            entry[_ENTRY_KEY[part]] = [[*row[:2], HAND_CONFIDENCE] for row in rows]
        elif len(rows) in MESH_COUNTS:
            entry["face_keypoints"] = _face(rows)
    return entry


def _put_body(entry: dict[str, object], points: Sequence[_Point], rows: list[list[float]]) -> None:
    """The body's points; of Holistic's pose and face in one row the face goes to its own place."""
    if len(rows) - _POSE in MESH_COUNTS and not points[0].name:
        entry["face_keypoints"] = _face(rows[_POSE:])
        rows, points = rows[:_POSE], points[:_POSE]
    entry["keypoints"] = rows
    if points[0].name:
        entry["names"] = tuple(point.name for point in points)


def _face(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    mesh = np.array([row[:2] for row in rows])
    return [[x, y, FACE_CONFIDENCE] for x, y in face_of_mesh(mesh)]


def _image(
    entries: list[object], key: tuple[str, str], heading: _Heading, file: KeypointFile
) -> ImagePeople:
    image, frame = key
    name = image or frame
    if not image and frame:
        name = f"{file.base_name}_{int(float(frame)):06d}" if _is_number(frame) else frame
    try:
        people = read_people(entries, partial(_read_row, file=file))
        found = image_of(people, name or None)
    except Exception as error:  # whatever it is, it is this image's
        return ImagePeople((), name or None, problem=one_line(error))
    is_mediapipe = any(person.layout is not None and "mediapipe" in person.layout.value
                       for person in people)  # fmt: skip
    return in_fractions(found) if is_mediapipe else found


def _is_number(text: str) -> bool:
    return abs(number_or_nan(text)) < 1e12


def _read_row(entry: object, index: int, file: KeypointFile) -> Person:
    assert isinstance(entry, dict)  # as made by _entry
    return read_person(entry, index, AboutFile(entry.get("names"), file.options))
