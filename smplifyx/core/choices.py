"""The choices that a user, a file and the code share: one enum each, whoever reads or writes them.

The values are the words of command lines, YAML files, sidecars and result files. Torch is not
needed here: `smplifyx --help` shows these.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Literal, TypeVar

Choice = TypeVar("Choice", bound=Enum)


class Gender(str, Enum):
    """Whose body. In a job only: LABEL, each person's as their files say, neutral where they do
    not; AUTO, the same, and where they do not as the proportions say. INPUT: an older word for
    LABEL.
    """

    NEUTRAL = "neutral"
    FEMALE = "female"
    MALE = "male"
    LABEL = "label"
    AUTO = "auto"
    INPUT = "input"


class GenderSource(str, Enum):
    """Who said whose body a person gets, the most believed first."""

    GIVEN = "given"  # the job, for everybody
    SIDECAR = "sidecar"  # X.people.json
    GT = "gt"  # the keypoint file, by somebody who knows: gender_gt, gender
    PD = "pd"  # the keypoint file, by a classifier: gender_pd
    CSV = "csv"  # the table of a classifier
    EVIDENCE = "evidence"  # the person's proportions
    DEFAULT = "default"  # nobody: neutral


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


LABELLED = (
    Gender.LABEL,
    Gender.AUTO,
    Gender.INPUT,
)  # what leaves the gender to each person's files

# What a body itself can have: a body model is never of LABEL's gender or of AUTO's age.
BodyGender = Literal[Gender.NEUTRAL, Gender.FEMALE, Gender.MALE]
BodyAge = Literal[Age.ADULT, Age.CHILD]
BODY_GENDERS: tuple[BodyGender, ...] = (Gender.NEUTRAL, Gender.FEMALE, Gender.MALE)
BODY_AGES: tuple[BodyAge, ...] = (Age.ADULT, Age.CHILD)


def body_gender(word: object) -> BodyGender:
    """The gender of a body by its word, e.g. of a result file. Raises ValueError for any other,
    `input` too.
    """
    return by_word("gender", word, BODY_GENDERS)


def body_age(word: object) -> BodyAge:
    """The age of a body by its word, e.g. of a result file. Raises ValueError for any other,
    `auto` too.
    """
    return by_word("age", word, BODY_AGES)


def by_word(what: str, word: object, choices: Iterable[Choice]) -> Choice:
    """The choice itself, or the one of that word. Raises ValueError, which lists the words, for
    another; `what`: what is chosen.
    """
    choices = tuple(choices)
    for choice in choices:
        if word is choice or word == choice.value:
            return choice
    allowed = ", ".join(choice.value for choice in choices)
    raise ValueError(f"{what}: expected one of {allowed}, got {word!r:.40}")


class Detector(str, Enum):
    """Whose idea of where the points of a body are; a body file may have a table for each.

    Detectors learn from annotations, and each collection has its own. OPENPOSE: BODY_25 and what
    else OpenPose writes. COCO: the 17 points, feet, hands and face of COCO and COCO-WholeBody,
    whose neck and middle hip can only be computed. HALPE: those, with a neck that is annotated on
    the neck; also MPII, LSP and CrowdPose. MEDIAPIPE: its landmarkers.
    """

    OPENPOSE = "openpose"
    COCO = "coco"
    HALPE = "halpe"
    MEDIAPIPE = "mediapipe"


class LayoutName(Enum):
    """The point layouts that are known.

    Those without hands and face are completed by OpenPose's own hands (21) and face (70, or 68
    without pupils), which are already in the canonical order.
    """

    BODY_25 = "body_25"
    BODY_25B = "body_25b"
    BODY_135 = "body_135"
    COCO_19 = "coco_19"  # the first 19 of BODY_25
    COCO_18 = "coco_18"
    OPENPOSE_MPI_15 = "openpose_mpi_15"
    OPENPOSE_134 = "openpose_134"  # COCO_18 with feet, face and hands, as DWPose writes it
    OPENPOSE_137 = "openpose_137"  # BODY_25 with hands and face in one list: the canonical order
    COCO_17 = "coco_17"
    COCO_NECK_18 = "coco_neck_18"
    COCO_FEET_23 = "coco_feet_23"
    COCO_25 = "coco_25"  # easy_ViTPose: neck and middle hip stand among the 17
    COCO_WHOLEBODY_133 = "coco_wholebody_133"
    HALPE_26 = "halpe_26"
    HALPE_136 = "halpe_136"
    POSETRACK_17 = "posetrack_17"
    HUMAN36M_17 = "human36m_17"
    MPII_16 = "mpii_16"
    CROWDPOSE_14 = "crowdpose_14"
    LSP_14 = "lsp_14"
    MEDIAPIPE_33 = "mediapipe_33"
    MEDIAPIPE_75 = "mediapipe_75"
    MHR_70 = "mhr_70"
    NAMED = "named"  # the file names its points
