"""What a keypoint file holds: frames (one image each) of people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..keypoints import names
from ..keypoints.layouts import LayoutName

GENDERS = ("neutral", "female", "male")
_SPELLINGS = {"f": "female", "m": "male", "n": "neutral"} | {gender: gender for gender in GENDERS}


class KeypointError(ValueError):
    """An input that cannot be read at all: the message names the file, what is wrong and what is
    allowed.
    """


class SizeSource(Enum):
    """Where the size of a frame's image comes from."""

    IMAGE = "image"
    SIDECAR = "sidecar"
    KEYPOINTS = "keypoints"  # only a lower bound: the smallest image that holds every point


@dataclass(frozen=True, eq=False)
class Person:
    """One entry of a keypoint file.

    `index` is its place in the frame, from 0. `keypoints` are (x px, y px, confidence 0..1) in the
    canonical order, all zero where unseen. `gender` is neutral, female, male or None, `age` adult,
    child, auto or None, `height` the stature in metres where it is known. `problem` says in one
    line why the entry is unusable (the keypoints are zero then); `notes` say what was left out of a
    usable one.
    """

    index: int
    keypoints: Float[np.ndarray, "137 3"]
    gender: str | None = None
    age: str | None = None
    height: float | None = None
    layout: LayoutName | None = None
    problem: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Frame:
    """One image's people, in file order.

    `stem` names the results: a relative path of `/`-joined plain parts, never absolute and never
    with `..`. `image_size` is (width, height) of the upright image in pixels. `problem` says in one
    line why the file could not be read (there are no people then); `notes` what else was met, the
    notes of its people included.
    """

    stem: str
    keypoint_file: Path
    people: tuple[Person, ...] = ()
    image: Path | None = None
    image_size: tuple[int, int] | None = None
    size_source: SizeSource | None = None
    problem: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def layout(self) -> LayoutName | None:
        """The layout of the first person who has one."""
        return next((p.layout for p in self.people if p.layout is not None), None)


def unusable(index: int, problem: str) -> Person:
    """A person who keeps the place in the file and says why there is nothing to fit."""
    return Person(index=index, keypoints=np.zeros((names.COUNT, 3), np.float32), problem=problem)


def read_gender(value: object) -> str | None:
    """`neutral`, `female` or `male` from any usual spelling (`F`, `male`, ...), else None."""
    return _SPELLINGS.get(value.strip().lower()) if isinstance(value, str) else None
