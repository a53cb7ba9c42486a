"""Calibrations of several cameras: lenses, and where each camera stands in the world.

`cameras.json`, OpenCV's YAML, Pose2Sim's TOML, EasyMocap's pair `intri.yml` and `extri.yml`, and
CMU Panoptic's JSON, told apart by what they hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from ..core.files import boundary
from ..views.calibrated_camera import DISTORTIONS, FISHEYE, CalibratedCamera
from . import camera_spellings as spell
from .camera_files import load_document
from .camera_sidecar import IntrinsicsError, read_record

MOST_CAMERAS = 1000
FARTHEST = 200.0  # metres from the world's origin; farther is another unit
LARGEST_COEFFICIENT = 1e4
# how far a matrix may be from a rotation: files have few digits
ALMOST = 0.02
UNITS = MappingProxyType({"m": 1.0, "cm": 0.01, "mm": 0.001})
ROTATION = ("rot", "rotationmatrix", "rotmat", "r", "rotation", "rvec", "rotationvector")
TRANSLATION = ("t", "translation", "tvec", "translationvector", "trans")
DISTORTION = (
    "dist", "distortion", "distortions", "distcoef", "distcoeff", "distcoeffs",
    "distortioncoefficients", "d", "kdist",
)  # fmt: skip
UNDERSTOOD = "K, R (matrix or rotation vector) and t of at least two cameras"
INTRINSICS = ("intri.yml", "intri.yaml")
EXTRINSICS = ("extri.yml", "extri.yaml")
_OF_ONE_CAMERA = re.compile(r"(K|dist|R|Rot|T|W|H)_(.+)", re.DOTALL)


@dataclass(frozen=True)
class _CameraEntry:
    """What a document says of one camera."""

    name: str
    values: Mapping[str, object]


def read_calibration(path: Path) -> tuple[CalibratedCamera, ...]:
    """The cameras of a file in the order of the file, or of a folder with EasyMocap's two files or
    one OpenCV YAML for each camera.

    T_camera_world in metres: `R x + t` of a point of the world is in the camera's frame. Panoptic's
    are centimetres; other files may tell a `unit` (m, cm or mm). Raises IntrinsicsError, one line
    that names file, camera and field.
    """
    if path.is_dir():
        return _checked(path, list(_of_folder(path)))
    document = load_document(path)
    if path.name.lower() in INTRINSICS and isinstance(document, Mapping):
        extrinsics = _beside(path.parent, EXTRINSICS)
        if extrinsics is not None:
            document = {**document, **_mapping(extrinsics)}
    return _checked(path, [_camera(path, entry, unit) for entry, unit in _entries(path, document)])


def _of_folder(folder: Path) -> Iterator[CalibratedCamera]:
    intrinsics, extrinsics = _beside(folder, INTRINSICS), _beside(folder, EXTRINSICS)
    if intrinsics is not None and extrinsics is not None:
        document = {**_mapping(intrinsics), **_mapping(extrinsics)}
        for entry, unit in _entries(folder, document):
            yield _camera(folder, entry, unit)
        return
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".yml", ".yaml"))
    if not files:
        raise IntrinsicsError(f"{folder}: has neither intri.yml and extri.yml nor other .yml files")
    for path in files[: MOST_CAMERAS + 1]:
        yield _camera(path, _CameraEntry(path.stem, _mapping(path)), 1.0)


def _beside(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _mapping(path: Path) -> Mapping[str, object]:
    document = load_document(path)
    if not isinstance(document, Mapping):
        raise IntrinsicsError(f"{path}: expected names and matrices, got {type(document).__name__}")
    return document


def _entries(path: Path, document: object) -> list[tuple[_CameraEntry, float]]:
    """The cameras of a document, each with the metres of its unit of length."""
    with boundary(path, "a calibration", IntrinsicsError):
        unit = _unit(document)
        found = [entry for entry in _named(document) if _has_place(entry.values)]
    if len(found) > MOST_CAMERAS:
        raise IntrinsicsError(f"{path}: {len(found)} cameras; at most {MOST_CAMERAS} are read")
    return [(entry, unit) for entry in found]


def _named(document: object) -> Iterator[_CameraEntry]:
    """Whatever may be a camera, by name."""
    if isinstance(document, list):
        for place, values in enumerate(document):
            if isinstance(values, Mapping):
                yield _CameraEntry(_own_name(values, str(place)), values)
        return
    if not isinstance(document, Mapping):
        return
    inner = next((document[key] for key in ("cameras", "cams") if key in document), None)
    if isinstance(inner, (list, Mapping)):
        yield from _named(inner)
        return
    by_name: dict[str, dict[str, object]] = {}
    for key, value in document.items():
        match = _OF_ONE_CAMERA.fullmatch(str(key))
        if match is not None:
            by_name.setdefault(match[2], {})[match[1]] = value
        elif isinstance(value, Mapping):
            yield _CameraEntry(_own_name(value, str(key)), value)
    for name, values in by_name.items():
        yield _CameraEntry(name, values)


def _own_name(values: Mapping[str, object], otherwise: str) -> str:
    own = spell.first_of(spell.spelled(values), spell.CAMERA_NAMES)
    return str(own) if isinstance(own, (str, int)) else otherwise


def _has_place(values: Mapping[str, object]) -> bool:
    words = spell.spelled(values)
    return any(word in words for word in (*ROTATION, *TRANSLATION))


def _unit(document: object) -> float:
    """Metres of the document's unit of length. Raises ValueError for one that is not known."""
    if not isinstance(document, Mapping):
        return 1.0
    told = document.get("unit", document.get("units"))
    if told is not None:
        if not isinstance(told, str) or told not in UNITS:
            raise ValueError(f"unit should be one of {', '.join(UNITS)}, got {told!r:.40}")
        return UNITS[told]
    return UNITS["cm"] if _is_panoptic(document) else UNITS["m"]


