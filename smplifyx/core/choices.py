"""The choices that a user, a file and the code share: one enum each, whoever reads or writes them.

The values are the words of command lines, YAML files, sidecars and result files. Torch is not
needed here: `smplifyx --help` shows these.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal


class Gender(str, Enum):
    """Whose body. INPUT, in a job only: each person's as their file says, neutral where it does
    not.
    """

    NEUTRAL = "neutral"
    FEMALE = "female"
    MALE = "male"
    INPUT = "input"


class Age(str, Enum):
    """Whose proportions. AUTO, in a job or sidecar only: an adult's, a child's where the evidence
    says so.

    A child's body has one more beta, the last (see `body/loading/kid.py`).
    """

    ADULT = "adult"
    CHILD = "child"
    AUTO = "auto"


class Renderer(str, Enum):
    """What draws: SOFTWARE needs nothing but OpenCV or numpy; PYRENDER needs the `render` extra
    and the GL libraries.
    """

    SOFTWARE = "software"
    PYRENDER = "pyrender"


class MeshFormat(str, Enum):
    """What meshes can be written as; the values are the files' suffixes, without the dot."""

    OBJ = "obj"
    PLY = "ply"
    GLB = "glb"


# What a body itself can have: a body model is never of INPUT's gender or of AUTO's age.
BodyGender = Literal[Gender.NEUTRAL, Gender.FEMALE, Gender.MALE]
BodyAge = Literal[Age.ADULT, Age.CHILD]
BODY_GENDERS: tuple[BodyGender, ...] = (Gender.NEUTRAL, Gender.FEMALE, Gender.MALE)
BODY_AGES: tuple[BodyAge, ...] = (Age.ADULT, Age.CHILD)


def body_gender(word: str) -> BodyGender:
    """The gender of a body by its word, e.g. of a result file. Raises ValueError for any other,
    `input` too.
    """
    for gender in BODY_GENDERS:
        if gender.value == word:
            return gender
    allowed = ", ".join(gender.value for gender in BODY_GENDERS)
    raise ValueError(f"gender: expected one of {allowed}, got {word!r:.40}")


def body_age(word: str) -> BodyAge:
    """The age of a body by its word, e.g. of a result file. Raises ValueError for any other,
    `auto` too.
    """
    for age in BODY_AGES:
        if age.value == word:
            return age
    allowed = ", ".join(age.value for age in BODY_AGES)
    raise ValueError(f"age: expected one of {allowed}, got {word!r:.40}")
