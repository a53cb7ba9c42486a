"""What keypoint files hold: frames (one image each) of people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..core.choices import BODY_GENDERS, Age, BodyGender, Detector, Gender, GenderSource
from ..keypoints import names
from ..keypoints.layouts import LayoutName, detector_of

ImageSize = tuple[int, int]  # (width, height) in pixels of the upright image
LABEL_FROM = 0.9  # probability at which what a classifier says is a label, as Homogenus has it

_GENDER_OF_WORD: dict[str, BodyGender] = {gender.value: gender for gender in BODY_GENDERS}
_GENDER_OF_LETTER: dict[str, BodyGender] = {gender.value[0]: gender for gender in BODY_GENDERS}


class KeypointError(ValueError):
    """An input that cannot be read at all: the message names the file, what is wrong and what is
    allowed.
    """


class Note(NamedTuple):
    """Something about an input that its owner should know, though it was read.

    `about` is a fixed phrase, so that notes of one kind can be counted and summed up ("points
    outside the image"); `detail` is what is so of this one. As text: "about: detail".
    """

    about: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.about}: {self.detail}" if self.detail else self.about


class SizeSource(Enum):
    """Where the size of a frame's image comes from."""

    IMAGE = "image"
    SIDECAR = "sidecar"  # a file says it: the keypoints' own, or one of a camera
    OPTION = "option"  # the user says in which size the keypoints were made
    KEYPOINTS = "keypoints"  # only a lower bound: the smallest image that holds every point


class GenderLabel(NamedTuple):
    """Whose body a person has, and who says so; probability: a classifier's, None: not told."""

    gender: BodyGender
    source: GenderSource
    probability: float | None = None

    @classmethod
    def predicted(
        cls, gender: BodyGender, source: GenderSource, probability: float | None = None
    ) -> GenderLabel | None:
        """What a classifier says; None where that is no label: neutral, or below LABEL_FROM."""
        if gender is Gender.NEUTRAL or (probability is not None and probability < LABEL_FROM):
            return None
        return cls(gender, source, probability)


class NamedStart(NamedTuple):
    """A network's prediction that a sidecar names as a person's; person: which one in the file,
    from 0, None: not told; said_by: the sidecar and whom it is about, for messages.
    """

    file: Path
    person: int | None
    said_by: str


class Units(Enum):
    """What the coordinates of an image's people are counted in.

    FRACTIONS are of the image's width and height, 0..1 from the top left corner; SIGNED_FRACTIONS
    the same from its middle, -1..1 (OpenPose's --keypoint_scale 4).
    """

    PIXELS = "pixels"
    FRACTIONS = "fractions"
    SIGNED_FRACTIONS = "signed_fractions"


@dataclass(frozen=True, eq=False)
class Person:
    """One entry of a keypoint file.

    `index` is its place in the frame, from 0. `keypoints` are (x px, y px, confidence 0..1) in the
    canonical order, all zero where unseen. `label` and `age` are what is known of the person, None
    where nothing is; `facts` what else is said, by word (see `evidence.SavedEvidence`); `start` is
    the prediction that a sidecar says is theirs. `problem` says in one line why the entry is
    unusable (the keypoints are zero then); `notes` say what was left out of a usable one; `doubt`
    says in one line why a readable entry is probably misread. `id` is what the file calls the
    person (person_id, idx, track_id, annotation id), as text; empty where it does not.
    """

    index: int
    keypoints: Float[np.ndarray, "137 3"]
    id: str = ""
    label: GenderLabel | None = None
    age: Age | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    start: NamedStart | None = None
    layout: LayoutName | None = None
    problem: str | None = None
    doubt: str | None = None
    notes: tuple[Note, ...] = ()

    @property
    def gender(self) -> BodyGender | None:
        """The gender that the label says."""
        return None if self.label is None else self.label.gender

    @property
    def detector(self) -> Detector:
        """Whose idea of where points are the keypoints have."""
        return detector_of(self.layout)


@dataclass(frozen=True, eq=False)
class Frame:
    """One image's people, in file order.

    `stem` names the results: a relative path of `/`-joined plain parts, never absolute and never
    with `..`. `image_size` is (width, height) of the upright image in pixels. `problem` says in one
    line why the file could not be read (there are no people then); `notes` what else was met, those
    of its people not included. `photo` is the name of the image as the input writes it, with its
    suffix where that is known.
    """

    stem: str
    keypoint_file: Path
    people: tuple[Person, ...] = ()
    image: Path | None = None
    photo: str = ""
    image_size: ImageSize | None = None
    size_source: SizeSource | None = None
    problem: str | None = None
    notes: tuple[Note, ...] = ()

    @property
    def layout(self) -> LayoutName | None:
        """The layout of the first person who has one."""
        for person in self.people:
            if person.layout is not None:
                return person.layout
        return None


# one for all who are unusable, and nobody writes to it: a file may have a great many of them
_UNSEEN = np.zeros((names.COUNT, 3), np.float32)
_UNSEEN.setflags(write=False)


def unusable(index: int, problem: str, person_id: str = "") -> Person:
    """A person who keeps the place in the file and says why there is nothing to fit."""
    return Person(index=index, keypoints=_UNSEEN, id=person_id, problem=problem)


def read_gender(value: object) -> BodyGender | None:
    """The gender of any usual spelling (`F`, `male`, ...), None for anything else."""
    if not isinstance(value, str):
        return None
    word = value.strip().lower()
    return _GENDER_OF_WORD.get(word) or _GENDER_OF_LETTER.get(word)
