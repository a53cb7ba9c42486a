"""Which K belongs to an image: told by the user, a sidecar or EXIF, else a stated default; never
asked of a network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from ..camera import Camera
from .camera_files import read_cameras
from .camera_sidecar import CameraRecord, IntrinsicsError, read_camera_file
from .camera_spellings import UNDERSTOOD
from .camera_table import CameraTable
from .frames import Frame, ImageSize, Note, SizeSource
from .images import ImageError, focal_35mm
from .listing import keypoint_folder
from .reading import FrameReading
from .sidecars import CAMERA_SUFFIX, CAMERA_TABLES, find_sidecar

__all__ = [
    "CameraChoice",
    "CameraOptions",
    "CameraSource",
    "IntrinsicsError",
    "camera_and_notes",
    "camera_for",
    "check_table",
    "options_for",
]

# mm (43.27); CIPA DC-008: 35 mm-equivalent is equality of the diagonal angle
FILM_DIAGONAL = math.hypot(36.0, 24.0)
# least focal length as a share of the image's diagonal (157 degrees across); less is a wrong unit
WIDEST = 0.1
FARTHEST_CENTER = 10.0  # images that the principal point may lie from the middle of one
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


class CameraChoice(NamedTuple):
    """The camera of one frame, without batch axes, where its K comes from, and a line that says
    so.
    """

    camera: Camera
    source: CameraSource
    note: str


@dataclass(frozen=True)
class CameraOptions:
    """What the user says about all cameras of a run; at most one of the first three.

    `focal_px` in pixels, `fov_degrees` the horizontal field of view of the upright image (across
    its width), `focal_35mm` in 35 mm-equivalent millimetres. `cameras`: a table by the names of
    images or cameras (see `options_for`). `use_exif` allows the focal length that the image's
    EXIF tells.
    """

    focal_px: float | int | None = None
    fov_degrees: float | int | None = None
    focal_35mm: float | int | None = None
    cameras: CameraTable | None = None
    use_exif: bool = True

    def __post_init__(self) -> None:
        """Raises IntrinsicsError for what no camera has, and for more than one of the three."""
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

    `sidecar` is a file of cameras (see `read_cameras`); where None, one of CAMERA_TABLES in the
    keypoint folder `source` (or the folder of that file) is used if it exists. Raises
    IntrinsicsError.
    """
    options = options or CameraOptions()
    if sidecar is None:
        folder = source if source.is_dir() else source.parent
        sidecar = _camera_table(folder) or _camera_table(keypoint_folder(folder))
    if sidecar is None:
        return options
    return replace(options, cameras=read_cameras(sidecar))


def _camera_table(folder: Path) -> Path | None:
    for name in CAMERA_TABLES:
        path = folder / name
        if path.is_file():
            return path
    return None


def check_table(options: CameraOptions, frames: FrameReading) -> None:
    """Raises IntrinsicsError for a table of cameras that no frame can mean, before any is fitted.

    Reads one frame of `frames`, and that only where the names of the files tell nothing: files of
    many images are known by no other name.
    """
    table = options.cameras
    if table is None or any(map(table.key_of, frames.stems)):
        return
    first = next(frames, None)
    if first is None or first.stem not in frames.stems or table.of_frame(first) is not None:
        return
    names = f"{first.stem!r}" if len(frames.stems) == 1 else f"{len(frames.stems)} frames"
    raise IntrinsicsError(
        f"{table.path}: none of its {len(table)} cameras is of {names}; "
        f"for {first.stem!r} the nearest name is {table.nearest(first)!r}"
    )


def camera_and_notes(frame: Frame, options: CameraOptions) -> tuple[CameraChoice, tuple[Note, ...]]:
    """`camera_for`, and what of the given cameras could not be used for the frame."""
    choice = camera_for(frame, options)
    if choice.source in (CameraSource.FOCAL, CameraSource.FOCAL_35MM, CameraSource.FOV):
        return choice, ()
    if choice.source is CameraSource.SIDECAR:
        record = _record(frame, options)
        assert record is not None  # where the choice comes from
        return choice, () if record.note is None else (Note(record.note, record.origin),)
    notes: list[Note] = []
    own_file = find_sidecar(frame, CAMERA_SUFFIX)
    if own_file is not None and read_camera_file(own_file).image_size is None:
        notes.append(Note("camera file without a camera", f"{own_file}; keys: {UNDERSTOOD}"))
    table = options.cameras
    if table is not None:
        detail = f"{frame.stem}; nearest name in {table.path.name}: {table.nearest(frame)}"
        notes.append(Note("no camera in the table", detail))
    return choice, tuple(notes)


def camera_for(frame: Frame, options: CameraOptions) -> CameraChoice:
    """The camera of one frame (no batch axes), where its K comes from, and a line that says so.

    The first of: the user's focal length or field of view; the frame's own `X.camera.json`; the
    table of cameras; EXIF; a focal length of the image's diagonal in pixels (53 degrees corner to
    corner). The principal point is the centre of the image unless a sidecar tells it. Raises
    IntrinsicsError for a frame whose image size is unknown and for unusable values.
    """
    size = frame.image_size
    if size is None:
        raise IntrinsicsError(f"{frame.stem}: no image size: no image, no sidecar, no keypoints")
    choice = (
        _from_options(size, options)
        or _from_sidecar(frame, size, options)
        or _from_exif(frame, size, options)
        or _from_default(size)
    )
    _check_unit(choice, frame.stem)
    if frame.size_source is not SizeSource.KEYPOINTS:
        return choice
    guess = f"no image: its size is taken as {_by(size)}, which holds every keypoint"
    return choice._replace(note=f"{choice.note}; {guess}")


