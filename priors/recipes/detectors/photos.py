"""People in photos and videos as MediaPipe sees them, with OpenPose's points where there are some."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from benchmarks.multiview import read_multiview, video_frames
from benchmarks.points import MOST_OF_BODY, SURE, read_folder
from benchmarks.quality import Photos
from smplifyx.camera import Camera
from smplifyx.keypoints import Keypoints, layouts, names
from smplifyx.keypoints.layouts import LayoutName

from .landmarker import Landmarker

MARGIN = 0.25  # of the larger side of a person's box, around it
SAME = 0.1  # of the box's diagonal: the median distance of the same person's points
FEWEST = 5  # points in common
FRAMES = 4  # of a video
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class BothDetectors:
    """The same people as two detectors see them, [n] of each."""

    openpose: Photos
    mediapipe: Photos


def look_again(folder: Path, landmarker: Landmarker) -> BothDetectors:
    """The people of `folder/keypoints` (OpenPose's files) whom MediaPipe finds in `folder/images`.

    MediaPipe finds one person in a picture, so it is shown the surroundings of each; where it takes
    somebody else for that person, both are left out.
    """
    people = read_folder(folder / "keypoints")
    kept, found = [], []
    for person, name in enumerate(people.names):
        image = read_image(folder / "images" / f"{name.rpartition('#')[0]}.jpg")
        points = people.keypoints[person].to_array().numpy()
        again = _look_around(image, points, landmarker)
        if again is not None and is_same(points, again):
            kept.append(person)
            found.append(again)
    openpose = Photos(
        people.keypoints[kept], people.camera[kept], tuple(people.names[i] for i in kept)
    )
    mediapipe = Photos(as_mediapipe(found), openpose.camera, openpose.names)
    return BothDetectors(openpose, mediapipe)


def look_at_views(folder: Path, landmarker: Landmarker, every: int) -> BothDetectors:
    """The one man of four cameras (`benchmarks.multiview`), in every so manieth frame."""
    man = read_multiview(folder, every)
    found = np.zeros((len(man.views), names.COUNT, 3), np.float32)
    for camera in sorted({camera for camera, _ in man.views}):
        frames = [frame for number, frame in man.views if number == camera]
        for frame, image in video_frames(folder, camera, frames):
            points = landmarker(image)
            if points is not None:
                found[man.views.index((camera, frame))] = points
    who = tuple(f"camera {camera}, frame {frame}" for camera, frame in man.views)
    return BothDetectors(
        Photos(man.keypoints, man.camera, who), Photos(as_mediapipe(list(found)), man.camera, who)
    )


def as_mediapipe(points: Sequence[Float[np.ndarray, "137 3"]]) -> Keypoints:
    """Canonical points with the trust that those of MediaPipe's layout have."""
    return Keypoints.from_array(np.stack(points), layouts.trust(LayoutName.MEDIAPIPE_33))


def people_of(folder: Path, landmarker: Landmarker, frames: int = FRAMES) -> Photos:
    """MediaPipe's people of a folder with OpenPose's `keypoints/` and their `images/`, or of one
    with pictures and videos, a person each.
    """
    if (folder / "keypoints").is_dir():
        return look_again(folder, landmarker).mediapipe
    return single_people(folder, landmarker, frames)


def single_people(folder: Path, landmarker: Landmarker, frames: int) -> Photos:
    """One person of every picture of a folder and of `frames` frames of every video, those with
    half of the body in sight.
    """
    found, cameras, who = [], [], []
    for name, image in pictures(folder, frames):
        points = landmarker(image)
        if points is None or (points[names.BODY, 2] > SURE).sum() < MOST_OF_BODY // 2:
            continue
        height, width = image.shape[:2]
        found.append(points)
        cameras.append(Camera.from_focal(float(np.hypot(width, height)), (width, height)))
        who.append(name)
    return Photos(as_mediapipe(found), Camera.stack(cameras), tuple(who))


def pictures(folder: Path, frames: int) -> Iterator[tuple[str, UInt8[np.ndarray, "h w 3"]]]:
    """Name and RGB image of every picture of a folder, and of some frames of every video."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            yield path.stem, read_image(path)
        elif path.suffix.lower() == ".mp4":
            yield from _frames(path, frames)


def _frames(path: Path, count: int) -> Iterator[tuple[str, UInt8[np.ndarray, "h w 3"]]]:
    video = cv2.VideoCapture(str(path))
    total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    for number in np.linspace(0, total - 1, count + 2)[1:-1].astype(int).tolist():
        video.set(cv2.CAP_PROP_POS_FRAMES, number)
        is_read, image = video.read()
        if is_read:
            yield f"{path.stem}_{number:06d}", image[..., ::-1]
    video.release()


def read_image(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """An RGB picture. Raises ValueError where it cannot be read."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{path}: not a readable picture")
    return image[..., ::-1]


def _look_around(
    image: UInt8[np.ndarray, "h w 3"], points: Float[np.ndarray, "137 3"], landmarker: Landmarker
) -> Float[np.ndarray, "137 3"] | None:
    """What MediaPipe finds around a person, in pixels of the whole picture."""
    seen = points[points[:, 2] > SURE, :2]
    low, high = seen.min(0), seen.max(0)
    margin = MARGIN * (high - low).max()
    left, top = np.maximum(low - margin, 0).astype(int)
    right, bottom = np.ceil(high + margin).astype(int)
    found = landmarker(image[top:bottom, left:right])
    return None if found is None else found + np.float32([left, top, 0])


def is_same(first: Float[np.ndarray, "137 3"], second: Float[np.ndarray, "137 3"]) -> bool:
    """Whether the body points that both are sure of lie near each other."""
    common = (np.minimum(first[:, 2], second[:, 2]) > SURE)[names.BODY]
    if common.sum() < FEWEST:
        return False
    near, far = first[names.BODY][common, :2], second[names.BODY][common, :2]
    seen = first[first[:, 2] > SURE, :2]
    diagonal = np.linalg.norm(seen.max(0) - seen.min(0))
    return bool(np.median(np.linalg.norm(near - far, axis=1)) < SAME * diagonal)
