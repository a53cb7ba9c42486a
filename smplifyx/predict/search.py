"""Several people in a picture, with networks that each look at one square.

MediaPipe's detector sees a picture in 224 by 224 pixels, and so only people who fill a good part of
it: it is shown the picture and overlapping squares of it. Whoever is found is looked at again in a
crop of their own, with hands and face.

Of the 57 people in 20 photos whom OpenPose saw with five points or more, the picture alone gives
18, with the squares 31; of the 29 who are at least a quarter of the picture high 15, and 26. Three
more were found whom OpenPose did not see. Smaller squares, or a lower threshold, give a few people
more and several times as many who are not there. The limits were chosen on these photos.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from .landmarks import PersonLandmarks

SQUARE = 0.5  # side of a square, of the picture's longer side
STEP = 0.5  # from a square to the next one, of its side
SEEN = 0.3  # visibility of points that are compared
FEWEST_COMPARED = 3
SAME_POINTS = 0.15  # median distance of the points of one person found twice, of that one's size
SAME_HEAD = 0.5  # distance of the heads, of the larger head
SAME_BOX = 0.7  # part of the smaller box that lies in the other
# Margins of crops around the visible points, of the box's longer side. The tight one shows least of
# others: with it 45 of 51 people are the one who is found in their crop, with the loose one 40.
MARGINS = (0.15, 0.3)
SMALLEST_PICTURE = 8  # pixels a side; less is no picture of anybody
# nose, ears, shoulders, elbows, wrists, hips, knees, ankles: the others lie close to these
COMPARED = [0, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
HEAD = slice(0, 11)
# nose, shoulders, hips: whoever has these outside of a square is cut off by it, and made up
TRUNK = [0, 11, 12, 23, 24]

Box = tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]


@runtime_checkable
class Looks(Protocol):
    """Two ways to look at a picture."""

    def bodies(
        self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    ) -> Sequence[Sequence[PersonLandmarks]]:
        """People at a glance, of each image: hands and faces need not be told."""
        ...

    def closely(self, image: UInt8[np.ndarray, "h w 3"]) -> PersonLandmarks | None:
        """One person with hands and face, in a crop around that person; None: nobody is found."""
        ...


class Rectangle(NamedTuple):
    """Part of a picture, in pixels; right and bottom are just outside."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
        """The pixels."""
        return image[self.top : self.bottom, self.left : self.right]

    @property
    def corner(self) -> Float[np.ndarray, " 2"]:
        """The top left one."""
        return np.array([self.left, self.top], float)


def everybody(image: UInt8[np.ndarray, "h w 3"], looks: Looks) -> tuple[PersonLandmarks, ...]:
    """Everybody who is found in an RGB picture, the largest first."""
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_PICTURE:
        return ()
    whole, *squares = parts_of(width, height)
    in_whole, *in_squares = looks.bodies([part.of(image) for part in (whole, *squares)])
    others: list[PersonLandmarks] = []
    for square, found in zip(squares, in_squares, strict=True):
        for person in found:
            placed = person.shifted(square.corner)
            if not is_cut_off(placed, square, whole):
                others.append(placed)
    # the whole picture goes first: nobody is cut off in it
    found_first = _most_visible_first(in_whole, whole)
    people = distinct([*found_first, *_most_visible_first(others, whole)])
    people = [_closer(person, image, looks) for person in people]
    people.sort(key=size_of, reverse=True)
    return tuple(people)


def parts_of(width: int, height: int) -> Iterator[Rectangle]:
    """The picture, then overlapping squares that cover it."""
    yield Rectangle(0, 0, width, height)
    side = math.ceil(max(width, height) * SQUARE)
    for top in _starts(height, side):
        for left in _starts(width, side):
            yield Rectangle(left, top, min(left + side, width), min(top + side, height))


def is_cut_off(person: PersonLandmarks, square: Rectangle, whole: Rectangle) -> bool:
    """Whether the person goes on beyond a side of the square that is no side of the picture."""
    low = person.pose[TRUNK].min(0)
    high = person.pose[TRUNK].max(0)
    return bool(
        (square.left > whole.left and low[0] < square.left)
        or (square.top > whole.top and low[1] < square.top)
        or (square.right < whole.right and high[0] > square.right)
        or (square.bottom < whole.bottom and high[1] > square.bottom)
    )


