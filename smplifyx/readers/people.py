"""One person of a file, in any of the spellings of detectors: from an object to canonical points.

Whatever is raised while one person is read becomes that person's problem.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ..core.choices import Gender, GenderSource
from ..core.messages import one_line, plain
from ..keypoints import names
from ..keypoints.layouts import LAYOUTS, LayoutName, to_canonical
from .camera_sidecar import IntrinsicsError, read_size
from .frames import (
    LABEL_FROM,
    GenderLabel,
    ImageSize,
    Note,
    Person,
    Units,
    read_gender,
    unusable,
)
from .layout_choice import OF_COUNT, Choice, choose_layout, doubt_of
from .options import AS_IT_COMES, ReadOptions
from .point_forms import NotPoints, RawPoints, read_points
from .reader import ImagePeople
from .values import clean, looks_normalised, number_or_nan

MOST_PEOPLE = 10_000  # of one image; a row of the summary each
LONGEST_ID = 100  # characters
NO_CONFIDENCE = Note("points without confidence", "taken as 1, and 0 at (0, 0)")
ONLY_3D = "only 3D keypoints; smplifyx fits points in the image"
_BODY_COUNTS = tuple(OF_COUNT)
_HAND_COUNTS = (21,)
_FACE_COUNTS = (68, 70)


@dataclass(frozen=True)
class PartKeys:
    """A part of a person: the keys that it may stand under, its numbers of points, and the keys of
    its confidences where those stand apart.
    """

    name: str
    keys: tuple[str, ...]  # newest spelling first
    counts: tuple[int, ...]
    score_keys: tuple[str, ...] = ()


BODY = PartKeys(
    "body",
    (
        "pose_keypoints_2d", "pose_keypoints", "keypoints", "body_keypoints_2d",
        "keypoints_2d", "keypoints2d", "pred_keypoints", "joints", "kpts", "preds",
    ),
    _BODY_COUNTS,
    ("keypoint_scores", "keypoints_scores", "kpt_scores", "keypoints_visible", "kp_score",
     "scores", "score", "visibility", "confidence"),
)  # fmt: skip
LEFT_HAND = PartKeys(
    "left hand",
    ("hand_left_keypoints_2d", "hand_left_keypoints", "handl2d", "lefthand_kpts",
     "left_hand_keypoints"),
    _HAND_COUNTS,
)  # fmt: skip
RIGHT_HAND = PartKeys(
    "right hand",
    ("hand_right_keypoints_2d", "hand_right_keypoints", "handr2d", "righthand_kpts",
     "right_hand_keypoints"),
    _HAND_COUNTS,
)  # fmt: skip
FACE = PartKeys(
    "face",
    ("face_keypoints_2d", "face_keypoints", "face2d", "face_kpts"),
    _FACE_COUNTS,
)  # fmt: skip
_PARTS = (BODY, LEFT_HAND, RIGHT_HAND, FACE)
# hands and face have the canonical order already: where they begin
_FIRST_POINT = MappingProxyType({
    LEFT_HAND.name: names.LEFT_HAND.start, RIGHT_HAND.name: names.RIGHT_HAND.start,
    FACE.name: names.FACE.start,
})  # fmt: skip
PERSON_KEYS = frozenset(key for part in _PARTS for key in part.keys)
IN_3D = ("pose_keypoints_3d", "joints19", "joints15", "keypoints_3d", "keypoints3d",
          "keypoints3D", "pred_keypoints_3d")  # fmt: skip
_ID_KEYS = ("person_id", "personID", "idx", "track_id", "id_", "instance_id", "tid", "id")
# a label is worth more than a prediction
_GENDER_KEYS = MappingProxyType({
    "gender_gt": GenderSource.GT, "gender_pd": GenderSource.PD, "gender": GenderSource.GT,
})  # fmt: skip
_GENDER_PROBABILITIES = ("gender_probability", "gender_prob", "gender_pd_probability",
                         "gender_pd_prob", "gender_score", "gender_confidence")  # fmt: skip


@dataclass(frozen=True)
class AboutFile:
    """What a file says of all its people: the names of their points, None where it has none, and
    whether somebody annotated them (then flags of visibility stand for confidences).
    """

    point_names: tuple[str, ...] | None = None
    options: ReadOptions = AS_IT_COMES
    is_annotated: bool = False


def read_people(
    entries: Sequence[object], read: Callable[[object, int], Person]
) -> tuple[Person, ...]:
    """Every entry as a person, in order; what goes wrong with one is that one's problem.

    Raises ValueError for more than MOST_PEOPLE.
    """
    if len(entries) > MOST_PEOPLE:
        raise ValueError(f"{len(entries)} people in one image, more than {MOST_PEOPLE}")
    return tuple(_bounded(entry, index, read) for index, entry in enumerate(entries))


def _bounded(entry: object, index: int, read: Callable[[object, int], Person]) -> Person:
    try:
        return read(entry, index)
    except NotPoints as error:
        return unusable(index, str(error), person_id(entry))
    except Exception as error:  # whatever it is, it is this person's
        return unusable(index, f"cannot be read ({one_line(error)})", person_id(entry))


def _scores_of(entry: Mapping[str, object], part: PartKeys) -> object:
    """Confidences that stand apart from a part's points; None where there are none."""
    for key in part.score_keys:
        if key in entry and isinstance(entry[key], list):
            return entry[key]
    return None


