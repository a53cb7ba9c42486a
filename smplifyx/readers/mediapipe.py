"""MediaPipe's landmarks as they are saved: Holistic, Pose, Hand and Face landmarkers, in Python's
and in JavaScript's spelling.

x and y are fractions of the image's width and height; some have multiplied them already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from ..core.messages import one_line
from ..keypoints import names
from ..keypoints.face_mesh import MESH_COUNTS, face_of_mesh
from ..keypoints.layouts import LayoutName, to_canonical
from .coco import image_key
from .detectors import FRAME_NUMBER, is_number
from .documents import DamagedEntry, RecordList
from .frames import Note, Person, Units, unusable
from .people import NO_CONFIDENCE, ONLY_3D, image_of, person_id, read_people
from .point_forms import NotPoints, RawPoints, read_points
from .reader import ImagePeople, KeypointFile
from .values import clean, number_or_nan

# Hands and faces have no confidence; these are what `predict` gives them
HAND_CONFIDENCE = 0.7
FACE_CONFIDENCE = 0.8
MOST_FRACTION = 10.0  # of the image; landmarks may be guessed well outside, pixels lie beyond
_POSE = 33
_HAND = 21
_IMAGES = ("frames", "results", "data", "images", "predictions")
_DEEPEST = 3
_LOOKED_AT = 100


# keys without capitals and underscores -> the part whose landmarks they hold
_PART_OF_KEY = MappingProxyType({
    "poselandmarks": "pose", "pose": "pose", "landmarks": "landmarks", "landmark": "landmarks",
    "lefthandlandmarks": "left hand", "lefthand": "left hand",
    "righthandlandmarks": "right hand", "righthand": "right hand",
    "facelandmarks": "face", "face": "face", "multifacelandmarks": "face",
    "multihandlandmarks": "hands", "handlandmarks": "hands",
})  # fmt: skip
_WORLD = ("poseworldlandmarks", "worldlandmarks")
_COUNTS = MappingProxyType({
    "pose": (_POSE,), "left hand": (_HAND,), "right hand": (_HAND,), "face": MESH_COUNTS,
    "hands": (_HAND,), "landmarks": (_POSE, _HAND, *MESH_COUNTS),
})  # fmt: skip


@dataclass(frozen=True)
class _Found:
    """Landmarks of one part: a list for each person, or hand, that it was found for."""

    part: str
    landmarks: Sequence[object]


class MediaPipeReader:
    """Landmarks under the names of MediaPipe's results, of one image or of many frames."""

    suffixes = (".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
    content = "MediaPipe landmarks"

    def recognises(self, file: KeypointFile) -> bool:
        """Whether landmarks in numbers that MediaPipe has are found in the document."""
        return _holds_landmarks(file.document, 0)

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        """The images, in file order; whatever is wrong with one costs only it."""
        yield from _read(file.document, file, None, 0)


def _holds_landmarks(value: object, depth: int) -> bool:
    if depth > _DEEPEST:
        return False
    if isinstance(value, dict):
        if _is_result(value):
            return True
        inner = list(value.values())[:_LOOKED_AT]
    elif isinstance(value, (list, RecordList)):
        if _count(value) == _POSE:
            return True
        inner = [value[index] for index in range(min(len(value), _LOOKED_AT))]
    else:
        return False
    return any(_holds_landmarks(each, depth + 1) for each in inner)


def _is_result(value: Mapping[str, object]) -> bool:
    """Whether an object is what MediaPipe says of one image, of somebody or of nobody."""
    keys = {_squeezed(key): key for key in value}
    if any(world in keys for world in _WORLD) or "poselandmarks" in keys:
        return True
    return any(
        _landmarks_under(value[keys[key]], part)
        for key, part in _PART_OF_KEY.items()
        if key in keys
    )


def _squeezed(key: str) -> str:
    return key.replace("_", "").replace(" ", "").lower()


def _count(value: object) -> int:
    """How many landmarks a list holds, 0 where it holds something else."""
    if isinstance(value, dict):
        value = next((value[k] for k in ("landmark", "landmarks") if k in value), None)
    if not isinstance(value, list) or not value:
        return 0
    first = value[0]
    if isinstance(first, dict):
        return len(value) if "x" in first and "y" in first else 0
    is_row = isinstance(first, list) and len(first) >= 2 and not isinstance(first[0], (list, dict))
    return len(value) if is_row else 0


def _landmarks_under(value: object, part: str) -> list[object]:
    """The lists of landmarks under a key: one, or one for each person or hand."""
    counts = _COUNTS[part]
    if _count(value) in counts:
        return [value]
    if isinstance(value, list):
        return [each for each in value if _count(each) in counts]
    return []


def _read(value: object, file: KeypointFile, name: str | None, depth: int) -> Iterator[ImagePeople]:
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        name = _name_of(value, file) or name
        if _is_result(value):
            yield _read_image(value, name)
            return
        inner = next((key for key in _IMAGES if _holds_landmarks(value.get(key), depth)), None)
        if inner is not None:
            yield from _read(value[inner], file, name, depth + 1)
            return
        for key, each in value.items():
            if _holds_landmarks(each, depth):
                frame = f"{file.base_name}_{int(key):06d}" if is_number(key) else key
                yield from _read(each, file, frame, depth + 1)
    elif isinstance(value, DamagedEntry):
        yield ImagePeople((), name, problem=value.reason)
    elif isinstance(value, (list, RecordList)):
        if _count(value) == _POSE:
            yield _read_image({"pose_landmarks": value}, name)
            return
        for number in range(len(value)):
            frame = f"{file.base_name}_{number:06d}" if len(value) > 1 else name
            yield from _read(value[number], file, frame, depth + 1)


def _name_of(value: Mapping[str, object], file: KeypointFile) -> str | None:
    """The name that an object gives to its image or frame, None where it gives none."""
    key = image_key(value)
    if key is not None:
        return key if isinstance(key, str) else f"{key:012d}"
    for number in FRAME_NUMBER:
        found = value.get(number)
        if isinstance(found, int):
            return f"{file.base_name}_{found:06d}"
    return None


def _read_image(value: Mapping[str, object], name: str | None) -> ImagePeople:
    try:
        found = _parts_of(value)
        entries = _entries(found, value)
        people = read_people(entries, _read_person)
        if not people and any(value.get(key) for key in value if _squeezed(key) in _WORLD):
            return ImagePeople((unusable(0, f"{ONLY_3D} (world landmarks)"),), name)
        return in_fractions(image_of(people, name, value))
    except Exception as error:  # whatever it is, it is this image's
        return ImagePeople((), name, problem=one_line(error))


def _parts_of(value: Mapping[str, object]) -> list[_Found]:
    found: list[_Found] = []
    for key in value:
        part = _PART_OF_KEY.get(_squeezed(key))
        landmarks = [] if part is None else _landmarks_under(value[key], part)
        if part is not None and landmarks:
            found.append(_Found(part, landmarks))
    return found


def _entries(found: Sequence[_Found], value: Mapping[str, object]) -> list[object]:
    """People as objects of lists by part; the first pose has the hands and the face."""
    people: list[dict[str, object]] = []
    for parts in found:
        for place, landmarks in enumerate(parts.landmarks):
            part = _true_part(parts.part, place, landmarks, value)
            owner = place if part == "pose" else 0
            while len(people) <= owner:
                people.append({"id": person_id(value)} if not people else {})
            people[owner].setdefault(part, landmarks)
    return list(people)


def _true_part(part: str, place: int, landmarks: object, value: Mapping[str, object]) -> str:
    """What landmarks of an unnamed part are, by their number and the side that is said."""
    if part not in ("landmarks", "hands"):
        return part
    count = _count(landmarks)
    if count in MESH_COUNTS:
        return "face"
    if count == _POSE:
        return "pose"
    sides = next(
        (value[key] for key in value if _squeezed(key) in ("handedness", "handednesses",
                                                           "multihandedness")), None
    )  # fmt: skip
    side = sides[place] if isinstance(sides, list) and place < len(sides) else sides
    return "left hand" if "left" in repr(side).lower()[:1000] else "right hand"


def _read_person(entry: object, index: int) -> Person:
    assert isinstance(entry, dict)  # as made by _entries
    keypoints = np.zeros((names.COUNT, 3), np.float32)
    notes: list[Note] = []
    if "pose" in entry:
        raw = _landmarks(entry["pose"], (_POSE,))
        part = clean(raw.points, "pose landmarks")
        keypoints = to_canonical(part.points, LayoutName.MEDIAPIPE_33)
        notes += part.notes
        if not raw.with_confidence:
            notes.append(NO_CONFIDENCE)
    for part_name, points in (("left hand", names.LEFT_HAND), ("right hand", names.RIGHT_HAND)):
        if part_name in entry:
            hand = _landmarks(entry[part_name], (_HAND,)).points
            keypoints[points] = _constant(hand[:, :2], HAND_CONFIDENCE, part_name)
    if "face" in entry:
        mesh = _landmarks(entry["face"], MESH_COUNTS).points
        keypoints[names.FACE] = _constant(face_of_mesh(mesh[:, :2]), FACE_CONFIDENCE, "face")
    if not keypoints.any():
        raise NotPoints("; ".join(map(str, notes)) or "no landmarks seen")
    return Person(
        index=index,
        keypoints=keypoints,
        id=person_id(entry),
        layout=LayoutName.MEDIAPIPE_33,
        notes=tuple(notes),
    )


def _landmarks(value: object, counts: tuple[int, ...]) -> RawPoints:
    """Landmarks of a part: objects with x, y and perhaps a visibility, or rows of x, y, z and
    perhaps a visibility.
    """
    if isinstance(value, dict):
        value = next((value[key] for key in ("landmark", "landmarks") if key in value), value)
    if not isinstance(value, list) or not isinstance(value[0], list):
        return read_points(value, counts)
    width = min(len(row) for row in value)
    xy = np.array([[number_or_nan(number) for number in row[:2]] for row in value])
    if width < 4:
        return RawPoints(np.concatenate([xy, np.ones((len(xy), 1))], 1), with_confidence=False)
    visibility = [[number_or_nan(row[3])] for row in value]
    return RawPoints(np.concatenate([xy, visibility], 1))


def _constant(
    xy: Float[np.ndarray, "points 2"], confidence: float, name: str
) -> Float[np.ndarray, "points 3"]:
    """Points with one confidence, those that are no numbers unseen."""
    points = np.concatenate([xy, np.full((len(xy), 1), confidence)], 1)
    return clean(points, name).points


def in_fractions(image: ImagePeople) -> ImagePeople:
    """The image with its units told: fractions, also of points that are guessed far outside."""
    farthest = max(
        (float(np.abs(person.keypoints[:, :2]).max()) for person in image.people), default=0.0
    )
    units = Units.FRACTIONS if farthest < MOST_FRACTION else Units.PIXELS
    return replace(image, units=units)
