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

from .retarget import Poses

RATE = 30.0  # frames per second that motions are resampled to
RATE_KEYS = ("mocap_framerate", "mocap_frame_rate")  # SMPL+H's spelling, SMPL-X's
# of `poses`: SMPL+H (root, body, hands) and SMPL-X (root, body, jaw, eyes, hands)
WIDTHS = (156, 165)
UPRIGHT = Rotation.from_euler("x", -90, degrees=True)  # AMASS's worlds have z up


@dataclass(frozen=True)
class Recording:
    """One motion at 30 frames per second: the subject is the file's folder, relative to the one
    that was read.
    """

    name: str
    subject: str
    poses: Poses


def read_amass(path: Path, rate: float = RATE) -> Poses:
    """The motion of one file, resampled to `rate` frames per second along the shortest rotations.

    Body poses go from SMPL+H to SMPL-X as they are: the 21 joints agree. Nothing is unpickled.
    Raises ValueError naming the file where a key is missing, an array misshapen, or a number not
    finite.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {
                key: file[key]
                for key in ("root_orient", "pose_body", "poses", *RATE_KEYS)
                if key in file.files
            }
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not an .npz of plain arrays: {error}") from error
    recorded = next((float(arrays[key]) for key in RATE_KEYS if key in arrays), None)
    if recorded is None or not 0 < recorded < np.inf:
        raise ValueError(f"{path}: no frame rate: expected {' or '.join(RATE_KEYS)}, above zero")
    angles = _angles(path, arrays)
    if not np.isfinite(angles).all():
        raise ValueError(f"{path}: angles that are not finite")
    turned = _resampled(angles, recorded, rate)
    turned[:, 0] = (UPRIGHT * Rotation.from_rotvec(turned[:, 0])).as_rotvec()
    return Poses(turned[:, 0], turned[:, 1:])


def iter_amass(folder: Path) -> Iterator[Recording]:
    """The motions in a folder and those below it, sorted; `.npz` files without poses (AMASS's
    shapes) are passed over.

    Raises ValueError as `read_amass` does.
    """
    for path in sorted(folder.rglob("*.npz")):
        if _has_poses(path):
            subject = path.parent.relative_to(folder).as_posix()
            yield Recording(path.stem, path.stem if subject == "." else subject, read_amass(path))


def _has_poses(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return bool({"poses.npy", "pose_body.npy"} & set(archive.namelist()))
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: not an .npz file") from error


def _angles(path: Path, arrays: Mapping[str, NDArray]) -> Float[NDArray, "frames 22 3"]:
    """Root and body, float64, from `root_orient` and `pose_body` or from the first 66 columns of
    `poses`.
    """
    if "pose_body" in arrays and "root_orient" in arrays:
        root, body = arrays["root_orient"], arrays["pose_body"]
        if root.ndim != 2 or root.shape[1:] != (3,) or body.shape != (len(root), 63):
            raise ValueError(
                f"{path}: root_orient {root.shape}, pose_body {body.shape}: expected (T, 3) and (T, 63)"
            )
        whole = np.concatenate([root, body], 1)
    else:
        whole = arrays.get("poses", np.empty(0))
        if whole.ndim != 2 or whole.shape[1] not in WIDTHS:
            raise ValueError(
                f"{path}: poses {whole.shape}: expected (T, {WIDTHS[0]}) or (T, {WIDTHS[1]})"
            )
    if not len(whole):
        raise ValueError(f"{path}: no frames")
    return whole[:, :66].astype(np.float64).reshape(-1, 22, 3)


def _resampled(angles: NDArray, recorded: float, rate: float) -> Float[NDArray, "frames 22 3"]:
    """At times 0, 1/rate, ... up to the last frame."""
    times = np.arange(len(angles)) / recorded
    wanted = np.arange(int(times[-1] * rate + 1e-6) + 1) / rate
    if len(times) == 1:
        return angles
    wanted = wanted.clip(max=times[-1])
    joints = [
        Slerp(times, Rotation.from_rotvec(angles[:, j]))(wanted).as_rotvec()
        for j in range(angles.shape[1])
    ]
    return np.stack(joints, 1)
