"""When two names mean one image: letter case, unicode forms, what programs put behind a name, the
numbers of video frames.
"""

from __future__ import annotations

import bisect
import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from .stems import plain_stem

# what programs put behind the name of an image for what they found in it
_FINDINGS = re.compile(
    r"[ ._-](?:keypoints?(?:[ _-]?2d)?|openpose|alphapose|mmpose|rtmpose|rtmw|vitpose|dwpose|hrnet"
    r"|detectron2?|ultralytics|yolo|mediapipe|wholebody|body_?25b?|halpe(?:_?\d+)?|coco"
    r"|poses?|kpts?|kps|joints?(?:_?2d)?|2d(?:jnt|joints|kps|kpts)?|landmarks?|skeletons?"
    r"|rendered|detect(?:ions?|ed)?|results?|pred(?:iction)?s?|ann(?:o|ot|ots|otations?)?|labels?"
    r"|points?)$"
)
# what they put behind that of an image
_PICTURE = re.compile(r"[ ._-](?:img|image|photo|rgb|colou?r|frame|orig(?:inal)?|rendered)$")
_LAST_NUMBER = re.compile(r"(\d+)(\D*)$")
# before the number of a frame, where a program cut a video into photos
_FRAME_WORDS = frozenset(
    ("", "f", "fr", "frame", "frames", "im", "img", "image", "images", "out", "output")
)
_SEPARATORS = " ._-()#"
_NEIGHBOURS = 4  # names looked at on each side of a place in the alphabet


class Numbered(NamedTuple):
    """A name with a number: "video_0012" is 12 of the series ("", "video", "")."""

    series: tuple[str, str, str]  # folder, what goes before the number, and behind it
    number: str  # without leading zeros: as text, for it may have any length


def normal(name: str) -> str:
    """The name in one normal form of unicode and of letter case."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def bare(stem: str) -> str:
    """A `normal` stem of keypoints without what programs put behind it, of an image's suffix too:
    "x.jpg.predictions" is "x".
    """
    return _without(_FINDINGS, stem)


def bare_picture(stem: str) -> str:
    """A `normal` stem of an image without what programs put behind it."""
    return _without(_PICTURE, stem)


def _without(endings: re.Pattern[str], stem: str) -> str:
    folder, slash, name = stem.rpartition("/")
    while True:
        shorter = plain_stem(endings.sub("", name))
        if shorter in ("", ".", name):
            return folder + slash + name
        name = shorter


def numbered(stem: str) -> Numbered | None:
    """The series and the last number of a `normal` stem, None where it has no number."""
    folder, _, name = stem.rpartition("/")
    match = _LAST_NUMBER.search(name)
    if match is None:
        return None
    before = name[: match.start()].rstrip(_SEPARATORS)
    behind = match[2].strip(_SEPARATORS)
    return Numbered((folder, before, behind), match[1].lstrip("0") or "0")


def may_be_frames_of(photos: tuple[str, str, str], keypoints: tuple[str, str, str]) -> bool:
    """Whether a series of photos may be what a series of keypoints was made of: both have one name,
    or one of them none but "frame" and the like.
    """
    if photos[0] != keypoints[0] or photos[2] != keypoints[2]:
        return False
    before = (photos[1], keypoints[1])
    return before[0] == before[1] or before[0] in _FRAME_WORDS or before[1] in ("", "frame")


class NearestNames:
    """Finds the name that is most like another among many, without comparing all."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_beginning = sorted((normal(name), name) for name in set(names))
        self._by_end = sorted((key[::-1], name) for key, name in self._by_beginning)

    def nearest(self, name: str) -> str | None:
        """The name most like this one: of those that begin or end most alike."""
        key = normal(name)
        candidates = {
            *_around(self._by_beginning, key),
            *_around(self._by_end, key[::-1]),
        }
        likeness = difflib.SequenceMatcher(b=key[:200], autojunk=False)

        def ratio(candidate: str) -> tuple[float, str]:
            likeness.set_seq1(normal(candidate)[:200])
            return likeness.ratio(), candidate

        return max(candidates, key=ratio, default=None)


def _around(ordered: list[tuple[str, str]], key: str) -> list[str]:
    place = bisect.bisect_left(ordered, (key, ""))
    neighbours = ordered[max(place - _NEIGHBOURS, 0) : place + _NEIGHBOURS]
    return [name for _, name in neighbours]