def distinct(found: Sequence[PersonLandmarks]) -> list[PersonLandmarks]:
    """Each person once: of several findings of one the first."""
    people: list[PersonLandmarks] = []
    for person in found:
        is_known = any(is_same(person, other) or _overlap(person, other) for other in people)
        if not is_known:
            people.append(person)
    return people


def is_same(one: PersonLandmarks, other: PersonLandmarks) -> bool:
    """Whether the points of two findings say that they are of one person."""
    both = np.minimum(one.visibility, other.visibility)[COMPARED] >= SEEN
    if both.sum() < FEWEST_COMPARED:
        both[:] = True
    apart = np.linalg.norm(one.pose - other.pose, axis=1)[COMPARED]
    smaller = min(size_of(one), size_of(other))
    return bool(np.median(apart[both]) < SAME_POINTS * smaller)


def size_of(person: PersonLandmarks) -> float:
    """Diagonal of the box around the visible points, pixels."""
    low, high = box_of(person)
    return float(np.linalg.norm(high - low))


def box_of(person: PersonLandmarks) -> Box:
    """Low and high corner of the box around the visible points, pixels."""
    is_seen = person.visibility >= SEEN
    points = person.pose[is_seen] if is_seen.sum() >= FEWEST_COMPARED else person.pose
    return points.min(0), points.max(0)


def _overlap(one: PersonLandmarks, other: PersonLandmarks) -> bool:
    """Whether two findings have one head, or one lies in the other."""
    heads = one.pose[HEAD], other.pose[HEAD]
    larger = max(float(np.linalg.norm(np.ptp(head, axis=0))) for head in heads)
    between = float(np.linalg.norm(heads[0].mean(0) - heads[1].mean(0)))
    if between < SAME_HEAD * larger:
        return True
    boxes = box_of(one), box_of(other)
    low = np.maximum(boxes[0][0], boxes[1][0])
    high = np.minimum(boxes[0][1], boxes[1][1])
    shared = float(np.prod(np.maximum(high - low, 0)))
    smaller = min(float(np.prod(box[1] - box[0])) for box in boxes)
    return shared > SAME_BOX * smaller


def _most_visible_first(
    found: Sequence[PersonLandmarks], whole: Rectangle
) -> list[PersonLandmarks]:
    def seen_in_picture(person: PersonLandmarks) -> float:
        is_inside = ((person.pose >= 0) & (person.pose < (whole.right, whole.bottom))).all(1)
        return float(person.visibility[is_inside].sum())

    return sorted(found, key=seen_in_picture, reverse=True)


def _starts(length: int, side: int) -> list[int]:
    """Where squares begin along a side of the picture."""
    if side >= length:
        return [0]
    count = math.ceil((length - side) / (STEP * side)) + 1
    return [round(start) for start in np.linspace(0, length - side, count)]


def _closer(
    person: PersonLandmarks, image: UInt8[np.ndarray, "h w 3"], looks: Looks
) -> PersonLandmarks:
    """The person as seen in a crop of their own; as before where only others are found there."""
    for margin in MARGINS:
        crop = _crop_around(person, margin, image)
        if min(crop.right - crop.left, crop.bottom - crop.top) < SMALLEST_PICTURE:
            continue
        closer = looks.closely(crop.of(image))
        if closer is not None:
            closer = closer.shifted(crop.corner)
            if is_same(person, closer):
                return closer
    return person


def _crop_around(
    person: PersonLandmarks, margin: float, image: UInt8[np.ndarray, "h w 3"]
) -> Rectangle:
    """The box of the person with a margin, as far as the picture reaches."""
    height, width = image.shape[:2]
    low, high = box_of(person)
    wider = margin * float((high - low).max())
    return Rectangle(
        left=max(0, math.floor(low[0] - wider)),
        top=max(0, math.floor(low[1] - wider)),
        right=min(width, math.ceil(high[0] + wider)),
        bottom=min(height, math.ceil(high[1] + wider)),
    )
