"""What small files beside the keypoints say about cameras: the intrinsics K and the image's size."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from .frames import Frame, KeypointError
from .images import SUFFIXES

SUFFIX = ".camera.json"
TABLES = ("cameras.csv", "cameras.json")  # looked for in the keypoint folder
EVERY = "*"  # the key of a record that holds for all images
LARGEST = 1_000_000  # pixels on one side
_SIZE_KEYS = (("width", "height"), ("image_width", "image_height"))
_DISTORTION = ("dist", "distortion", "dist_coeffs", "distortion_coefficients", "k1", "k2")
_COLUMNS = ("fx", "fy", "cx", "cy", "width", "height")


class IntrinsicsError(KeypointError):
    """Camera data that cannot be used: the message names the file or option, the field and what is
    allowed.
    """


@dataclass(frozen=True, eq=False)
class CameraRecord:
    """What one sidecar entry says: K in pixels (None: nothing), its image size (width, height),
    what was ignored.

    A principal point of NaN means the centre of the image.
    """

    origin: str
    K: Float[np.ndarray, "3 3"] | None
    image_size: tuple[int, int] | None
    note: str | None = None


def read_size(values: Mapping[str, object], origin: str) -> tuple[int, int] | None:
    """(width, height) from `image_size` or `width` and `height`; None where absent.

    Raises IntrinsicsError.
    """
    pair = values.get("image_size")
    if pair is None:
        pair = next(
            ([values.get(w), values.get(h)] for w, h in _SIZE_KEYS if values.get(w) is not None),
            None,
        )
    if pair is None:
        return None
    sides = [_number(v) for v in pair] if isinstance(pair, list) and len(pair) == 2 else []
    if not sides or not all(1 <= side <= LARGEST for side in sides):
        raise IntrinsicsError(
            f"{origin}: image size should be two numbers of 1..{LARGEST} pixels, got {pair!r:.60}"
        )
    return round(sides[0]), round(sides[1])


def read_record(values: object, origin: str) -> CameraRecord:
    """One camera from `K` (3x3, row by row) or `fx` with optional `fy`, `cx`, `cy`, and optional
    image size.

    Raises IntrinsicsError.
    """
    if not isinstance(values, Mapping):
        raise IntrinsicsError(
            f"{origin}: expected an object with K or fx, got {type(values).__name__}"
        )
    K = (
        _from_matrix(values["K"], origin)
        if values.get("K") is not None
        else _from_numbers(values, origin)
    )
    bent = [key for key in _DISTORTION if np.any(values.get(key))]
    note = f"lens distortion ({', '.join(bent)}) ignored" if bent else None
    return CameraRecord(origin=origin, K=K, image_size=read_size(values, origin), note=note)


def find_sidecar(frame: Frame) -> Path | None:
    """The frame's `X.camera.json` beside its keypoints or its image, if there is one."""
    name = Path(frame.stem).name + SUFFIX
    folders = [frame.keypoint_file.parent] + ([] if frame.image is None else [frame.image.parent])
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


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
    if (
        isinstance(document, dict)
        and document
        and all(isinstance(v, dict) for v in document.values())
    ):
        return {
            plain_stem(key): read_record(value, f"{path}: {key}") for key, value in document.items()
        }
    return {EVERY: read_record(document, str(path))}


def plain_stem(name: str) -> str:
    """An image's name without its suffix, where it has one."""
    path = Path(name.strip())
    return path.with_suffix("").as_posix() if path.suffix.lower() in SUFFIXES else path.as_posix()


def _load(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise IntrinsicsError(f"{path}: not readable as JSON ({error})") from error


def _read_table(path: Path) -> Mapping[str, CameraRecord]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, ValueError, csv.Error) as error:
        raise IntrinsicsError(f"{path}: not readable as CSV ({error})") from error
    records: dict[str, CameraRecord] = {}
    for line, row in enumerate(rows, start=2):
        origin = f"{path}: line {line}"
        if not row.get("stem") or not row.get("fx"):
            raise IntrinsicsError(
                f"{origin}: needs the columns stem and fx (then fy, cx, cy, width, height)"
            )
        stem = plain_stem(row["stem"])
        if stem in records:
            raise IntrinsicsError(f"{origin}: stem {stem!r} appears twice")
        records[stem] = read_record({key: row[key] for key in _COLUMNS if row.get(key)}, origin)
    return records


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return math.nan


def _from_matrix(value: object, origin: str) -> Float[np.ndarray, "3 3"]:
    try:
        K = np.asarray(value, dtype=np.float64).reshape(3, 3)
    except (TypeError, ValueError, OverflowError) as error:
        raise IntrinsicsError(f"{origin}: K should be 3x3 numbers, got {value!r:.60}") from error
    if not np.isfinite(K).all() or (K[2] != (0, 0, 1)).any() or K[1, 0] != 0:
        raise IntrinsicsError(
            f"{origin}: K should be [[fx,0,cx],[0,fy,cy],[0,0,1]] (transposed?), got {K.tolist()}"
        )
    if abs(K[0, 1]) > 1e-3 * abs(K[0, 0]):
        raise IntrinsicsError(
            f"{origin}: K has a skew of {K[0, 1]:g} px; only cameras without skew are supported"
        )
    return _checked(K, origin)


def _from_numbers(values: Mapping[str, object], origin: str) -> Float[np.ndarray, "3 3"] | None:
    if values.get("fx") is None:
        if any(values.get(key) is not None for key in ("fy", "cx", "cy")):
            raise IntrinsicsError(f"{origin}: has fy, cx or cy but no fx")
        return None
    fx = _number(values["fx"])
    fy = fx if values.get("fy") is None else _number(values["fy"])
    center = [values.get("cx"), values.get("cy")]
    if center.count(None) == 1:
        raise IntrinsicsError(f"{origin}: needs cx and cy, or neither (the centre of the image)")
    cx, cy = (math.nan, math.nan) if None in center else (_number(c) for c in center)
    if None not in center and not (math.isfinite(cx) and math.isfinite(cy)):
        raise IntrinsicsError(f"{origin}: cx and cy should be numbers in pixels, got {center}")
    return _checked(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), origin)


def _checked(K: Float[np.ndarray, "3 3"], origin: str) -> Float[np.ndarray, "3 3"]:
    for name, focal in (("fx", K[0, 0]), ("fy", K[1, 1])):
        # NaN fails too; below 10 it is a fraction of the image or millimetres
        if not 10 <= focal <= 1e6:
            raise IntrinsicsError(f"{origin}: {name} should be 10..1e6 pixels, got {focal:g}")
    return K
