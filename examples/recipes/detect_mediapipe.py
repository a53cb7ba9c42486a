r"""Make OpenPose JSON (body 25, hands 21, face 70) from a photo, a video or a folder with MediaPipe
Holistic.

    python examples/recipes/detect_mediapipe.py photo.jpg --out keypoints
    python examples/recipes/detect_mediapipe.py clip.mp4 --every 5 --out keypoints \
        --images images --draw drawn

Needs mediapipe 0.10.21, the last release that carries its models, so that nothing is downloaded. It
asks for numpy < 2: give it an environment of its own (`examples/data/README.md` has the commands).
It finds one person per picture.

Sides: holistic names sides of the person, not of the picture. The warning that MediaPipe's
handedness assumes a mirrored (selfie) picture is about the separate hand detector; here each hand
is looked for at that side's body wrist.

Confidence, which MediaPipe has for the body only:
* body: `visibility`, MediaPipe's probability that the point is seen; 0 below `Trust.visibility`,
  since MediaPipe always answers with a whole person and makes up the legs of a half-length
  portrait;
* nose, eyes and ears: that confidence, with the position of the face mesh where a face is found;
* neck and mid hip: means of both shoulders and both hips, with the smaller of the two confidences;
* small toes: 0, MediaPipe has one point at the front of each foot, taken as the big toe;
* hands: one constant per found hand, 0 when the hand does not start at the body's wrist;
* face: one constant, a smaller one for the jaw (its ends lie on the hairline and hardly show),
  times a small factor on the half of a sideways face that is turned away from the camera (its eye
  and ear of the body too);
* everywhere: 0 outside the picture.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")

# The source of every BODY_25 point in MediaPipe's 33 body landmarks; -1 is computed afterwards or
# does not exist.
BODY25_FROM_POSE = (
    0, -1,  # nose, neck
    12, 14, 16,  # right shoulder, elbow, wrist
    11, 13, 15,  # left shoulder, elbow, wrist
    -1,  # mid hip
    24, 26, 28,  # right hip, knee, ankle
    23, 25, 27,  # left hip, knee, ankle
    5, 2, 8, 7,  # right eye, left eye, right ear, left ear
    31, -1, 29,  # left big toe, small toe, heel
    32, -1, 30,  # right big toe, small toe, heel
)  # fmt: skip
NOSE, NECK, MID_HIP = 0, 1, 8  # of BODY_25, as those below
SHOULDERS, HIPS = (2, 5), (9, 12)  # right, left
LEFT_WRIST, RIGHT_WRIST = 7, 4
RIGHT_BODY = (2, 3, 4, 9, 10, 11, 15, 17, 22, 24)
GREEN, RED, BLUE = (0, 200, 0), (0, 0, 255), (255, 80, 0)  # blue first, as OpenCV wants it

# The 68 iBUG points in MediaPipe's 478-point face mesh: each is the mean of two mesh points, often
# the same one twice. Derived from the chains of mediapipe/python/solutions/face_mesh_connections.py
# (Apache-2.0) and checked on photos.
FACE68_FROM_MESH = (
    # jaw, the subject's right ear to the left: FACE_OVAL cut at equal arc lengths between 127 (eye
    # level) and the chin
    (127, 127), (234, 234), (93, 93), (132, 58), (58, 172), (136, 136), (149, 149), (176, 148),
    (152, 152), (377, 400), (378, 378), (365, 365), (397, 288), (288, 361), (323, 323), (454, 454),
    (356, 356),
    # brows, right outer to left outer: the middle between the upper and the lower row, whose edges
    # it has
    (70, 46), (63, 53), (105, 52), (66, 65), (107, 55),
    (336, 285), (296, 295), (334, 282), (293, 283), (300, 276),
    # nose: bridge from eye level down to the tip, then the base from the right nostril to the left
    (6, 6), (197, 195), (5, 5), (4, 4), (98, 98), (97, 97), (2, 2), (326, 326), (327, 327),
    # right eye: outer corner, upper lid, inner corner, lower lid; left eye: inner corner, upper,
    # outer corner, lower
    (33, 33), (160, 160), (158, 158), (133, 133), (153, 153), (144, 144),
    (362, 362), (385, 385), (387, 387), (263, 263), (373, 373), (380, 380),
    # outer lip: right corner, upper, left corner, lower; then the inner lip likewise
    (61, 61), (40, 40), (37, 37), (0, 0), (267, 267), (270, 270),
    (291, 291), (321, 321), (314, 314), (17, 17), (84, 84), (91, 91),
    (78, 78), (81, 81), (13, 13), (311, 311), (308, 308), (402, 402), (14, 14), (178, 178),
)  # fmt: skip
PUPILS_FROM_MESH = (468, 473)  # iris centres, right then left; MediaPipe's refined mesh has them
CONTOUR_COUNT = 17
NOSE_TIP, RIGHT_EAR, LEFT_EAR = 4, 234, 454
# BODY_25's nose, eyes and ears in the mesh: where there is a mesh it is the better of the two (the
# pose is off by up to a tenth of the face when its crop is).
BODY25_HEAD = (0, 15, 16, 17, 18)
HEAD_FROM_MESH = (NOSE_TIP, *PUPILS_FROM_MESH, RIGHT_EAR, LEFT_EAR)


@dataclass(frozen=True)
class Trust:
    """How far each kind of point is believed; constants stand where MediaPipe gives no confidence.

    visibility: body points below are dropped.
    hand, face: confidence of all points of a hand and of a face that was found.
    contour: confidence of the jaw.
    turned_away: factor on the far half of a face that is turned sideways by turned_degrees.
    wrist_gap: palms between a hand and the body's wrist, beyond which it is not that hand.
    """

    visibility: float = 0.3
    hand: float = 0.7
    face: float = 0.8
    contour: float = 0.4
    turned_away: float = 0.2
    turned_degrees: float = 30.0
    wrist_gap: float = 1.5


class Detector(Protocol):
    """What this recipe uses of `mediapipe.solutions.holistic.Holistic`."""

    def process(self, image: np.ndarray) -> Any:
        """Landmarks of one person in an RGB image [height, width, 3]."""
        ...


@dataclass(frozen=True)
class Person:
    """One person in OpenPose order, rows of (x px, y px, confidence 0..1); points that are not
    there are zero rows.
    """

    body: np.ndarray  # [25, 3]
    left_hand: np.ndarray  # [21, 3]
    right_hand: np.ndarray  # [21, 3]
    face: np.ndarray  # [70, 3]

    def to_json(self) -> dict[str, list]:
        """The person as an entry of OpenPose's `people`."""
        parts = {
            "pose": self.body,
            "face": self.face,
            "hand_left": self.left_hand,
            "hand_right": self.right_hand,
        }
        entry: dict[str, list] = {"person_id": [-1]}
        for name, points in parts.items():
            entry[f"{name}_keypoints_2d"] = points.round(3).ravel().tolist()
        for name in parts:
            entry[f"{name}_keypoints_3d"] = []
        return entry