def _from_options(size: ImageSize, options: CameraOptions) -> CameraChoice | None:
    if options.focal_px is not None:
        return CameraChoice(
            _centred(options.focal_px, size),
            CameraSource.FOCAL,
            f"focal length {options.focal_px:g} px as given",
        )
    if options.focal_35mm is not None:
        return CameraChoice(
            _centred(_focal_of_35mm(options.focal_35mm, size), size),
            CameraSource.FOCAL_35MM,
            f"{options.focal_35mm:g} mm (35 mm equivalent) as given",
        )
    if options.fov_degrees is not None:
        half_width = size[0] / 2
        focal = half_width / math.tan(math.radians(options.fov_degrees) / 2)
        return CameraChoice(
            _centred(focal, size),
            CameraSource.FOV,
            f"horizontal view of {options.fov_degrees:g} degrees as given",
        )
    return None


def _from_sidecar(frame: Frame, size: ImageSize, options: CameraOptions) -> CameraChoice | None:
    record = _record(frame, options)
    if record is None or record.K is None:
        return None
    K = record.K
    note = f"K from {record.origin}"
    if record.image_size is not None and record.image_size != size:
        K = _rescaled(K, record, size)
        note += f", scaled from {_by(record.image_size)} to {_by(size)}"
    if record.note is not None:
        note += f"; {record.note}"
    camera = Camera(
        K=torch.tensor(_with_center(K, size), dtype=torch.float32),
        image_size=torch.tensor(size, dtype=torch.float32),
    )
    return CameraChoice(camera, CameraSource.SIDECAR, note)


def _record(frame: Frame, options: CameraOptions) -> CameraRecord | None:
    """The frame's own file, else its camera in the table."""
    own_file = find_sidecar(frame, CAMERA_SUFFIX)
    if own_file is not None:
        own = read_camera_file(own_file)
        if own.K is not None:
            return own
    return None if options.cameras is None else options.cameras.of_frame(frame)


def _rescaled(
    K: Float[np.ndarray, "3 3"], record: CameraRecord, size: ImageSize
) -> Float[np.ndarray, "3 3"]:
    """K, measured at the record's image size, for an image of `size`.

    Raises IntrinsicsError for another aspect: the image was cropped, and nobody says where.
    """
    measured_at = record.image_size
    assert measured_at is not None  # as the caller saw
    x = size[0] / measured_at[0]
    y = size[1] / measured_at[1]
    if abs(x / y - 1) > SAME_ASPECT:
        raise IntrinsicsError(
            f"{record.origin}: K is for {_by(measured_at)}, the image is {_by(size)}"
        )
    return np.diag([x, y, 1.0]) @ K


def _with_center(K: Float[np.ndarray, "3 3"], size: ImageSize) -> Float[np.ndarray, "3 3"]:
    """K with the centre of the image for a principal point that is not told (NaN)."""
    center = K[:2, 2]
    filled = K.copy()  # records are shared by all images of a table
    filled[:2, 2] = np.where(np.isfinite(center), center, np.array(size) / 2)
    return filled


def _from_exif(frame: Frame, size: ImageSize, options: CameraOptions) -> CameraChoice | None:
    if frame.image is None or not options.use_exif:
        return None
    try:
        millimetres = focal_35mm(frame.image)
    except ImageError:
        return None  # the frame's notes say so already, and its size came from elsewhere
    if millimetres is None:
        return None
    return CameraChoice(
        _centred(_focal_of_35mm(millimetres, size), size),
        CameraSource.EXIF,
        f"{millimetres:g} mm (35 mm equivalent) in EXIF",
    )


def _from_default(size: ImageSize) -> CameraChoice:
    focal = math.hypot(*size)
    return CameraChoice(
        _centred(focal, size),
        CameraSource.DEFAULT,
        f"default focal length, the image's diagonal: {focal:.0f} px",
    )


def _focal_of_35mm(millimetres: float, size: ImageSize) -> float:
    """In pixels: the image's diagonal is seen as that of 35 mm film would be."""
    return millimetres / FILM_DIAGONAL * math.hypot(*size)


def _centred(focal: float, size: ImageSize) -> Camera:
    return Camera.from_focal(focal, torch.tensor(size, dtype=torch.float32))


def _by(size: ImageSize) -> str:
    return f"{size[0]}x{size[1]}"


def _check_unit(choice: CameraChoice, stem: str) -> None:
    """Raises IntrinsicsError where the focal length is in a wrong unit for the image, or the
    principal point far from it.
    """
    shortest = WIDEST * float(choice.camera.image_size.norm())
    away = (choice.camera.center - choice.camera.image_size / 2).abs() / choice.camera.image_size
    if float(away.max()) > FARTHEST_CENTER:
        center = " ".join(f"{place:g}" for place in choice.camera.center.tolist())
        raise IntrinsicsError(
            f"{stem}: {choice.note}: a principal point of {center} px is too far from the image"
        )
    focal = float(choice.camera.focal.min())
    if focal < shortest:
        raise IntrinsicsError(
            f"{stem}: {choice.note}: {focal:g} px is too short for this image, "
            f"at least {shortest:.0f} px expected "
            "(millimetres? give the 35 mm equivalent instead)"
        )
