"""What small files next to the keypoints say about cameras: K and the size of the image."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np
from jaxtyping import Float

from .frames import ImageSize, KeypointError
from .stems import plain_stem
from .values import number_or_nan

EVERY = "*"  # the key of a record that holds for all images
LARGEST = 1_000_000  # pixels on one side
# pixels; NaN is outside too; less than the first is a fraction of the image or millimetres
FOCAL_RANGE = (10, 1e6)
LARGEST_SKEW = 1e-3  # of the focal length: what calibrations call none
_SIZE_KEYS = (("width", "height"), ("image_width", "image_height"))
_DISTORTION = ("dist", "distortion", "dist_coeffs", "distortion_coefficients", "k1", "k2")
_COLUMNS = ("fx", "fy", "cx", "cy", "width", "height")


class IntrinsicsError(KeypointError):
    """Camera data that cannot be used: the message names the file or option, the field and what is
    allowed.
    """


@dataclass(frozen=True, eq=False)
class CameraRecord:
    """What one entry of a sidecar says of a camera.

    `origin` names the file and entry. `K` is in pixels, None where the entry tells none; a
    principal point of NaN means the centre of the image. `image_size` is that of the image that K
    was measured in, (width, height) in pixels. `note` says what was ignored.
    """

    origin: str
    K: Float[np.ndarray, "3 3"] | None
    image_size: ImageSize | None
    note: str | None = None


def read_size(values: Mapping[str, object], origin: str) -> ImageSize | None:
    """(width, height) from `image_size` or `width` and `height`; None where absent.

    Raises IntrinsicsError.
    """
    pair = values.get("image_size")
    if pair is None:
        pair = _width_and_height(values)
    if pair is None:
        return None
    if isinstance(pair, list) and len(pair) == 2:
        width = number_or_nan(pair[0])
        height = number_or_nan(pair[1])
        if 1 <= width <= LARGEST and 1 <= height <= LARGEST:
            return round(width), round(height)
    raise IntrinsicsError(
        f"{origin}: image size should be two numbers of 1..{LARGEST} pixels, got {pair!r:.60}"
    )


def _width_and_height(values: Mapping[str, object]) -> list[object] | None:
    """Both values of the first spelling that has a width."""
    for width_key, height_key in _SIZE_KEYS:
        if values.get(width_key) is not None:
            return [values.get(width_key), values.get(height_key)]
    return None


def read_record(values: object, origin: str) -> CameraRecord:
    """One camera from `K` (3x3, row by row) or `fx` with optional `fy`, `cx`, `cy`, and optional
    image size.

    Raises IntrinsicsError.
    """
    if not isinstance(values, Mapping):
        raise IntrinsicsError(
            f"{origin}: expected an object with K or fx, got {type(values).__name__}"
        )
    matrix = values.get("K")
    K = _from_numbers(values, origin) if matrix is None else _from_matrix(matrix, origin)
    distortion_keys = [key for key in _DISTORTION if _is_distorted(values.get(key))]
    note = None
    if distortion_keys:
        note = f"lens distortion ({', '.join(distortion_keys)}) ignored"
    return CameraRecord(origin=origin, K=K, image_size=read_size(values, origin), note=note)


def _is_distorted(coefficients: object) -> bool:
    """Whether anything but zeros is said of a distortion."""
    try:
        return bool(np.any(np.asarray(coefficients)))
    except ValueError:  # lists of unequal lengths: no coefficients, but not nothing
        return True


def read_camera_file(path: Path) -> CameraRecord:
    """The camera in one JSON file. Raises IntrinsicsError."""
    return read_record(_load(path), str(path))


def read_cameras(path: Path) -> Mapping[str, CameraRecord]:
    """Cameras by image stem from a CSV (`stem,fx,fy,cx,cy[,width,height]`) or a JSON file.

    The JSON holds one camera for all images (key EVERY in the answer) or one object per stem.
    Raises IntrinsicsError.
    """
    if path.suffix.lower() == ".csv":
        return _read_table(path)
    document = _load(path)
    if not _holds_stems(document):
        return {EVERY: read_record(document, str(path))}
    return {
        plain_stem(name): read_record(entry, f"{path}: {name}") for name, entry in document.items()
    }


def _holds_stems(document: object) -> TypeGuard[dict[str, object]]:
    """Whether a document has an object per stem: the values of a single camera are no objects."""
    if not isinstance(document, dict) or not document:
        return False
    return all(isinstance(entry, dict) for entry in document.values())


def _load(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise IntrinsicsError(f"{path}: not readable as JSON ({error})") from error


def _read_table(path: Path) -> Mapping[str, CameraRecord]:
    try:
        # utf-8-sig: spreadsheets put a byte order mark in front
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, ValueError, csv.Error) as error:
        raise IntrinsicsError(f"{path}: not readable as CSV ({error})") from error
    records: dict[str, CameraRecord] = {}
    for number, line in enumerate(lines, start=2):  # the first line is the header
        origin = f"{path}: line {number}"
        if not line.get("stem") or not line.get("fx"):
            raise IntrinsicsError(
                f"{origin}: needs the columns stem and fx (then fy, cx, cy, width, height)"
            )
        stem = plain_stem(line["stem"])
        if stem in records:
            raise IntrinsicsError(f"{origin}: stem {stem!r} appears twice")
        filled = {column: line[column] for column in _COLUMNS if line.get(column)}
        records[stem] = read_record(filled, origin)
    return records


def _from_matrix(value: object, origin: str) -> Float[np.ndarray, "3 3"]:
    try:
        K = np.asarray(value, dtype=np.float64).reshape(3, 3)
    except (TypeError, ValueError, OverflowError) as error:
        raise IntrinsicsError(f"{origin}: K should be 3x3 numbers, got {value!r:.60}") from error
    is_upper = bool((K[2] == (0, 0, 1)).all()) and K[1, 0] == 0  # a transposed K is not
    if not np.isfinite(K).all() or not is_upper:
        raise IntrinsicsError(
            f"{origin}: K should be [[fx,0,cx],[0,fy,cy],[0,0,1]] (transposed?), got {K.tolist()}"
        )
    if abs(K[0, 1]) > LARGEST_SKEW * abs(K[0, 0]):
        raise IntrinsicsError(
            f"{origin}: K has a skew of {K[0, 1]:g} px; only cameras without skew are supported"
        )
    _check_focal(fx=K[0, 0], fy=K[1, 1], origin=origin)
    return K


def _from_numbers(values: Mapping[str, object], origin: str) -> Float[np.ndarray, "3 3"] | None:
    if values.get("fx") is None:
        if any(values.get(key) is not None for key in ("fy", "cx", "cy")):
            raise IntrinsicsError(f"{origin}: has fy, cx or cy but no fx")
        return None
    fx = number_or_nan(values["fx"])
    fy = fx  # square pixels, unless told
    if values.get("fy") is not None:
        fy = number_or_nan(values["fy"])
    cx, cy = _center(values, origin)
    _check_focal(fx=fx, fy=fy, origin=origin)
    return np.array(
        [
            [fx, 0, cx],
            [0, fy, cy],
            [0, 0, 1],
        ]
    )


def _center(values: Mapping[str, object], origin: str) -> tuple[float, float]:
    """(cx, cy) in pixels, NaN for the centre of the image."""
    given = [values.get("cx"), values.get("cy")]
    missing = given.count(None)
    if missing == 2:
        return math.nan, math.nan
    if missing == 1:
        raise IntrinsicsError(f"{origin}: needs cx and cy, or neither (the centre of the image)")
    cx = number_or_nan(given[0])
    cy = number_or_nan(given[1])
    if not (math.isfinite(cx) and math.isfinite(cy)):
        raise IntrinsicsError(f"{origin}: cx and cy should be numbers in pixels, got {given}")
    return cx, cy


def _check_focal(*, fx: float, fy: float, origin: str) -> None:
    shortest, longest = FOCAL_RANGE
    for name, focal in (("fx", fx), ("fy", fy)):
        if not shortest <= focal <= longest:
            raise IntrinsicsError(f"{origin}: {name} should be 10..1e6 pixels, got {focal:g}")
