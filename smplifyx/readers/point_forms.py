"""Lists of points in all the forms that detectors write: flat or nested, objects or columns, with
or without confidence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float

from ..core.choices import LayoutName
from .frames import Note
from .values import length_or_type, number_or_nan, numbers, triplets

MOST_POINTS = 2000
PIXELS = 10.0  # coordinates beyond this are pixels, not metres
_CONFIDENCE = (
    "confidence", "score", "visibility", "visible", "conf", "likelihood", "v", "c", "s", "presence",
)  # fmt: skip
_NAME = ("name", "part", "label", "keypoint", "joint", "class", "bodyPart", "body_part")
_LISTS = ("points", "landmark", "landmarks", "keypoints", "xy", "data")


class NotPoints(ValueError):
    """A list of points that cannot be read: the message says what it is instead."""


@dataclass(frozen=True, eq=False)
class RawPoints:
    """Points as a file has them: (x, y, confidence), NaN where something is no number.

    `with_confidence` is False where the file has none: then it is 1, and 0 for points at (0, 0).
    `names` are the points' own, where the list has them; `layout` is that of points which their
    reader put together, when nothing is left to tell; `notes` say what was left out.
    """

    points: Float[np.ndarray, "points 3"]
    with_confidence: bool = True
    names: tuple[str, ...] | None = None
    notes: tuple[Note, ...] = ()
    layout: LayoutName | None = None


def read_points(value: object, counts: Collection[int], scores: object = None) -> RawPoints:
    """A list of points in any form.

    `counts` are the numbers of points that it may have: they tell flat lists with confidence from
    those without. `scores` are the confidences where they stand apart. Raises NotPoints.
    """
    if isinstance(value, Mapping):
        return _from_object(value, counts, scores)
    if not isinstance(value, (list, tuple)):
        raise NotPoints(f"expected a list of points, got {type(value).__name__}")
    rows: Sequence[object] = value
    while len(rows) == 1 and _is_nested(rows[0]):
        rows = cast("Sequence[object]", rows[0])  # a list of the points of one person
    if not rows:
        raise NotPoints("an empty list")
    if isinstance(rows[0], Mapping):
        return _from_objects(rows, scores)
    if isinstance(rows[0], (list, tuple)):
        return _from_rows(rows, scores)
    return _from_flat(rows, counts, scores)


def _is_nested(value: object) -> bool:
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return isinstance(value[0], (list, tuple, Mapping))


def _from_flat(value: Sequence[object], counts: Collection[int], scores: object) -> RawPoints:
    apart = _are_scores_of(scores, len(value) // 3) or _are_scores_of(scores, len(value) // 2)
    if len(value) % 3 == 0 and len(value) // 3 in counts and not apart:
        points = triplets(value)
        assert points is not None
        return RawPoints(points)
    if len(value) % 2 == 0 and len(value) // 2 in counts:
        return _with_scores(numbers(value).reshape(-1, 2), scores)
    if len(value) % 3 == 0 and len(value) // 3 in counts:
        return _from_wide(numbers(value).reshape(-1, 3), scores)
    if len(value) % 4 == 0 and len(value) // 4 in counts:
        return _from_wide(numbers(value).reshape(-1, 4), None)
    raise NotPoints(_wrong_count(value, counts))


def _wrong_count(value: object, counts: Collection[int]) -> str:
    usual = ", ".join(str(count) for count in sorted(counts))
    return (
        f"should hold 3 numbers (2 without confidence) for each of {usual} points, "
        f"has {length_or_type(value)}"
    )


def _from_rows(rows: Sequence[object], scores: object) -> RawPoints:
    """Points of 2, 3 or 4 numbers each; a row that is no list is a point that is no number."""
    if len(rows) > MOST_POINTS:
        raise NotPoints(f"{len(rows)} points, more than {MOST_POINTS}")
    widths = {len(row) for row in rows if isinstance(row, (list, tuple)) and row}
    width = max(widths, default=0)
    if not 2 <= width <= 4:
        raise NotPoints(f"expected points of 2 or 3 numbers, got {width}")
    blank = [float("nan")] * width
    flat: list[object] = []
    for row in rows:
        flat += row if isinstance(row, (list, tuple)) and len(row) == width else blank
    points = numbers(flat).reshape(-1, width)
    return _with_scores(points, scores) if width == 2 else _from_wide(points, scores)


def _from_wide(points: Float[np.ndarray, "points k"], scores: object) -> RawPoints:
    """Points of three numbers or more: the third is the confidence, or a depth where the
    confidence stands behind it.
    """
    apart = _are_scores_of(scores, len(points))
    if points.shape[1] == 3 and not apart:
        return RawPoints(points)
    finite = np.abs(points[np.isfinite(points).all(1)])
    if len(finite) and finite[:, :2].max() < PIXELS:
        raise NotPoints("3D points (x, y, z), where points in the image are expected")
    if points.shape[1] == 4 and not apart:
        return RawPoints(points[:, [0, 1, 3]])
    return _with_scores(points[:, :2], scores)


def _with_scores(xy: Float[np.ndarray, "points 2"], scores: object) -> RawPoints:
    """Points and their confidences in a list of their own, if there is one."""
    while isinstance(scores, (list, tuple)) and len(scores) == 1 and len(xy) != 1:
        scores = scores[0]
    if isinstance(scores, (list, tuple)) and len(scores) == len(xy):
        flat = [score[0] if _is_single(score) else score for score in scores]
        return RawPoints(np.concatenate([xy, numbers(flat)[:, None]], 1))
    return RawPoints(np.concatenate([xy, np.ones((len(xy), 1))], 1), with_confidence=False)


def _are_scores_of(scores: object, count: int) -> bool:
    """Whether there is a confidence for each of so many points."""
    while isinstance(scores, (list, tuple)) and len(scores) == 1 and count != 1:
        scores = scores[0]
    return isinstance(scores, (list, tuple)) and len(scores) == count


def _is_single(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 1


def _from_object(value: Mapping[str, object], counts: Collection[int], scores: object) -> RawPoints:
    """Columns `x`, `y` and a confidence, a list under a key of its own, or points by name or
    number.
    """
    if isinstance(value.get("x"), list) and isinstance(value.get("y"), list):
        return _from_columns(value, scores)
    for key in _LISTS:
        if isinstance(value.get(key), (list, dict)):
            confidence = next((value[k] for k in _CONFIDENCE if value.get(k) is not None), scores)
            return read_points(value[key], counts, confidence)
    named = {key: point for key, point in value.items() if isinstance(point, (list, dict))}
    if not named:
        raise NotPoints(f"expected a list of points, got an object of {len(value)}")
    rows = list(named.values())
    found = _from_objects(rows, scores) if isinstance(rows[0], dict) else _from_rows(rows, scores)
    if all(key.isdecimal() for key in named):
        return RawPoints(found.points, found.with_confidence)
    return RawPoints(found.points, found.with_confidence, tuple(named))


def _from_columns(value: Mapping[str, object], scores: object) -> RawPoints:
    columns = [value["x"], value["y"]]
    given = next((value[key] for key in _CONFIDENCE if value.get(key) is not None), scores)
    x, y = (numbers(column) for column in columns if isinstance(column, list))
    if len(x) != len(y):
        raise NotPoints(f"{len(x)} numbers under x, {len(y)} under y")
    return _with_scores(np.stack([x, y], 1), given)


def _from_objects(value: Sequence[object], scores: object) -> RawPoints:
    """A list of objects with `x`, `y`, perhaps a confidence and perhaps a name."""
    if len(value) > MOST_POINTS:
        raise NotPoints(f"{len(value)} points, more than {MOST_POINTS}")
    points: list[tuple[float, float, float]] = []
    names: list[str] = []
    confident = False
    for entry in value:
        point = entry if isinstance(entry, Mapping) else {}
        place = point.get("position", point)
        place = place if isinstance(place, Mapping) else {}
        key = next((key for key in _CONFIDENCE if point.get(key) is not None), None)
        confident = confident or key is not None
        confidence = 1.0 if key is None else number_or_nan(point[key])
        points.append((number_or_nan(place.get("x")), number_or_nan(place.get("y")), confidence))
        name = next((point[key] for key in _NAME if isinstance(point.get(key), str)), None)
        if isinstance(name, str):
            names.append(name)
    found = np.array(points)
    if np.isnan(found[:, :2]).all():
        raise NotPoints("expected points with x and y")
    if not confident and scores is not None:
        scored = _with_scores(found[:, :2], scores)
        found, confident = scored.points, scored.with_confidence
    return RawPoints(found, confident, tuple(names) if len(names) == len(value) else None)
