"""The plain form, for every network that has no reader: `docs/predictions.md` says what it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from ..keypoints import names
from .people import People, boxes, vectors
from .poses import LEFT_HAND, PARTS, RIGHT_HAND, GivenPoses
from .prediction import JOINTS, Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, numbers, text, texts, wholes

MARKER = "smplifyx_prediction"
_POINTS = {"points3d": names.COUNT, "joints3d": JOINTS}
_HANDS = {"left": LEFT_HAND, "right": RIGHT_HAND}
T = TypeVar("T")


class PlainReader:
    """People of any batch axes."""

    system = "plain"
    content = f"the plain form (.npz with {MARKER}, or global_orient and body_pose)"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether the marker is there, or root and body under smplx's names."""
        return has(file.content, MARKER) or has(file.content, "global_orient", "body_pose")

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Person after person, the last axis fastest."""
        content = file.content
        assert isinstance(content, Mapping)  # as recognised
        batch = _batch(content)
        rows = prod(batch)
        system = text(entry(content, "system")).lower() or self.system
        poses = GivenPoses.nothing(rows)
        poses.put_parts(content, *(name for name in PARTS if not name.endswith("hand_pose")))
        _put_hands(content, poses, file, system)
        people = People(
            system,
            poses,
            _axes(text(entry(content, "axes"))),
            text(entry(content, "shape_space")) or "smplx",
            betas=_spread_vectors(content, "betas", batch),
            expressions=_spread_vectors(content, "expression", batch),
            boxes=boxes(entry(content, "box"), rows),
            points=_points(content, "points3d", rows),
            joints=_points(content, "joints3d", rows),
            photos=_spread(texts(entry(content, "photo")), batch, "photo"),
            frames=_spread(wholes(_listed(entry(content, "frame"))), batch, "frame"),
            ids=_spread(texts(entry(content, "person")), batch, "person"),
            genders=_spread(texts(entry(content, "gender")), batch, "gender"),
        )
        yield from people.predictions(file)


def _batch(content: Mapping[str, object]) -> tuple[int, ...]:
    """The axes before those of a pose, by the first array that has some."""
    joints = {name: place.stop - place.start for name, place in PARTS.items()}
    for name in ("body_pose", "points3d", "joints3d", "left_hand_pose", "right_hand_pose"):
        if content.get(name) is None:
            continue
        shape = numbers(content[name]).shape
        count = joints.get(name) or _POINTS[name]
        for last in ((count, 3, 3), (count, 3), (3 * count,)):
            if shape[len(shape) - len(last) :] == last:
                return shape[: len(shape) - len(last)]
        expected = f"(..., {count}, 3) or (..., {count}, 3, 3)"
        raise ValueError(f"{name} has shape {list(shape)[:8]}, expected {expected}")
    raise ValueError(f"has {MARKER} and neither body_pose, hands, points3d nor joints3d")


def _put_hands(
    content: Mapping[str, object], poses: GivenPoses, file: PredictionFile, system: str
) -> None:
    """Hands, to which the mean is added where `flat_hand_mean` is false."""
    is_flat = entry(content, "flat_hand_mean")
    if is_flat is None or bool(np.all(numbers(is_flat))):
        poses.put_parts(content, "left_hand_pose", "right_hand_pose")
        return
    for side, place in _HANDS.items():
        given = content.get(f"{side}_hand_pose")
        if given is not None:
            poses.put(place, file.hands.whole(given, side, len(poses), system))


def _axes(word: str) -> Axes:
    words = [axes.value for axes in Axes]
    if word and word.lower() not in words:
        raise ValueError(f"axes is {word!r}, allowed are {' and '.join(words)}")
    return Axes(word.lower()) if word else Axes.CAMERA


def _spread_vectors(
    content: Mapping[str, object], name: str, batch: tuple[int, ...]
) -> Float[np.ndarray, "rows n"] | None:
    """A row for each person, of one for each, for all, or for each of the first axes (tracks)."""
    value = content.get(name)
    if value is None:
        return None
    array = numbers(value)
    rows, given = prod(batch), array.size // max(array.shape[-1] if array.ndim else 1, 1)
    if array.ndim > 1 and given != rows and given in _leading(batch):
        return np.repeat(array.reshape(given, -1), rows // given, axis=0)
    return vectors(value, rows)


def _spread(values: Sequence[T], batch: tuple[int, ...], name: str) -> Sequence[T]:
    """One for each person of one for each, for all, or for each of the first axes."""
    rows = prod(batch)
    if len(values) in (0, 1, rows):
        return values
    if len(values) not in _leading(batch):
        raise ValueError(f"{name} has {len(values)} entries for {rows} people")
    times = rows // len(values)
    return [value for value in values for _ in range(times)]


def _leading(batch: tuple[int, ...]) -> tuple[int, ...]:
    """How many there are along the first axis, the first two, ..."""
    return tuple(prod(batch[:count]) for count in range(1, len(batch)) if prod(batch[:count]))


def _points(
    content: Mapping[str, object], name: str, rows: int
) -> Float[np.ndarray, "rows points 3"] | None:
    value = content.get(name)
    if value is None:
        return None
    array = numbers(value)
    if array.size != rows * _POINTS[name] * 3:
        shape = list(array.shape)[:8]
        raise ValueError(f"{name} has shape {shape}, expected (..., {_POINTS[name]}, 3)")
    return array.reshape(rows, _POINTS[name], 3)


def _listed(value: object) -> object:
    return [value] if isinstance(value, (int, float)) else value
