"""Which camera took a picture: asked for, written beside it, told by EXIF, or a stated default."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from PIL import Image

from .camera import Camera
from .keypoints.people import Frame, KeypointError
from .keypoints.reading import camera_file

FILM_DIAGONAL = 43.2666  # mm, of 36 x 24 film: CIPA defines the 35 mm equivalent by the diagonal
EXIF_SUB_IFD = 0x8769
FOCAL_35MM = 0xA405
CSV_NAME = "cameras.csv"


class CameraError(KeypointError):
    """Intrinsics that cannot be used; the message is one line."""


@dataclass(frozen=True)
class CameraOptions:
    """What the user says about cameras; at most one of focal and fov."""

    focal: float | None = None  # pixels
    fov: float | None = None  # degrees, horizontal
    cameras: Path | None = None  # JSON {stem: camera} or CSV with columns stem, fx, fy, cx, cy

    def __post_init__(self) -> None:
        if self.focal is not None and self.fov is not None:
            raise CameraError("give --focal or --fov, not both")
        if self.focal is not None and not (math.isfinite(self.focal) and self.focal > 0):
            raise CameraError(f"focal: expected pixels above 0, got {self.focal}")
        if self.fov is not None and not 0 < self.fov < 180:
            raise CameraError(f"fov: expected degrees between 0 and 180, got {self.fov}")


def camera_for(frame: Frame, options: CameraOptions) -> tuple[Camera, str]:
    """The camera of a frame, unbatched, and where it comes from.

    In this order: `focal`, `fov`, a K in a file (the one given, `X.camera.json` or `cameras.csv` beside the keypoints),
    EXIF's 35 mm equivalent focal length, else a focal length as long as the image's diagonal (a diagonal field of view
    of 53 degrees). Raises CameraError for a camera that makes no sense.
    """
    size = torch.tensor(frame.image_size, dtype=torch.float32)
    if options.focal is not None:
        return Camera.from_focal(options.focal, size), "focal"
    if options.fov is not None:
        return Camera.from_fov(options.fov, size), "fov"
    written = _written(frame, options)
    if written is not None:
        return Camera(K=written, image_size=size), "sidecar"
    diagonal = float(size.norm())
    film = _film_focal(frame.image)
    if film is not None:
        return Camera.from_focal(film / FILM_DIAGONAL * diagonal, size), "exif"
    return Camera.from_focal(diagonal, size), "default: image diagonal"


def _written(frame: Frame, options: CameraOptions) -> torch.Tensor | None:
    """K from a file, [3, 3], or None where no file speaks of this frame."""
    for path, pick in _places(frame, options):
        if path.is_file():
            entry = pick(_load(path))
            if entry is not None:
                return _matrix(entry, f"{path.name}: {frame.stem}")
    return None


def _places(frame: Frame, options: CameraOptions) -> list[tuple[Path, Callable[[Mapping], Mapping | None]]]:
    def by_stem(document: Mapping) -> Mapping | None:
        return document.get(frame.stem) or document.get(frame.stem.rsplit("/", 1)[-1])

    if options.cameras is not None:
        if not options.cameras.is_file():
            raise CameraError(f"{options.cameras}: no such file of cameras")
        return [(options.cameras, lambda d: d if _is_camera(d) else by_stem(d))]
    folder = frame.keypoint_file.parent
    return [(camera_file(frame.keypoint_file), lambda d: d if _is_camera(d) else None), (folder / CSV_NAME, by_stem)]


def _is_camera(document: Mapping) -> bool:
    return "K" in document or "fx" in document


@lru_cache(maxsize=8)
def _cached(path: Path, changed: float) -> Mapping[str, object]:
    try:
        if path.suffix.lower() == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                return {str(row.get("stem")): row for row in csv.DictReader(file)}
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, csv.Error) as error:
        raise CameraError(f"{path}: not a readable camera file: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise CameraError(f"{path}: expected an object, got {type(document).__name__}")
    return document


def _load(path: Path) -> Mapping[str, object]:
    return _cached(path, path.stat().st_mtime)


def _matrix(entry: object, where: str) -> torch.Tensor:
    """K from {"K": 3x3} or {"fx", "fy", "cx", "cy"}; fy may be absent where pixels are square."""
    try:
        if "K" in entry:
            K = torch.tensor(entry["K"], dtype=torch.float32)
        else:
            fx, cx, cy = (float(entry[key]) for key in ("fx", "cx", "cy"))
            K = torch.tensor([[fx, 0, cx], [0, float(entry.get("fy") or fx), cy], [0, 0, 1]])
    except (KeyError, TypeError, ValueError) as error:
        raise CameraError(f"{where}: expected K (3x3) or fx, fy, cx, cy: {' '.join(str(error).split())}") from error
    sound = K.shape == (3, 3) and K.isfinite().all() and K[0, 0] > 0 and K[1, 1] > 0
    if not sound or K[2].tolist() != [0, 0, 1] or K[1, 0] != 0 or K[0, 1] != 0:
        raise CameraError(f"{where}: K should be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0, got {K.tolist()}")
    return K


def _film_focal(image: Path | None) -> float | None:
    """EXIF's 35 mm equivalent focal length in mm, if it is there and above 0."""
    if image is None:
        return None
    try:
        with Image.open(image) as opened:
            value = opened.getexif().get_ifd(EXIF_SUB_IFD).get(FOCAL_35MM)
        focal = float(value) if value is not None else 0.0
    except (OSError, TypeError, ValueError, SyntaxError, ZeroDivisionError):  # a damaged block is no block
        return None
    return focal if math.isfinite(focal) and focal > 0 else None