RawOfPart = Callable[[Mapping[str, object], PartKeys, AboutFile], RawPoints | None]


def raw_part(entry: Mapping[str, object], part: PartKeys, about: AboutFile) -> RawPoints | None:
    """A part's points as they stand under its keys, None where there are none. Raises NotPoints."""
    key = key_of(entry, part)
    if key is None:
        return None
    scores = _scores_of(entry, part)
    named = about.point_names if part is BODY else None
    counts: Collection[int] = part.counts if named is None else (*part.counts, len(named))
    try:
        raw = read_points(entry[key], counts, scores)
        if part is not BODY and len(raw.points) not in counts:
            allowed = " or ".join(str(count) for count in counts)
            raise NotPoints(f"should hold {allowed} points, has {len(raw.points)}")
    except NotPoints as error:
        raise NotPoints(f"{part.name}: {key}: {error}") from error
    return raw


def read_person(
    entry: object, index: int, about: AboutFile, raw_of: RawOfPart = raw_part
) -> Person:
    """The person of one object with lists of points; `raw_of` finds those of a part.

    Raises NotPoints.
    """
    if not isinstance(entry, Mapping):
        return unusable(
            index, f"expected an object with keypoint lists, got {type(entry).__name__}"
        )
    notes: list[Note] = []
    raw = {part.name: _or_note(entry, part, about, raw_of, notes) for part in _PARTS}
    keypoints = np.zeros((names.COUNT, 3), np.float32)
    layout: LayoutName | None = None
    doubt: str | None = None
    body = raw[BODY.name]
    if body is not None:
        choice = _choice(body, about)
        part = clean(body.points, BODY.name)
        keypoints = to_canonical(part.points, choice.layout)
        layout = choice.layout.name
        doubt = doubt_of(part.points, keypoints, choice)
        notes += (*body.notes, *choice.notes, *part.notes)
    for name, first in _FIRST_POINT.items():
        points = raw[name]
        if points is not None:
            part = clean(points.points, name)
            notes += part.notes
            if part.points.any():
                keypoints[first : first + len(part.points)] = part.points
    if not keypoints.any():
        _require_points_in_2d(entry, notes)
    if any(points is not None and not points.with_confidence for points in raw.values()):
        notes.append(NO_CONFIDENCE)
    if doubt is not None:
        notes.append(Note("points may be in another layout", doubt))
    label, gender_notes = read_person_gender(entry)
    return Person(
        index=index,
        keypoints=keypoints,
        id=person_id(entry),
        label=label,
        layout=layout,
        doubt=doubt,
        notes=(*notes, *gender_notes),
    )


def _choice(body: RawPoints, about: AboutFile) -> Choice:
    """The layout of a person's body points. Raises NotPoints."""
    if body.layout is not None:
        return Choice(LAYOUTS[body.layout])
    return choose_layout(len(body.points), body.names or about.point_names, about.options)


def _or_note(
    entry: Mapping[str, object],
    part: PartKeys,
    about: AboutFile,
    raw_of: RawOfPart,
    notes: list[Note],
) -> RawPoints | None:
    try:
        return raw_of(entry, part, about)
    except NotPoints as error:
        notes.append(Note("part ignored", str(error)))
        return None


def key_of(entry: Mapping[str, object], part: PartKeys) -> str | None:
    """The first key with something under it: missing, null or an empty list is a part unseen."""
    for key in part.keys:
        if entry.get(key):
            return key
    return None


