"""MediaPipe behind the protocol: with stand-ins for it, and the real one where it is installed."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from smplifyx.keypoints import names
from smplifyx.predict import DetectorError, PeopleDetector, open_detector
from smplifyx.predict.mediapipe_solutions import SolutionsDetector
from smplifyx.predict.mediapipe_tasks import HOLISTIC_MODELS, POSE_MODELS, TaskDetector
from smplifyx.readers.images import read_image

SHARED = Path(__file__).parents[1].parent / "shared/data"
# a worktree need not stand beside the shared folder
SHARED = SHARED if SHARED.is_dir() else Path("/work/shared/data")
TASK = SHARED / "models/holistic_landmarker.task"


def marks(count: int, first: float = 0.2, last: float = 0.8) -> list[SimpleNamespace]:
    """Landmarks along the diagonal of the image, in fractions of it."""
    places = np.linspace(first, last, count)
    return [SimpleNamespace(x=at, y=at, z=0.1 * at, visibility=0.9) for at in places.tolist()]


class Landmarker:
    """Finds one person in every image, with a left hand at the wrist and a face; counts itself."""

    made = 0

    def __init__(self, holistic: bool) -> None:
        self.holistic = holistic
        self.pictures = 0

    def __enter__(self) -> Landmarker:
        type(self).made += 1
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def detect(self, picture: np.ndarray) -> SimpleNamespace:
        self.pictures += 1
        assert not self.holistic or self.pictures == 1, "a holistic landmarker was used again"
        assert picture.flags.c_contiguous
        body = marks(33)
        if not self.holistic:
            return SimpleNamespace(pose_landmarks=[body], pose_world_landmarks=[marks(33)])
        return SimpleNamespace(
            pose_landmarks=body,
            pose_world_landmarks=marks(33),
            left_hand_landmarks=marks(21, first=body[15].x, last=body[15].x + 0.1),
            left_hand_world_landmarks=marks(21, 0.0, 0.1),
            right_hand_landmarks=[],
            right_hand_world_landmarks=[],
            face_landmarks=marks(478),
        )


def fake_tasks() -> SimpleNamespace:
    """What is used of mediapipe 1.2."""

    def maker(holistic: bool) -> SimpleNamespace:
        return SimpleNamespace(create_from_options=lambda options: Landmarker(holistic))

    vision = SimpleNamespace(
        PoseLandmarkerOptions=dict,
        HolisticLandmarkerOptions=dict,
        RunningMode=SimpleNamespace(IMAGE="image"),
        PoseLandmarker=maker(False),
        HolisticLandmarker=maker(True),
    )
    return SimpleNamespace(
        __version__="1.2.3",
        tasks=SimpleNamespace(vision=vision, BaseOptions=dict),
        ImageFormat=SimpleNamespace(SRGB="srgb"),
        Image=lambda image_format, data: data,
    )


class Solution:
    """One of mediapipe 0.10.21's, which finds somebody as long as nobody is painted over."""

    def __init__(self, **_: object) -> None:
        return None

    def __enter__(self) -> Solution:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def process(self, image: np.ndarray) -> SimpleNamespace:
        height, width = image.shape[:2]
        found = None
        if image[height // 2, width // 2].any():  # white, until somebody was found there
            found = SimpleNamespace(landmark=marks(33))
        return SimpleNamespace(
            pose_landmarks=found,
            pose_world_landmarks=found,
            left_hand_landmarks=None,
            right_hand_landmarks=None,
            face_landmarks=None,
        )


def task_file(path: Path, models: tuple[str, ...]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in models:
            archive.writestr(name, b"model")
    return path


def test_tasks_find_a_body_and_then_its_hands_and_face(tmp_path: Path) -> None:
    detector = TaskDetector(fake_tasks(), task_file(tmp_path / "x.task", HOLISTIC_MODELS))
    assert isinstance(detector, PeopleDetector)
    found = detector.detect(np.zeros((300, 300, 3), np.uint8))
    assert found
    seen = found[0].keypoints[:, 2] > 0
    assert seen[names.LEFT_HAND].all() and seen[names.FACE].all()
    assert not seen[names.RIGHT_HAND].any()
    assert found[0].prediction is not None
    assert np.isfinite(found[0].prediction.points[names.LEFT_HAND]).all()


def test_a_file_with_the_pose_alone_gives_bodies(tmp_path: Path) -> None:
    detector = TaskDetector(fake_tasks(), task_file(tmp_path / "x.task", POSE_MODELS))
    found = detector.detect(np.zeros((300, 300, 3), np.uint8))
    assert found and not found[0].keypoints[names.FACE, 2].any()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such file"),
        (b"", "not a bundle of MediaPipe's models"),
        (b"TFL3" * 100, "not a bundle of MediaPipe's models"),
        (("hand_detector.tflite",), "no models of the pose in it"),
    ],
)
def test_a_file_that_is_no_bundle_is_told_in_a_line(
    tmp_path: Path, content: bytes | tuple[str, ...] | None, reason: str
) -> None:
    path = tmp_path / "models.task"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        task_file(path, content)
    with pytest.raises(DetectorError, match=reason) as caught:
        TaskDetector(fake_tasks(), path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_solutions_paint_over_whom_they_found() -> None:
    solutions = SimpleNamespace(
        pose=SimpleNamespace(Pose=Solution), holistic=SimpleNamespace(Holistic=Solution)
    )
    detector = SolutionsDetector(solutions)
    assert isinstance(detector, PeopleDetector)
    image = np.zeros((300, 300, 3), np.uint8)
    image[140:160, 140:160] = 255
    (people,) = detector.bodies([image])
    assert len(people) == 1
    assert image[150, 150].all(), "the caller's picture was painted"


def test_without_mediapipe_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(DetectorError, match=r"pip install 'smplifyx\[detect\]'"):
        open_detector()


@pytest.mark.parametrize(
    ("has_solutions", "task", "expected"),
    [
        (False, None, "--task"),
        (True, "x.task", "leave --task out"),
        (True, None, SolutionsDetector),
        (False, "x.task", TaskDetector),
    ],
)
def test_the_installed_version_decides(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_solutions: bool,
    task: str | None,
    expected: str | type,
) -> None:
    mediapipe = ModuleType("mediapipe")
    vars(mediapipe).update(vars(fake_tasks()))
    if has_solutions:
        vars(mediapipe)["solutions"] = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "mediapipe", mediapipe)
    path = None if task is None else task_file(tmp_path / task, HOLISTIC_MODELS)
    if isinstance(expected, type):
        assert isinstance(open_detector(path), expected)
    else:
        with pytest.raises(DetectorError, match=expected) as caught:
            open_detector(path)
        assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def real() -> PeopleDetector:
    """MediaPipe as it is installed, with the shared models where it needs some."""
    mediapipe = pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    if hasattr(mediapipe, "solutions"):
        return open_detector()
    if not TASK.is_file():
        pytest.skip(f"{TASK}: not there, and mediapipe {mediapipe.__version__} has no models")
    return open_detector(TASK)


