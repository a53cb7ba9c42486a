"""Names that detectors and data sets give their points, in any spelling, as canonical points.

`left_shoulder`, `LShoulder`, `L Shoulder`, `shoulder.L`, `l_sho` are one point. A name that stands
for a point of its own (`head_top`, `mouth_left`, `left_eye_inner`) has no counterpart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from ..core.choices import LayoutName
from . import names
from .layouts import ABSENT, LAYOUTS, Layout

# canonical body points without their side, and how they are spelled when all that separates words
# is taken away
_SIDED = MappingProxyType({
    "shoulder": ("shoulder", "sho", "shldr"),
    "elbow": ("elbow", "elb"),
    "wrist": ("wrist", "wri"),
    "hip": ("hip",),
    "knee": ("knee", "kne"),
    "ankle": ("ankle", "ank"),
    "eye": ("eye",),
    "ear": ("ear",),
    "big_toe": ("bigtoe", "footindex", "bigtoetip", "bigtoenail"),
    "small_toe": ("smalltoe", "littletoe", "pinkytoe", "smalltoetip", "smalltoenail"),
    "heel": ("heel",),
})  # fmt: skip
_UNSIDED = MappingProxyType({
    "nose": ("nose", "cnose", "nosetip"),
    "neck": ("neck", "cneck", "thorax"),
    "mid_hip": ("midhip", "pelvis", "root", "hip", "hips", "hipcenter", "centerhip", "bodycenter"),
})  # fmt: skip
_FINGER = MappingProxyType({
    "thumb": ("thumb",),
    "index": ("index", "fore", "indexfinger", "forefinger"),
    "middle": ("middle", "middlefinger"),
    "ring": ("ring", "ringfinger"),
    "pinky": ("pinky", "pinkyfinger", "little", "littlefinger"),
})  # fmt: skip
# which of a finger's four points, from the knuckle (1) to the tip (4); the thumb's are named for
# the bones that meet there
_JOINT = MappingProxyType({
    "mcp": 1, "pip": 2, "dip": 3, "tip": 4, "thirdjoint": 1, "secondjoint": 2, "firstjoint": 3,
})  # fmt: skip
_THUMB_JOINT = MappingProxyType({"cmc": 1, "mcp": 2, "ip": 3, "tip": 4})
_HAND_ROOT = ("hand0", "handroot", "handwrist")
_HAND_POINTS = 21
_SIDES = MappingProxyType({"left": "left", "lft": "left", "l": "left",
                           "right": "right", "rgt": "right", "r": "right"})  # fmt: skip

_BODY_OF_WORD = MappingProxyType({word: point for point, words in _SIDED.items() for word in words})
_POINT_OF_WORD = MappingProxyType(
    {word: point for point, words in _UNSIDED.items() for word in words}
)
_FINGER_OF_WORD = MappingProxyType(
    {word: finger for finger, words in _FINGER.items() for word in words}
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PLACE_IN_FINGER = re.compile(r"([a-z]+?)(\d)[a-z]*$")
_FACE_POINT = re.compile(r"face(?:kpt|landmark|point)?(\d+)$")
_LONGEST_NAME = 60  # characters; a longer one names no point


@dataclass(frozen=True)
class NamedLayout:
    """What a file's own list of names makes of its points.

    `layout` has the table; it is a known layout where the names are that layout's own. `unknown`
    are the names without a canonical point, as written.
    """

    layout: Layout
    unknown: tuple[str, ...]


@lru_cache(maxsize=64)
def named_layout(given: tuple[str, ...]) -> NamedLayout | None:
    """The table of a list of names; None where fewer than three of them are known.

    Of several points that mean the same canonical one the first counts.
    """
    source = [ABSENT] * names.COUNT
    unknown: list[str] = []
    for index, name in enumerate(given):
        point = canonical_name(name)
        if point is None or source[names.POINT_INDEX[point]] != ABSENT:
            unknown.append(name)
        else:
            source[names.POINT_INDEX[point]] = index
    _put_face(given, source, unknown)
    known = sum(index != ABSENT for index in source)
    if known < _FEWEST:
        return None
    table = tuple(source)
    for layout in LAYOUTS.values():
        if layout.points == len(given) and layout.source == table:
            return NamedLayout(layout, tuple(unknown))
    rules = LAYOUTS[LayoutName.NAMED].rules
    return NamedLayout(Layout(LayoutName.NAMED, len(given), table, rules), tuple(unknown))


_FEWEST = 3


def _put_face(given: Sequence[str], source: list[int], unknown: list[str]) -> None:
    """Points that are numbered in the face, from 0 or from 1, if the numbers are those of a face of
    68.
    """
    index_of: dict[int, int] = {}
    for index, name in enumerate(given):
        numbered = _FACE_POINT.match(_squeezed(name))
        if numbered:
            index_of.setdefault(int(numbered.group(1)), index)
    first = min(index_of, default=0)
    if first > 1 or len(index_of) < 68 or set(range(first, first + 68)) - index_of.keys():
        return
    for number in range(68):
        source[names.FACE.start + number] = index_of[number + first]
    placed = {given[index] for index in index_of.values()}
    unknown[:] = [name for name in unknown if name not in placed]


def canonical_name(name: str) -> str | None:
    """The canonical point that a name means, in any usual spelling; None where there is none."""
    if len(name) > _LONGEST_NAME:
        return None
    squeezed = _squeezed(name)
    if squeezed in _POINT_OF_WORD:
        return _POINT_OF_WORD[squeezed]
    for side, rest in _splits(name, squeezed):
        point = _sided_point(side, rest)
        if point is not None:
            return point
    return None


def _squeezed(name: str) -> str:
    """Letters and digits alone, in lower case, numbers without leading zeros."""
    if len(name) > _LONGEST_NAME:
        return ""
    words = _WORDS.findall(name)
    return "".join(str(int(word)) if word.isdigit() else word.lower() for word in words)


def _splits(name: str, squeezed: str) -> list[tuple[str, str]]:
    """Every (side, the rest) that a name can be read as: words first, then a first letter."""
    words = [word.lower() for word in _WORDS.findall(name)]
    found: list[tuple[str, str]] = []
    for place in (0, len(words) - 1):
        if words and words[place] in _SIDES:
            rest = words[:place] + words[place + 1 :]
            found.append((_SIDES[words[place]], _squeezed(" ".join(rest))))
    for prefix, side in _SIDES.items():
        if squeezed.startswith(prefix):
            found.append((side, squeezed[len(prefix) :]))
        if len(prefix) > 1 and squeezed.endswith(prefix):
            found.append((side, squeezed[: -len(prefix)]))
    return found


def _sided_point(side: str, rest: str) -> str | None:
    if rest in _BODY_OF_WORD:
        return f"{side}_{_BODY_OF_WORD[rest]}"
    if rest in _HAND_ROOT:
        return f"{side}_hand_wrist"
    numbered = re.match(r"hand(?:landmark|kpt)?(\d+)$", rest)
    if numbered and int(numbered.group(1)) < _HAND_POINTS:
        start = (names.LEFT_HAND if side == "left" else names.RIGHT_HAND).start
        return names.POINT_NAMES[start + int(numbered.group(1))]
    finger = _finger_point(rest.removeprefix("hand"))
    return None if finger is None else f"{side}_{finger}"


def _finger_point(rest: str) -> str | None:
    """`index_1` .. `index_4` and the like, of numbers or of the joints' names."""
    numbered = _PLACE_IN_FINGER.match(rest)
    if numbered and numbered.group(1) in _FINGER_OF_WORD:
        place = int(numbered.group(2))
        return f"{_FINGER_OF_WORD[numbered.group(1)]}_{place}" if 1 <= place <= 4 else None
    for word, finger in _FINGER_OF_WORD.items():
        joints = _THUMB_JOINT if finger == "thumb" else _JOINT
        place = joints.get(rest.removeprefix(word)) if rest.startswith(word) else None
        if place is None and rest.startswith(word):
            place = _JOINT.get(rest.removeprefix(word))
        if place is not None:
            return f"{finger}_{place}"
    return None