def _require_points_in_2d(entry: Mapping[str, object], notes: Sequence[Note]) -> None:
    """Raises NotPoints where an entry without usable points says why, or is no person at all."""
    in_3d = next((key for key in IN_3D if entry.get(key)), None)
    if in_3d is not None:
        raise NotPoints(f"{ONLY_3D} ({in_3d})")
    if notes:
        raise NotPoints("; ".join(map(str, notes)))
    if not PERSON_KEYS & entry.keys():
        usual_keys = ", ".join(part.keys[0] for part in _PARTS)
        raise NotPoints(f"has none of the keys {usual_keys}")


def person_id(entry: object) -> str:
    """What the file calls a person, as text; empty where it does not (OpenPose: -1)."""
    if not isinstance(entry, Mapping):
        return ""
    for key in _ID_KEYS:
        value = entry.get(key)
        while isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            continue
        if isinstance(value, float):
            value = int(value) if value.is_integer() else str(value)
        text = str(value).strip()
        if text not in ("", "-1"):
            return plain(text, LONGEST_ID)
    return ""


def read_person_gender(entry: Mapping[str, object]) -> tuple[GenderLabel | None, Sequence[Note]]:
    """The first key that says whose body it is, and a note for each that has no usable word.

    What a classifier says is a label from LABEL_FROM on, and where it tells no probability, since
    Homogenus writes `neutral` below.
    """
    notes: list[Note] = []
    for key, source in _GENDER_KEYS.items():
        if entry.get(key) is None:
            continue
        gender = read_gender(entry[key])
        if gender is None:
            given = f"{key}: {entry[key]!r:.40}"
            notes.append(Note("gender ignored", f"{given} is not neutral, female or male"))
            continue
        if source is GenderSource.GT:
            return GenderLabel(gender, source), notes
        probability = _probability_of(entry)
        label = GenderLabel.predicted(gender, source, probability)
        if label is not None:
            return label, notes
        if gender is not Gender.NEUTRAL:
            detail = f"{key} {gender.value} at {probability}, below {LABEL_FROM:g}"
            notes.append(Note("gender not believed", detail))
    return None, notes


def _probability_of(entry: Mapping[str, object]) -> float | None:
    """What the classifier of `gender_pd` says of its own answer; None where it does not."""
    told = [number_or_nan(entry[key]) for key in _GENDER_PROBABILITIES if key in entry]
    return next((number for number in told if 0 <= number <= 1), None)


def image_of(
    people: tuple[Person, ...],
    file_name: str | None = None,
    about: Mapping[str, object] | None = None,
    notes: Iterable[Note] = (),
) -> ImagePeople:
    """The people of one image, with the size that `about` states and the units of their points.

    Where some have pixels, those whose coordinates are fractions cannot be read.
    """
    size: ImageSize | None = None
    said = list(notes)
    try:
        size = None if about is None else stated_size(about, file_name or "keypoint file")
    except IntrinsicsError as error:
        said.append(Note("image size not understood", str(error)))
    small = [
        person.index
        for person in people
        if person.problem is None and looks_normalised(person.keypoints)
    ]
    units = Units.PIXELS
    if small:
        seen = [person for person in people if person.keypoints.any()]
        if len(small) == len(seen):
            units = _fractions_of(seen)
        else:
            people = tuple(
                _not_in_pixels(person) if person.index in set(small) else person
                for person in people
            )
    return ImagePeople(people, file_name, size, units=units, notes=tuple(said))


def _fractions_of(people: Sequence[Person]) -> Units:
    """Fractions from the corner, or from the middle where any of them is negative."""
    lowest = min(float(person.keypoints[:, :2].min()) for person in people)
    return Units.SIGNED_FRACTIONS if lowest < 0 else Units.FRACTIONS


def _not_in_pixels(person: Person) -> Person:
    return unusable(
        person.index,
        "coordinates are fractions of the image, expected pixels as the others of the image have",
        person.id,
    )


def stated_size(about: Mapping[str, object], origin: str) -> ImageSize | None:
    """(width, height) that a file states, under any usual key. Raises IntrinsicsError."""
    width, height = about.get("canvas_width"), about.get("canvas_height")
    if width is not None and height is not None:
        return read_size({"width": width, "height": height}, origin)
    return read_size(about, origin)
