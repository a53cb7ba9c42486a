"""From rows of arrays to people; people wherever they stand in nested lists and dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..keypoints import names
from .poses import GivenPoses
from .prediction import JOINTS, Axes, Prediction, no_points
from .reader import PredictionFile
from .values import entry, last_part, numbers, text, whole

DEEPEST = 5  # lists and dictionaries around a person
MOST_LOOKED_AT = 200  # entries of one, where a file is only looked at
MOST_PEOPLE = 2_000_000  # a list may hold the same list again and again
_IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True, eq=False)
class People:
    """Some people of a file, a row each; what has no rows is not told.

    photos, frames, ids: one for each row, or one for all, or none.
    """

    system: str
    poses: GivenPoses
    axes: Axes
    shape_space: str
    betas: Float[np.ndarray, "rows betas"] | None = None
    expressions: Float[np.ndarray, "rows expressions"] | None = None
    boxes: Float[np.ndarray, "rows 4"] | None = None
    points: Float[np.ndarray, "rows 137 3"] | None = None
    joints: Float[np.ndarray, "rows 55 3"] | None = None
    photos: Sequence[str] = ()
    frames: Sequence[int | None] = ()
    ids: Sequence[str] = ()
    genders: Sequence[str] = ()

    def predictions(self, file: PredictionFile) -> Iterator[Prediction]:
        """Those of whom anything is told; a note for each of the others."""
        for row in range(len(self.poses)):
            made = self._prediction(row)
            is_told = made.told.any() or np.isfinite(made.points).any()
            if is_told or np.isfinite(made.joints).any():
                yield made
            else:
                file.note(f"{self._name(row)}: no usable rotation and no point")

    def _prediction(self, row: int) -> Prediction:
        return Prediction(
            system=self.system,
            rotations=self.poses.rotations[row].astype(np.float32),
            told=self.poses.told[row],
            points=_points_of(self.points, row, names.COUNT),
            joints=_points_of(self.joints, row, JOINTS),
            axes=self.axes,
            betas=_vector_of(self.betas, row),
            expression=_vector_of(self.expressions, row),
            shape_space=self.shape_space,
            box=_box_of(self.boxes, row),
            photo=_one_of(self.photos, row) or "",
            frame=_one_of(self.frames, row),
            person_id=_one_of(self.ids, row) or "",
            gender=_one_of(self.genders, row) or "",
        )

    def _name(self, row: int) -> str:
        """A person in the words of a note."""
        person_id, frame = _one_of(self.ids, row), _one_of(self.frames, row)
        words = [f"row {row}"] if len(self.poses) > 1 else []
        words += [f"person {person_id}"] if person_id else []
        words += [f"frame {frame}"] if frame is not None else []
        photo = _one_of(self.photos, row)
        words += [photo] if photo else []
        return ", ".join(words) or "the person"


def vectors(value: object, rows: int) -> Float[np.ndarray, "rows n"] | None:
    """Betas and the like: a row for each person, or one for all; None where there are none.

    Raises ValueError in one line where there are neither so many nor one.
    """
    if value is None:
        return None
    array = numbers(value)
    if not array.size or not rows:
        return None
    if array.ndim > 1 and array.size == array.shape[-1]:
        array = array.reshape(-1)
    if array.ndim <= 1:
        return np.tile(array.reshape(1, -1), (rows, 1))
    if array.size != rows * array.shape[-1]:
        raise ValueError(f"shape {list(array.shape)[:8]} is not one row of each of {rows} people")
    return array.reshape(rows, -1)


def vectors_under(content: object, rows: int, *keys: str) -> Float[np.ndarray, "rows n"] | None:
    """The vectors under the first of the keys that an object has. Raises ValueError as `vectors`,
    with the key.
    """
    try:
        return vectors(entry(content, *keys), rows)
    except ValueError as error:
        raise ValueError(f"{keys[0]}: {error}") from error


def boxes(value: object, rows: int) -> Float[np.ndarray, "rows 4"] | None:
    """(left, top, right, bottom), further columns (scores) left out; None where there are none."""
    found = vectors(value, rows)
    return None if found is None or found.shape[1] < 4 else found[:, :4]


def boxes_of_corner(value: object, rows: int) -> Float[np.ndarray, "rows 4"] | None:
    """Of (left, top, width, height)."""
    found = boxes(value, rows)
    return None if found is None else np.concatenate([found[:, :2], found[:, :2] + found[:, 2:]], 1)


def boxes_of_center(center: object, size: object, rows: int) -> Float[np.ndarray, "rows 4"] | None:
    """Of the middle (x, y) and the sizes: one (of a square) or two, in pixels."""
    middle, extent = vectors(center, rows), column(size, rows)
    if middle is None or extent is None or middle.shape[1] < 2:
        return None
    half = np.broadcast_to(extent[:, :2] / 2, (rows, 2))
    return np.concatenate([middle[:, :2] - half, middle[:, :2] + half], 1)


def column(value: object, rows: int) -> Float[np.ndarray, "rows n"] | None:
    """As `vectors`, a list of so many numbers being one for each person."""
    if value is None:
        return None
    array = numbers(value)
    return array.reshape(rows, 1) if array.size == rows else vectors(array, rows)


def joints_of(
    value: Float[np.ndarray, "rows joints 3"], places: Sequence[int]
) -> Float[np.ndarray, "rows 55 3"]:
    """SMPL-X's joints; places: of each joint that is given, -1 for one that SMPL-X has not."""
    found = np.full((len(value), JOINTS, 3), np.nan)
    for joint, place in enumerate(places):
        if place >= 0:
            found[:, place] = value[:, joint]
    return found