def photo(name: str) -> np.ndarray:
    path = SHARED / "free_media" / name
    if not path.is_file():
        pytest.skip(f"{path}: not there")
    return read_image(path)


def test_three_people_are_found(real: PeopleDetector) -> None:
    people = real.detect(photo("three_people.jpg"))
    heads = np.array([person.keypoints[0, :2] for person in people])
    assert len(people) == 3
    assert np.linalg.norm(heads[:, None] - heads, axis=-1)[np.triu_indices(3, 1)].min() > 100


def test_a_picture_has_the_same_answer_after_another(real: PeopleDetector) -> None:
    image = photo("pose.jpg")
    alone = real.detect(image)
    real.detect(photo("three_people.jpg"))
    after = real.detect(image)
    assert len(alone) == len(after) == 1
    np.testing.assert_array_equal(alone[0].keypoints, after[0].keypoints)
    assert alone[0].prediction is not None and after[0].prediction is not None
    np.testing.assert_array_equal(alone[0].prediction.points, after[0].prediction.points)


def test_metres_stand_as_the_picture_does(real: PeopleDetector) -> None:
    (person,) = real.detect(photo("pose.jpg"))
    assert person.prediction is not None
    points, pixels = person.prediction.points, person.keypoints
    both = np.isfinite(points[:25]).all(1) & (pixels[:25, 2] > 0)
    for axis in (0, 1):
        assert np.corrcoef(points[:25][both, axis], pixels[:25][both, axis])[0, 1] > 0.95
    height = np.ptp(points[:25][both, 1])
    assert 0.7 < height < 1.8  # he stands in a lunge
    nose, ear = (points[names.POINT_INDEX[name]] for name in ("nose", "left_ear"))
    assert nose[2] < ear[2]  # he looks at the camera, and z is away from it