def _is_panoptic(document: Mapping[str, object]) -> bool:
    """CMU Panoptic's: cameras by panel and node, in centimetres."""
    cameras = document.get("cameras")
    if not isinstance(cameras, list) or not cameras or not isinstance(cameras[0], Mapping):
        return False
    return "calibDataSource" in document or {"panel", "node"} <= cameras[0].keys()


def _camera(path: Path, entry: _CameraEntry, unit: float) -> CalibratedCamera:
    """Raises IntrinsicsError for what is no camera."""
    origin = f"{path}: camera {entry.name!r:.60}"
    record = read_record(entry.values, origin)
    if record.K is None:
        raise IntrinsicsError(f"{origin}: has no K; understood are {spell.UNDERSTOOD}")
    with boundary(origin, "a calibrated camera", IntrinsicsError):
        words = spell.spelled(entry.values)
        fisheye = words.get("fisheye", False) is True
        K = record.K.copy()
        if not np.isfinite(K).all():  # no principal point is told: the middle
            if record.image_size is None:
                raise IntrinsicsError(f"{origin}: needs cx and cy, or the image's size")
            K[:2, 2] = np.array(record.image_size) / 2
        return CalibratedCamera(
            name=entry.name,
            K=K,
            distortion=_distortion(spell.first_of(words, DISTORTION), fisheye, origin),
            rotation=_rotation(spell.first_of(words, ROTATION), origin),
            translation=_translation(spell.first_of(words, TRANSLATION), unit, origin),
            image_size=record.image_size,
            is_fisheye=fisheye,
        )


def _numbers(value: object) -> Float[np.ndarray, " n"] | None:
    """The numbers of a list, nested or flat, or of OpenCV's matrix; None for anything else."""
    if isinstance(value, Mapping):
        value = value.get("data")
    if not isinstance(value, list):
        return None
    try:
        numbers = np.asarray(value, dtype=np.float64).ravel()
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if np.isfinite(numbers).all() else None


def _rotation(value: object, origin: str) -> Float[np.ndarray, "3 3"]:
    numbers = _numbers(value)
    if numbers is None or len(numbers) not in (3, 9):
        raise IntrinsicsError(
            f"{origin}: R should be 3x3 numbers or a rotation vector of 3, got {value!r:.60}"
        )
    if len(numbers) == 3:
        if np.linalg.norm(numbers) > 4 * math.pi:
            raise IntrinsicsError(
                f"{origin}: a rotation vector is in radians, at most 4 pi, got {value!r:.60}"
            )
        return Rotation.from_rotvec(numbers).as_matrix()
    matrix = numbers.reshape(3, 3)
    off = np.abs(matrix @ matrix.T - np.eye(3)).max()
    if off > ALMOST or np.linalg.det(matrix) < 0:
        raise IntrinsicsError(
            f"{origin}: R is no rotation: R R^T should be 1 and det R 1, got {value!r:.60}"
        )
    return Rotation.from_matrix(matrix).as_matrix()  # the nearest one


def _translation(value: object, unit: float, origin: str) -> Float[np.ndarray, " 3"]:
    numbers = _numbers(value)
    if numbers is None or len(numbers) != 3:
        raise IntrinsicsError(f"{origin}: t should be 3 numbers, got {value!r:.60}")
    metres = numbers * unit
    length = float(np.linalg.norm(metres))
    if length > FARTHEST:
        raise IntrinsicsError(
            f"{origin}: t is {length:.0f} m long, at most {FARTHEST:.0f} m expected "
            '(another unit? say "unit": "mm" in a cameras.json)'
        )
    return metres


def _distortion(value: object, fisheye: bool, origin: str) -> Float[np.ndarray, " n"]:
    if value is None:
        return np.zeros(FISHEYE if fisheye else DISTORTIONS[1])
    numbers = _numbers(value)
    allowed = (FISHEYE,) if fisheye else DISTORTIONS
    is_bounded = numbers is not None and bool((np.abs(numbers) <= LARGEST_COEFFICIENT).all())
    if numbers is None or len(numbers) > allowed[-1] or not is_bounded:
        counts = " or ".join(map(str, allowed))
        raise IntrinsicsError(
            f"{origin}: distortion should be {counts} numbers, as OpenCV's, got {value!r:.60}"
        )
    length = next(count for count in allowed if count >= len(numbers))
    return np.pad(numbers, (0, length - len(numbers)))


def _checked(path: Path, cameras: list[CalibratedCamera]) -> tuple[CalibratedCamera, ...]:
    """Raises IntrinsicsError for fewer than two cameras, and for two of one name."""
    if len(cameras) < 2:
        raise IntrinsicsError(
            f"{path}: {len(cameras)} cameras with a place; understood are {UNDERSTOOD}"
        )
    names: set[str] = set()
    for camera in cameras:
        if camera.name in names:
            raise IntrinsicsError(f"{path}: camera {camera.name!r:.60} appears twice")
        names.add(camera.name)
    return tuple(cameras)