@dataclass(frozen=True, eq=False)
class Found:
    """A person's dictionary and how it was reached: names and places from the outside in."""

    value: Mapping[str, object]
    path: tuple[str | int, ...] = ()

    @property
    def photo(self) -> str:
        """What on the way looks like an image's name; empty where nothing does."""
        for step in reversed(self.path):
            if isinstance(step, str) and step.lower().endswith(_IMAGES):
                return text(step)
        return ""

    @property
    def frame(self) -> int | None:
        """The place of the outer of two lists, or a number as a key."""
        numbers_met = [step for step in self.path if isinstance(step, int)]
        return numbers_met[0] if len(numbers_met) > 1 else None

    @property
    def person_id(self) -> str:
        """The place in the innermost list; empty where there is none."""
        return str(self.path[-1]) if self.path and isinstance(self.path[-1], int) else ""

    def __str__(self) -> str:
        return " / ".join(text(step) for step in self.path) or "the person"


@dataclass
class _Search:
    """most_entries: of each list or dictionary that are looked at; left: of all of them."""

    is_person: Callable[[object], bool]
    most_entries: int
    left: int


def find_people(content: object, is_person: Callable[[object], bool]) -> Iterator[Found]:
    """Every dictionary that is a person's, in lists and dictionaries down to DEEPEST.

    Raises ValueError where there are more than MOST_PEOPLE entries in all.
    """
    search = _Search(is_person, MOST_PEOPLE, MOST_PEOPLE)
    yield from _find(content, (), search)
    if search.left < 0:
        raise ValueError(f"more than {MOST_PEOPLE} entries, the rest is left out")


def holds_people(content: object, is_person: Callable[[object], bool]) -> bool:
    """Whether any of the first entries is a person's."""
    search = _Search(is_person, MOST_LOOKED_AT, MOST_LOOKED_AT**2)
    return any(True for _ in _find(content, (), search))


def _find(value: object, path: tuple[str | int, ...], search: _Search) -> Iterator[Found]:
    inside: list[tuple[str | int, object]] = []
    if isinstance(value, Mapping):
        if search.is_person(value):
            yield Found(value, path)
            return
        keys = [key for key in list(value)[: search.most_entries] if isinstance(key, (str, int))]
        inside = [(_as_number(key), value[key]) for key in keys]
    elif isinstance(value, list):
        inside = list(enumerate(value[: search.most_entries]))
    if len(path) == DEEPEST:
        return
    for step, each in inside:
        if not isinstance(each, (Mapping, list)):
            continue
        search.left -= 1
        if search.left < 0:
            return
        yield from _find(each, (*path, step), search)


def _as_number(step: str | int) -> str | int:
    """A key of digits, as JSON has it, as the number."""
    return int(step) if isinstance(step, str) and step.isdecimal() and len(step) < 10 else step


def photo_of(value: object) -> str:
    """An image's name as an entry tells it."""
    return text(value) if isinstance(value, (str, bytes, np.ndarray)) else ""


def short_photo_of(value: object) -> str:
    """An image's name without folders, as an entry tells it."""
    return last_part(photo_of(value))


def id_of(value: object) -> str:
    """A person's number or name as a text; empty where there is none."""
    number = whole(value)
    return text(value) if number is None else str(number)


def _points_of(
    points: Float[np.ndarray, "rows points 3"] | None, row: int, count: int
) -> Float[np.ndarray, "points 3"]:
    """Float32; a point that is not whole is absent."""
    if points is None:
        return no_points(count)
    is_whole = np.isfinite(points[row]).all(-1, keepdims=True)
    return np.where(is_whole, points[row], np.nan).astype(np.float32)


def _vector_of(vectors: Float[np.ndarray, "rows n"] | None, row: int) -> Float[np.ndarray, " n"]:
    """Float32; none where any is not finite."""
    if vectors is None or not np.isfinite(vectors[row]).all():
        return np.zeros(0, np.float32)
    return vectors[row].astype(np.float32)


def _box_of(found: Float[np.ndarray, "rows 4"] | None, row: int) -> Float[np.ndarray, " 4"]:
    """Float32; NaN where it is not whole."""
    is_whole = found is not None and np.isfinite(found[row]).all()
    box = found[row] if found is not None and is_whole else np.full(4, np.nan)
    return box.astype(np.float32)


def _one_of(values: Sequence, row: int):
    """A row's value, or the one for all; None where there are none."""
    if not values:
        return None
    return values[0] if len(values) == 1 else values[row] if row < len(values) else None
