"""The bones whose depth is told: pairs of neighbouring points of BODY_25."""

from __future__ import annotations

from types import MappingProxyType

from ..keypoints import names
from ..keypoints.names import POINT_INDEX

POINTS = range(names.BODY.start, names.BODY.stop)  # the 25 points that the network looks at
ROOT = POINT_INDEX["mid_hip"]  # depths are relative to this one
_OF_SIDES = MappingProxyType({  # the point at a bone's end, and that at its beginning
    "shoulder": "neck", "elbow": "shoulder", "wrist": "elbow",
    "hip": "mid_hip", "knee": "hip", "ankle": "knee",
    "heel": "ankle", "big_toe": "ankle", "small_toe": "ankle",
    "eye": "nose", "ear": "nose",
})  # fmt: skip
_MIDDLE = (("neck", "mid_hip"), ("nose", "neck"))


def _sided(point: str, side: str) -> str:
    return point if point in ("mid_hip", "neck", "nose") else f"{side}_{point}"


# the numbers of each bone's end and beginning among the 137 points
BONES: tuple[tuple[int, int], ...] = tuple(
    (POINT_INDEX[end], POINT_INDEX[start])
    for end, start in (
        *_MIDDLE,
        *(
            (_sided(end, side), _sided(start, side))
            for side in ("right", "left")
            for end, start in _OF_SIDES.items()
        ),
    )
)
ENDS: tuple[int, ...] = tuple(end for end, _ in BONES)
STARTS: tuple[int, ...] = tuple(start for _, start in BONES)
