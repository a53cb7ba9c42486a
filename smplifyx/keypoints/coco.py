"""COCO-WholeBody and Halpe annotation files: one JSON of many images, told by what it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .layouts import LAYOUTS, LayoutName, to_canonical
from .people import Person, unusable
from .values import clean, looks_normalised, triplets

WHOLEBODY_PARTS = (("keypoints", 17), ("foot_kpts", 6), ("face_kpts", 68), ("lefthand_kpts", 21), ("righthand_kpts", 21))
BY_COUNT = {LAYOUTS[name].points: name for name in (
    LayoutName.COCO_17, LayoutName.HALPE_26, LayoutName.COCO_WHOLEBODY_133, LayoutName.HALPE_136,
)}  # fmt: skip
VISIBILITY = 2.0  # annotations mark points 0 unlabelled, 1 hidden, 2 visible; both kinds of labelled points are human


@dataclass(frozen=True)
class ImageEntry:
    """One image of an annotation file and the people in it."""

    file_name: str
    size: tuple[int, int] | None
    people: tuple[Person, ...]


def is_coco(document: object) -> bool:
    """Whether a JSON document is an annotation file, or a detector's list of results in its style."""
    if isinstance(document, dict):
        return isinstance(document.get("annotations"), list)
    return isinstance(document, list) and all(isinstance(e, dict) and "keypoints" in e for e in document)


def read_images(document: Mapping[str, object] | list[object]) -> Iterator[ImageEntry]:
    """The images in file order, images without people included; what is wrong with an entry costs only that one."""
    annotations = document if isinstance(document, list) else document["annotations"]
    listed = [] if isinstance(document, list) else document.get("images") or []
    images = {e.get("id"): e for e in listed if isinstance(e, dict) and isinstance(e.get("file_name"), str)}
    groups: dict[object, list[object]] = {key: [] for key in images}
    for entry in annotations:
        key = entry.get("image_id") if isinstance(entry, dict) else None
        groups.setdefault(key if isinstance(key, (int, str)) else None, []).append(entry)
    for key, entries in groups.items():
        image = images.get(key, {"file_name": str(key)})
        people = tuple(_read_person(entry, index) for index, entry in enumerate(entries))
        yield ImageEntry(image["file_name"], _size(image), people)


def _size(image: Mapping[str, object]) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    whole = all(isinstance(side, (int, float)) and 0 < side < 1e6 for side in (width, height))
    return (int(width), int(height)) if whole else None


def _read_person(entry: object, index: int) -> Person:
    if not isinstance(entry, dict):
        return unusable(index, f"expected an object with keypoints, got {type(entry).__name__}")
    notes: list[str] = []
    points = _wholebody(entry, notes) if "face_kpts" in entry or "lefthand_kpts" in entry else triplets(entry.get("keypoints"))
    if points is None or len(points) not in BY_COUNT:
        allowed = ", ".join(str(3 * count) for count in BY_COUNT)
        return unusable(index, f"keypoints should hold one of {allowed} numbers")
    layout = BY_COUNT[len(points)]
    points, broken = clean(_as_confidence(points))
    if broken:
        notes.append(f"{broken} of {len(points)} points are not finite numbers; points ignored")
    if looks_normalised(points):
        return unusable(index, "coordinates are fractions of the image, expected pixels")
    return Person(index, to_canonical(points, layout), layout=layout, notes=tuple(notes))


def _wholebody(entry: Mapping[str, object], notes: list[str]) -> Float[np.ndarray, "133 3"]:
    parts = []
    for key, count in WHOLEBODY_PARTS:
        points = triplets(entry.get(key))
        if points is None or len(points) != count:
            if entry.get(key):
                notes.append(f"{key} should hold {3 * count} numbers; part ignored")
            points = np.zeros((count, 3))
        parts.append(points)
    return np.concatenate(parts)


def _as_confidence(points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
    """Visibility flags 0, 1, 2 as confidences 0, 0.5, 1; real confidences as they are."""
    flags = points[:, 2]
    known = flags[np.isfinite(flags)]
    if not ((known == VISIBILITY).any() and np.isin(known, (0.0, 1.0, VISIBILITY)).all()):
        return points
    return np.concatenate([points[:, :2], flags[:, None] / VISIBILITY], 1)
