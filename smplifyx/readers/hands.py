"""A hand belongs to the wrist it starts at: hands of the wrong side are put right, or left out.

Detectors of hands look at a piece of the image around a wrist, and may find the other hand there,
or somebody else's. Such a hand would pull its arm across the picture. It is told by where it
starts: the body's wrists were found without it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..keypoints import names
from ..keypoints.confidence import CONFIDENT, SEEN
from .frames import Note, Person

EXCHANGED = "hands exchanged"
GIVEN = "hand given to the other wrist"
LEFT_OUT = "hand left out"

# In lengths of a hand:
FAR = 1.0  # a hand that starts farther from a wrist than this is not that wrist's
NEAR = 0.4  # one that starts as near as this may be that wrist's
CLEARLY = 0.5  # one that is nearer to one wrist than to the other by this is the nearer one's
ROOT_SEEN = SEEN / 2  # detectors are modest about where a hand starts; below this they guess

Row = Sequence[float]  # (x px, y px, confidence) of a point; numpy is slow with single numbers


class _Bone(NamedTuple):
    """Two body points, and how long a hand is compared with the distance between them."""

    start: int
    end: int
    hand: float

    @classmethod
    def of(cls, start: str, end: str, hand: float) -> _Bone:
        """Between points of these names."""
        return cls(names.POINT_INDEX[start], names.POINT_INDEX[end], hand)


# Of adults. A picture may shorten a bone and hardly lengthens it: the longest estimate is the best.
_BONES = (
    _Bone.of("left_elbow", "left_wrist", 0.75),
    _Bone.of("right_elbow", "right_wrist", 0.75),
    _Bone.of("left_shoulder", "left_elbow", 0.65),
    _Bone.of("right_shoulder", "right_elbow", 0.65),
    _Bone.of("left_shoulder", "right_shoulder", 0.5),
    _Bone.of("neck", "mid_hip", 0.38),
)
_LEFT_WRIST = names.POINT_INDEX["left_wrist"]
_RIGHT_WRIST = names.POINT_INDEX["right_wrist"]
_UNSEEN = (0.0, 0.0, 0.0)
_OTHER_SIDE = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class _Hand:
    """What was found as the hand of one side.

    own, other: how far from its own and from the other body wrist it starts, in pixels; NaN where
    that wrist was not seen. is_sure: its own wrist is no guess.
    """

    side: str
    points: Sequence[Row]
    own: float
    other: float
    is_sure: bool

    def is_plainly_right(self, length: float) -> bool:
        """Whether neither of the two below could be so; also where its wrist was not seen."""
        return not self.own > CLEARLY * length

    def is_the_others(self, length: float) -> bool:
        """Whether it starts at the other wrist, and clearly not at its own."""
        return self.other <= NEAR * length and self.own - self.other > CLEARLY * length

    def is_wrong(self, length: float) -> bool:
        """Whether it is not its own wrist's hand."""
        return self.is_the_others(length) or (self.is_sure and self.own > FAR * length)


def put_right(person: Person) -> Person:
    """The person with every hand at the wrist it starts at, and a note of each change.

    Hands that start at each other's wrists are exchanged. One that starts at the other wrist goes
    there if there is no hand; otherwise, and if it is farther from its wrist than a hand is long,
    it is left out. Nothing is told of a hand whose body wrist was not seen.
    """
    points: list[Row] = person.keypoints[: names.FACE.start].tolist()
    left_wrist, right_wrist = points[_LEFT_WRIST], points[_RIGHT_WRIST]
    left = _hand("left", points[names.LEFT_HAND], left_wrist, right_wrist)
    right = _hand("right", points[names.RIGHT_HAND], right_wrist, left_wrist)
    hands = [hand for hand in (left, right) if hand is not None]
    length = _length_by_body(points)
    if all(hand.is_plainly_right(length) for hand in hands):
        return person

    length = max(length, *(_extent(hand.points) for hand in hands))
    if left and right and _are_exchanged(left, right, length):
        exchanged = {"left": right.points, "right": left.points}
        return _with_hands(person, exchanged, [Note(EXCHANGED, "each starts at the other's wrist")])
    wrong = [hand for hand in hands if hand.is_wrong(length)]
    return _without(person, wrong, hands, length) if wrong else person


def _without(
    person: Person, wrong: Sequence[_Hand], hands: Sequence[_Hand], length: float
) -> Person:
    """The person without the hands that are wrong, but for one that the other wrist can have."""
    kept = {hand.side: hand.points for hand in hands if hand not in wrong}
    notes: list[Note] = []
    for hand in wrong:
        other = _OTHER_SIDE[hand.side]
        if hand.is_the_others(length) and other not in kept:
            kept[other] = hand.points
            notes.append(Note(GIVEN, f"the {hand.side} one starts at the {other} wrist"))
        else:
            where = f"{hand.own:.0f} px from its wrist, where a hand is {length:.0f} px long"
            if hand.is_the_others(length):
                where = f"at the {other} wrist, {hand.own:.0f} px from its own"
            notes.append(Note(LEFT_OUT, f"the {hand.side} one starts {where}"))
    return _with_hands(person, kept, notes)


def _with_hands(person: Person, hands: dict[str, Sequence[Row]], notes: Sequence[Note]) -> Person:
    """The person with these hands, by side, and no other."""
    points = person.keypoints.copy()
    points[names.LEFT_HAND] = hands.get("left", _UNSEEN)
    points[names.RIGHT_HAND] = hands.get("right", _UNSEEN)
    return replace(person, keypoints=points, notes=(*person.notes, *notes))


def _are_exchanged(left: _Hand, right: _Hand, length: float) -> bool:
    """Whether each of two hands starts at the other's wrist, all in all clearly."""
    each = all(hand.other < hand.own and hand.other <= FAR * length for hand in (left, right))
    nearer_by = left.own + right.own - left.other - right.other
    return each and nearer_by > CLEARLY * length


def _hand(side: str, points: Sequence[Row], wrist: Row, other_wrist: Row) -> _Hand | None:
    """What was found as the hand of a side, None where nothing was."""
    if not any(point[2] >= SEEN for point in points):
        return None
    starts = points[:1]
    if starts[0][2] < ROOT_SEEN:
        # Its root is not known: it starts no farther away than the nearest of its points.
        starts = [point for point in points if point[2] >= SEEN]
    return _Hand(
        side=side,
        points=points,
        own=_nearest(wrist, starts),
        other=_nearest(other_wrist, starts),
        is_sure=wrist[2] >= CONFIDENT,
    )


def _nearest(wrist: Row, points: Sequence[Row]) -> float:
    """How far the nearest point is from a body wrist, in pixels; NaN where that was not seen."""
    if wrist[2] < SEEN:
        return math.nan
    return min(_distance(point, wrist) for point in points)


def _length_by_body(points: Sequence[Row]) -> float:
    """How long the person's hands are in the picture, in pixels, as the body tells it; 0: it does
    not.
    """
    longest = 0.0
    for bone in _BONES:
        start, end = points[bone.start], points[bone.end]
        if start[2] >= SEEN and end[2] >= SEEN:
            longest = max(longest, bone.hand * _distance(start, end))
    return longest


def _extent(points: Sequence[Row]) -> float:
    """The diagonal in pixels of the box around the seen points of a hand."""
    seen = [point for point in points if point[2] >= SEEN]
    x = [point[0] for point in seen]
    y = [point[1] for point in seen]
    return math.hypot(max(x) - min(x), max(y) - min(y))


def _distance(start: Row, end: Row) -> float:
    return math.hypot(start[0] - end[0], start[1] - end[1])
