"""One man seen by four calibrated cameras, detected by OpenPose and triangulated: real people whose
3D points are known to 2 or 3 cm.

The data: `pose2sim_multiview.tar.xz` of Pose2Sim (BSD-3, perfanalytics), which is not part of this
repository.
"""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.spatial.transform import Rotation
from torch import Tensor

from smplifyx.camera import Camera
from smplifyx.core.choices import Detector
from smplifyx.keypoints import Keypoints, layouts, names
from smplifyx.keypoints.layouts import LayoutName
from smplifyx.readers.calibrations import read_calibration
from smplifyx.views.calibrated_camera import CalibratedCamera

ARCHIVE = "pose2sim_multiview.tar.xz"
CALIBRATION = "calibration/Calib_qualisys.toml"
MARKERS = "single_balancing/pose-3d/S00_P00_T01_BalancingTrial_0-100.trc"
DETECTIONS = re.compile(r"single_balancing/pose-associated/cam0(\d)_json/.*\.(\d+)\.json")
VIDEO = "videos/SinglePerson/cam0{}.mp4"
SIZE = (1088.0, 1920.0)
UPRIGHT = (2, 0, 1)  # the calibration's axes in the markers' file
# what the markers of shoulders, limbs and feet are called: RShoulder is right_shoulder
_MARKER = re.compile(r"([RL])(Shoulder|Elbow|Wrist|Hip|Knee|Ankle|BigToe|SmallToe|Heel)")
_POINT = {"BigToe": "big_toe", "SmallToe": "small_toe"}


@dataclass(frozen=True)
class Multiview:
    """One man, a row for each camera and frame.

    points: [n, 137, 3] metres in the camera's frame; NaN for points that were not triangulated.
    detector: whose keypoints they are.
    views: the number of the camera, from 1, and of the frame, from 0.
    """

    keypoints: Keypoints
    camera: Camera
    points: Float[Tensor, "n 137 3"]
    detector: Detector
    views: tuple[tuple[int, int], ...]


def read_multiview(folder: Path, every: int = 4) -> Multiview:
    """Every so manieth frame of all cameras. Raises OSError where the archive is missing."""
    found: dict[str, bytes] = {}
    with tarfile.open(folder / ARCHIVE) as archive:
        for member in archive:
            if DETECTIONS.fullmatch(member.name) or member.name in (CALIBRATION, MARKERS):
                found[member.name] = _content(archive, member)
    calibration = found[CALIBRATION].decode()
    matrices, places = matrices_of(calibration), places_of(calibration)
    markers = markers_of(found[MARKERS].decode())
    detected, cameras, points = [], [], []
    views: list[tuple[int, int]] = []
    for name in sorted(found):
        match = DETECTIONS.fullmatch(name)
        if match is None or int(match[2]) % every or int(match[2]) >= len(markers):
            continue
        people = json.loads(found[name])["people"]
        if people and people[0].get("pose_keypoints_2d"):
            detected.append(np.reshape(people[0]["pose_keypoints_2d"], (-1, 3)))
            cameras.append(matrices[int(match[1]) - 1])
            turn, shift = places[int(match[1]) - 1]
            points.append(markers[int(match[2])] @ turn.T + shift)
            views.append((int(match[1]), int(match[2])))
    layout = LayoutName.BODY_25B
    canonical = layouts.to_canonical(np.stack(detected).astype(np.float32), layout)
    K = torch.tensor(np.stack(cameras), dtype=torch.float32)
    return Multiview(
        Keypoints.from_array(canonical, layouts.trust(layout)),
        Camera(K, torch.tensor(SIZE).expand(len(K), 2)),
        torch.tensor(np.stack(points), dtype=torch.float32),
        layouts.detector_of(layout),
        tuple(views),
    )


def calibrated_cameras(folder: Path) -> list[CalibratedCamera]:
    """The four cameras with their places in the room. Raises OSError where the archive is missing."""
    with tarfile.open(folder / ARCHIVE) as archive:
        calibration = _content(archive, archive.getmember(CALIBRATION)).decode()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "calibration.toml"
        path.write_text(calibration)
        return list(read_calibration(path))


def video_frames(
    folder: Path, camera: int, frames: Collection[int]
) -> Iterator[tuple[int, UInt8[np.ndarray, "h w 3"]]]:
    """Some frames of a camera's video, numbers from 0 and RGB pictures, in their order."""
    with (
        tarfile.open(folder / ARCHIVE) as archive,
        tempfile.NamedTemporaryFile(suffix=".mp4") as video,
    ):
        video.write(_content(archive, archive.getmember(VIDEO.format(camera))))
        video.flush()
        reader = cv2.VideoCapture(video.name)
        for number in range(max(frames, default=-1) + 1):
            is_read, image = reader.read()
            if is_read and number in frames:
                yield number, image[..., ::-1]
        reader.release()


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def matrices_of(toml: str) -> Float[np.ndarray, "cameras 3 3"]:
    """The camera matrices of a calibration file (Python 3.10 reads no TOML)."""
    rows = re.findall(r"^matrix = (.*)$", toml, re.M)
    return np.array([json.loads(row) for row in rows])


def places_of(toml: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each camera's rotation [3, 3] and translation [3] (metres), from the room's frame to its."""
    turns = re.findall(r"^rotation = (.*)$", toml, re.M)
    shifts = re.findall(r"^translation = (.*)$", toml, re.M)
    return [
        (Rotation.from_rotvec(json.loads(turn)).as_matrix(), np.array(json.loads(shift)))
        for turn, shift in zip(turns, shifts, strict=True)
    ]


def markers_of(trc: str) -> Float[np.ndarray, "frames 137 3"]:
    """The markers of each frame as canonical points, in the calibration's frame: the file has y up,
    the calibration z.
    """
    lines = trc.splitlines()
    labels = [label for label in lines[3].split("\t")[2:] if label.strip()]
    rows = [[float(v or "nan") for v in line.split("\t")] for line in lines[5:] if line.strip()]
    places = np.array([row[2 : 2 + 3 * len(labels)] for row in rows]).reshape(
        len(rows), len(labels), 3
    )
    points = np.full((len(rows), names.COUNT, 3), np.nan)
    for i, label in enumerate(labels):
        match = _MARKER.fullmatch(label)
        if match:
            side = {"R": "right", "L": "left"}[match[1]]
            name = _POINT.get(match[2], match[2].lower())
            points[:, names.POINT_INDEX[f"{side}_{name}"]] = places[:, i, UPRIGHT]
    return points