def drop_outside(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Points [n, 3] with zero rows where they lie outside an image of `size` (width, height) or are
    not believed.
    """
    xy = points[:, :2]
    inside = ((xy >= 0) & (xy < size)).all(1)
    believed = points[:, 2] > 0
    return np.where((inside & believed)[:, None], points, 0.0)


def body25(pose: np.ndarray, size: tuple[int, int], trust: Trust) -> np.ndarray:
    """BODY_25 points [25, 3] from MediaPipe's pose [33, 4] of (x px, y px, z, visibility)."""
    source = np.array(BODY25_FROM_POSE)
    body = np.where(source[:, None] >= 0, pose[source][:, [0, 1, 3]], 0.0)
    body[body[:, 2] < trust.visibility, 2] = 0.0
    body = drop_outside(body, size)
    for middle, (right, left) in ((NECK, SHOULDERS), (MID_HIP, HIPS)):
        body[middle, :2] = (body[right, :2] + body[left, :2]) / 2
        body[middle, 2] = min(body[right, 2], body[left, 2])
    return drop_outside(body, size)


def hand21(
    hand: np.ndarray | None, wrist: np.ndarray, size: tuple[int, int], trust: Trust
) -> np.ndarray:
    """Hand points [21, 3] from MediaPipe's hand [21, 4], whose order is OpenPose's.

    All zero without a hand, or when it starts further from the body's `wrist` (x, y, confidence)
    than `trust.wrist_gap` palms: then it is another hand, or none.
    """
    if hand is None or wrist[2] <= 0:
        return np.zeros((21, 3))
    palm = np.linalg.norm(hand[[5, 9, 13, 17], :2] - hand[0, :2], axis=1).max()
    if np.linalg.norm(hand[0, :2] - wrist[:2]) > trust.wrist_gap * palm:
        return np.zeros((21, 3))
    return drop_outside(np.column_stack([hand[:, :2], np.full(21, trust.hand)]), size)


def _turned_away(mesh: np.ndarray, points: np.ndarray, degrees: float) -> np.ndarray:
    """Which of `points` [n, 3] lie on the far half of a face turned sideways by more than
    `degrees`; [n] bool.
    """
    to_left = mesh[LEFT_EAR, :3] - mesh[RIGHT_EAR, :3]
    width = np.linalg.norm(to_left)
    across = to_left / width
    if abs(across[2]) < np.sin(np.radians(degrees)):
        return np.zeros(len(points), dtype=bool)
    # MediaPipe's z grows away from the camera. The margin keeps the middle line of the face on the
    # near half.
    farther = (points - mesh[NOSE_TIP, :3]) @ across * np.sign(across[2])
    return farther > 0.05 * width


def with_mesh_head(
    body: np.ndarray, mesh: np.ndarray | None, size: tuple[int, int], trust: Trust
) -> np.ndarray:
    """BODY_25 points [25, 3] with nose, eyes and ears moved to the face mesh, those turned away
    less believed.
    """
    if mesh is None:
        return body
    head = list(BODY25_HEAD)
    points = mesh[list(HEAD_FROM_MESH), :3]
    away = _turned_away(mesh, points, trust.turned_degrees)
    moved = body.copy()
    moved[head, :2] = points[:, :2]
    moved[head, 2] *= np.where(away, trust.turned_away, 1.0)
    return drop_outside(moved, size)


def face70(mesh: np.ndarray | None, size: tuple[int, int], trust: Trust) -> np.ndarray:
    """OpenPose face points [70, 3] (iBUG 68 and the pupils) from MediaPipe's mesh [478, 4]; zero
    without a face.
    """
    if mesh is None:
        return np.zeros((70, 3))
    source = np.array(FACE68_FROM_MESH + tuple((i, i) for i in PUPILS_FROM_MESH))
    confidence = np.full(len(source), trust.face)
    confidence[:CONTOUR_COUNT] = trust.contour
    points = mesh[source, :3].mean(1)
    confidence[_turned_away(mesh, points, trust.turned_degrees)] *= trust.turned_away
    return drop_outside(np.column_stack([points[:, :2], confidence]), size)


def _pixels(landmarks: Any, size: tuple[int, int]) -> np.ndarray | None:
    """MediaPipe's landmarks as [n, 4] of (x px, y px, z in x's unit, visibility)."""
    if landmarks is None:
        return None
    values = np.array([(p.x, p.y, p.z, p.visibility) for p in landmarks.landmark])
    width, height = size
    return values * (width, height, width, 1.0)


def detect(image: np.ndarray, detector: Detector, trust: Trust) -> Person | None:
    """The person in a BGR image [height, width, 3]; None when MediaPipe finds nobody."""
    height, width = image.shape[:2]
    size = (width, height)
    found = detector.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    pose = _pixels(found.pose_landmarks, size)
    if pose is None:
        return None
    mesh = _pixels(found.face_landmarks, size)
    body = with_mesh_head(body25(pose, size, trust), mesh, size, trust)
    left = hand21(_pixels(found.left_hand_landmarks, size), body[LEFT_WRIST], size, trust)
    right = hand21(_pixels(found.right_hand_landmarks, size), body[RIGHT_WRIST], size, trust)
    return Person(body, left, right, face70(mesh, size, trust))


def to_openpose(people: Iterable[Person]) -> dict[str, Any]:
    """The content of an OpenPose 1.3 file."""
    return {"version": 1.3, "people": [person.to_json() for person in people]}


def draw(image: np.ndarray, person: Person | None) -> np.ndarray:
    """A copy of the image with left points in blue, right in red, middle ones in green; small where
    less believed.
    """
    canvas = image.copy()
    if person is None:
        return canvas
    scale = max(image.shape[:2]) / 1000
    body_colours = [BLUE] * 25
    for point in RIGHT_BODY:
        body_colours[point] = RED
    for point in (NOSE, NECK, MID_HIP):
        body_colours[point] = GREEN
    parts = (
        (person.body, body_colours, 5),
        (person.left_hand, [BLUE] * 21, 2),
        (person.right_hand, [RED] * 21, 2),
        (person.face, [GREEN] * 70, 1.5),
    )
    for points, colours, radius in parts:
        for (x, y, confidence), colour in zip(points, colours, strict=True):
            if confidence > 0:
                size = max(1, round(radius * scale * (0.5 + confidence)))
                cv2.circle(canvas, (round(x), round(y)), size, colour, -1, cv2.LINE_AA)
    return canvas


def _video_frames(path: Path, every: int) -> Iterator[tuple[str, np.ndarray]]:
    video = cv2.VideoCapture(str(path))
    index = 0
    while video.grab():
        if index % every == 0:
            ok, image = video.retrieve()
            if ok:
                yield f"{path.stem}_{index:06d}", image
        index += 1
    video.release()


def pictures(source: Path, every: int) -> Iterator[tuple[str, np.ndarray]]:
    """(stem, BGR image) of a photo, of every n-th frame of a video, or of everything in a folder.

    Raises ValueError for a file that is neither a photo nor a video, or that cannot be read.
    """
    if source.is_dir():
        for path in sorted(source.iterdir()):
            if path.suffix.lower() in IMAGE_SUFFIXES + VIDEO_SUFFIXES:
                yield from pictures(path, every)
    elif source.suffix.lower() in VIDEO_SUFFIXES:
        yield from _video_frames(source, every)
    else:
        image = cv2.imread(str(source), cv2.IMREAD_COLOR)  # turns it upright by its EXIF tag
        if image is None:
            raise ValueError(f"{source}: not a readable photo or video")
        yield source.stem, image


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="a photo, a video or a folder of them")
    parser.add_argument("--out", type=Path, required=True, help="folder for the JSON")
    parser.add_argument("--every", type=int, default=1, help="take every n-th frame of a video")
    parser.add_argument(
        "--images",
        type=Path,
        help="folder for the pictures as JPEG: what the frames of a video need",
    )
    parser.add_argument(
        "--draw", type=Path, help="folder for the pictures with the points drawn, to look at"
    )
    parser.add_argument(
        "--min-visibility",
        type=float,
        default=Trust.visibility,
        help="body points below are dropped",
    )
    return parser.parse_args()


def main() -> None:
    """Detect people in all pictures of the source and write one JSON for each picture."""
    # Here, so that the tables can be used without mediapipe. It has an environment of its own, in
    # which no checker runs.
    from mediapipe.python.solutions.holistic import (  # pyright: ignore[reportMissingImports]
        Holistic,
    )

    arguments = _arguments()
    trust = Trust(visibility=arguments.min_visibility)
    for folder in (arguments.out, arguments.images, arguments.draw):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    with Holistic(
        static_image_mode=True, model_complexity=1, refine_face_landmarks=True
    ) as detector:
        for stem, image in pictures(arguments.source, arguments.every):
            person = detect(image, detector, trust)
            people = [] if person is None else [person]
            (arguments.out / f"{stem}_keypoints.json").write_text(json.dumps(to_openpose(people)))
            if arguments.images:
                cv2.imwrite(str(arguments.images / f"{stem}.jpg"), image)
            if arguments.draw:
                cv2.imwrite(str(arguments.draw / f"{stem}.jpg"), draw(image, person))
            if person is None:
                print(stem, "nobody")
            else:
                seen = int((person.body[:, 2] > 0).sum())
                print(stem, f"{seen} of 25 body points")


if __name__ == "__main__":
    main()
