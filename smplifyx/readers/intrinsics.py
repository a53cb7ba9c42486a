"""Which K belongs to an image: told by the user, a sidecar or EXIF, else a stated default; never
asked of a network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import torch

from ..camera import Camera
from .camera_sidecar import (
    EVERY,
    TABLES,
    CameraRecord,
    IntrinsicsError,
    find_sidecar,
    read_camera_file,
    read_cameras,
)
from .frames import Frame, SizeSource
from .images import ImageError, focal_35mm

__all__ = ["CameraOptions", "CameraSource", "IntrinsicsError", "camera_for", "options_for"]

# mm (43.27); CIPA DC-008: 35 mm-equivalent is equality of the diagonal angle
FILM_DIAGONAL = math.hypot(36.0, 24.0)
# least focal length as a share of the image's diagonal (157 degrees across); less is a wrong unit
WIDEST = 0.1
# relative difference of aspect up to which a K of another resolution is rescaled
SAME_ASPECT = 0.01


class CameraSource(Enum):
    """Where a K comes from, from the strongest claim to the weakest."""

    FOCAL = "focal"
    FOCAL_35MM = "focal_35mm"
    FOV = "fov"
    SIDECAR = "sidecar"
    EXIF = "exif"
    DEFAULT = "default"


@dataclass(frozen=True)
class CameraOptions:
    """What the user says about all cameras of a run; at most one of the first three.

    `focal_px` in pixels, `fov_degrees` the horizontal field of view of the upright image (across
    its width), `focal_35mm` in 35 mm-equivalent millimetres. `cameras`: records by image stem, or
    EVERY (see `options_for`). `use_exif` allows the focal length that the image's EXIF tells.
    """

    focal_px: float | int | None = None
    fov_degrees: float | int | None = None
    focal_35mm: float | int | None = None
    cameras: Mapping[str, CameraRecord] | None = None
    use_exif: bool = True

    def __post_init__(self) -> None:
        """Raises IntrinsicsError for values that no camera has, and for more than one of the three."""
        given = {
            "focal_px": self.focal_px,
            "fov_degrees": self.fov_degrees,
            "focal_35mm": self.focal_35mm,
        }
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) > 1:
            raise IntrinsicsError(f"{' and '.join(given)} say the same thing twice: give one")
        allowed = {"focal_px": (10, 1e6), "fov_degrees": (0.1, 150), "focal_35mm": (3, 3000)}
        for name, value in given.items():
            low, high = allowed[name]
            if not low <= value <= high:
                raise IntrinsicsError(f"{name}: expected {low:g}..{high:g}, got {value}")


def options_for(
    source: Path, sidecar: Path | None = None, options: CameraOptions | None = None
) -> CameraOptions:
    """The options with the camera table of a run, read once.

    `sidecar` is a CSV (`stem,fx,fy,cx,cy[,width,height]`) or JSON file of cameras; where None,
    `cameras.csv` or `cameras.json` in the keypoint folder `source` (or beside it, for a file) is
    used if it exists. Raises IntrinsicsError.
    """
    options = options or CameraOptions()
    folder = source if source.is_dir() else source.parent
    if sidecar is None:
        sidecar = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if sidecar is None:
        return options
    return CameraOptions(
        options.focal_px,
        options.fov_degrees,
        options.focal_35mm,
        read_cameras(sidecar),
        options.use_exif,
    )


def camera_for(frame: Frame, options: CameraOptions) -> tuple[Camera, CameraSource, str]:
    """The camera of one frame (no batch axes), where its K comes from, and a line that says so.

    The first of: the user's focal length or field of view; the frame's own `X.camera.json`; the
    table of cameras; EXIF; a focal length of the image's diagonal in pixels (53 degrees corner to
    corner). The principal point is the centre of the image unless a sidecar tells it. Raises
    IntrinsicsError for a frame whose image size is unknown and for unusable values.
    """
    if frame.image_size is None:
        raise IntrinsicsError(f"{frame.stem}: no image size: no image, no sidecar, no keypoints")
    for choose in (_from_options, _from_sidecar, _from_exif, _from_default):
        if (choice := choose(frame, options)) is not None:
            camera, source, note = choice
            break
    _check(camera, frame.stem, note)
    if frame.size_source is SizeSource.KEYPOINTS:
        width, height = frame.image_size
        note += f"; no image: its size is taken as {width}x{height}, which holds every keypoint"
    return camera, source, note


_Choice = tuple[Camera, CameraSource, str]


def _centred(frame: Frame, focal: float) -> Camera:
    return Camera.from_focal(focal, torch.tensor(frame.image_size, dtype=torch.float32))


def _diagonal(frame: Frame) -> float:
    return math.hypot(*frame.image_size)


def _from_options(frame: Frame, options: CameraOptions) -> _Choice | None:
    if options.focal_px is not None:
        return (
            _centred(frame, options.focal_px),
            CameraSource.FOCAL,
            f"focal length {options.focal_px:g} px as given",
        )
    if options.focal_35mm is not None:
        focal = options.focal_35mm / FILM_DIAGONAL * _diagonal(frame)
        return (
            _centred(frame, focal),
            CameraSource.FOCAL_35MM,
            f"{options.focal_35mm:g} mm (35 mm equivalent) as given",
        )
    if options.fov_degrees is not None:
        focal = frame.image_size[0] / 2 / math.tan(math.radians(options.fov_degrees) / 2)
        return (
            _centred(frame, focal),
            CameraSource.FOV,
            f"horizontal view of {options.fov_degrees:g} degrees as given",
        )
    return None


def _from_sidecar(frame: Frame, options: CameraOptions) -> _Choice | None:
    record = _record(frame, options)
    if record is None or record.K is None:
        return None
    K, scaled = _fitted_to(record, frame.image_size)
    size = torch.tensor(frame.image_size, dtype=torch.float32)
    camera = Camera(K=torch.tensor(K, dtype=torch.float32), image_size=size)
    note = f"K from {record.origin}{scaled}"
    return camera, CameraSource.SIDECAR, note if record.note is None else f"{note}; {record.note}"


def _record(frame: Frame, options: CameraOptions) -> CameraRecord | None:
    """The frame's own file, else its row in the table (by whole stem, then by name), else what
    holds for all.
    """
    own = find_sidecar(frame)
    if own is not None and (record := read_camera_file(own)).K is not None:
        return record
    keys = (frame.stem, Path(frame.stem).name, EVERY)
    cameras = options.cameras or {}
    return next((cameras[key] for key in keys if key in cameras), None)


def _fitted_to(record: CameraRecord, size: tuple[int, int]) -> tuple[np.ndarray, str]:
    """The record's K for an image of `size`, rescaled where it was measured at another resolution."""
    K, scaled = record.K.copy(), ""
    if record.image_size is not None and record.image_size != size:
        x, y = size[0] / record.image_size[0], size[1] / record.image_size[1]
        if abs(x / y - 1) > SAME_ASPECT:
            raise IntrinsicsError(
                f"{record.origin}: K is for {_by(record.image_size)}, the image is {_by(size)}"
            )
        K = np.diag([x, y, 1.0]) @ K
        scaled = f", scaled from {_by(record.image_size)} to {_by(size)}"
    center = np.where(np.isfinite(K[:2, 2]), K[:2, 2], np.array(size) / 2)
    K[:2, 2] = center
    return K, scaled


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _from_exif(frame: Frame, options: CameraOptions) -> _Choice | None:
    if frame.image is None or not options.use_exif:
        return None
    try:
        millimetres = focal_35mm(frame.image)
    except ImageError:
        return None  # the frame's notes say so already, and its size came from elsewhere
    if millimetres is None:
        return None
    focal = millimetres / FILM_DIAGONAL * _diagonal(frame)
    return (
        _centred(frame, focal),
        CameraSource.EXIF,
        f"{millimetres:g} mm (35 mm equivalent) in EXIF",
    )


def _from_default(frame: Frame, options: CameraOptions) -> _Choice:
    focal = _diagonal(frame)
    return (
        _centred(frame, focal),
        CameraSource.DEFAULT,
        f"default focal length, the image's diagonal: {focal:.0f} px",
    )


def _check(camera: Camera, stem: str, note: str) -> None:
    """Raises IntrinsicsError where the focal length is in a wrong unit for the image."""
    least = WIDEST * float(camera.image_size.norm())
    focal = float(camera.focal.min())
    if focal < least:
        raise IntrinsicsError(
            f"{stem}: {note}: {focal:g} px is too short for this image, at least {least:.0f} px expected "
            "(millimetres? give the 35 mm equivalent instead)"
        )
