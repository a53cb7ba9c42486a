"""Reader of AMASS `.npz` motions, SMPL+H and SMPL-X (`*_stageii`) layouts, as SMPL-X body poses
with y up.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from ..core import npz
from ..core.files import boundary, open_regular, read_bounded
from .bvh import RecordingError
from .retarget import Poses

RATE = 30.0  # frames per second that motions are resampled to
RATE_KEYS = ("mocap_framerate", "mocap_frame_rate")  # SMPL+H's spelling, SMPL-X's
POSE_KEYS = ("root_orient", "pose_body", "poses")
# of `poses`: SMPL+H (root, body, hands) and SMPL-X (root, body, jaw, eyes, hands)
WIDTHS = (156, 165)
RATES = (1.0, 10_000.0)  # frames per second that a recording may have
LARGEST_ANGLE = 1000.0  # radians
LARGEST_FILE = 2**31  # bytes
JOINTS = 22  # the root and the 21 joints of the body come first in both
UPRIGHT = Rotation.from_euler("x", -90, degrees=True)  # AMASS's worlds have z up


@dataclass(frozen=True)
class Recording:
    """One motion at 30 frames per second.

    name: the file's, without its suffix.
    subject: the file's folder, relative to the one that was read.
    poses: of all frames.
    """

    name: str
    subject: str
    poses: Poses


def read_amass(path: Path, rate: float = RATE) -> Poses:
    """The motion of one file, resampled to `rate` frames per second along the shortest rotations.

    Body poses go from SMPL+H to SMPL-X as they are: the 21 joints agree. Nothing is unpickled.
    Raises RecordingError naming the file where a key is missing, an array misshapen, or a number
    not finite.
    """
    with boundary(path, "a motion of AMASS", RecordingError):
        arrays = _arrays(path)
        recorded_rate = _rate(path, arrays)
        angles = _angles(path, arrays)
        # turns of a thousand rounds are no more an angle than infinity is
        if not (np.abs(angles) <= LARGEST_ANGLE).all():
            raise RecordingError(f"{path}: angles that are not finite")
        resampled = _resampled(angles, recorded_rate, rate)
        root = UPRIGHT * Rotation.from_rotvec(resampled[:, 0])
        return Poses(global_orient=root.as_rotvec(), body_pose=resampled[:, 1:])


def iter_amass(folder: Path) -> Iterator[Recording]:
    """The motions in a folder and those below it, sorted.

    `.npz` files without poses (AMASS's shapes) are passed over. Raises RecordingError as
    `read_amass` does.
    """
    for path in sorted(folder.rglob("*.npz")):
        if not _has_poses(path):
            continue
        subject = path.parent.relative_to(folder).as_posix()
        if subject == ".":  # lies in the folder itself: a subject of its own
            subject = path.stem
        yield Recording(path.stem, subject, read_amass(path))


def _arrays(path: Path) -> dict[str, NDArray]:
    """The arrays of a file that are needed, of those that it has."""
    with boundary(path, "an .npz of plain arrays", RecordingError):
        return npz.arrays_of(read_bounded(path, LARGEST_FILE), (*POSE_KEYS, *RATE_KEYS))


def _has_poses(path: Path) -> bool:
    with boundary(path, "an .npz file", RecordingError), open_regular(path) as stream:
        names = zipfile.ZipFile(stream).namelist()
    return "poses.npy" in names or "pose_body.npy" in names


def _rate(path: Path, arrays: Mapping[str, NDArray]) -> float:
    """Frames per second."""
    least, most = RATES
    for key in RATE_KEYS:
        if key in arrays and arrays[key].size == 1:
            rate = float(arrays[key].reshape(()))
            if least <= rate <= most:
                return rate
    raise RecordingError(
        f"{path}: no frame rate: expected one of {' or '.join(RATE_KEYS)}, {least:g} to {most:g}"
    )


def _angles(path: Path, arrays: Mapping[str, NDArray]) -> Float[NDArray, "frames 22 3"]:
    """Root and body, float64, from `root_orient` and `pose_body` or from the first 66 columns of
    `poses`.
    """
    if "pose_body" in arrays and "root_orient" in arrays:
        root = arrays["root_orient"]
        body = arrays["pose_body"]
        if root.ndim != 2 or root.shape[1:] != (3,) or body.shape != (len(root), 63):
            raise RecordingError(
                f"{path}: root_orient {root.shape}, pose_body {body.shape}: "
                "expected (T, 3) and (T, 63)"
            )
        angles = np.concatenate([root, body], 1)
    else:
        angles = arrays.get("poses", np.empty(0))
        if angles.ndim != 2 or angles.shape[1] not in WIDTHS:
            raise RecordingError(
                f"{path}: poses {angles.shape}: expected (T, {WIDTHS[0]}) or (T, {WIDTHS[1]})"
            )
    if not len(angles):
        raise RecordingError(f"{path}: no frames")
    return angles[:, : 3 * JOINTS].astype(np.float64).reshape(-1, JOINTS, 3)


def _resampled(
    angles: Float[NDArray, "frames 22 3"], recorded_rate: float, rate: float
) -> Float[NDArray, "resampled 22 3"]:
    """At times 0, 1/rate, ... up to the last frame."""
    if len(angles) == 1:
        return angles
    recorded_times = np.arange(len(angles)) / recorded_rate
    last_time = recorded_times[-1]
    frames = int(last_time * rate + 1e-6) + 1  # the last frame counts, whatever the rounding
    times = (np.arange(frames) / rate).clip(max=last_time)
    joints = []
    for joint in range(JOINTS):
        recorded = Rotation.from_rotvec(angles[:, joint])
        joints.append(Slerp(recorded_times, recorded)(times).as_rotvec())
    return np.stack(joints, 1)
