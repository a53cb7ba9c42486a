"""`smplifyx predict`: photos, videos and folders of them as keypoint files; what is wrong costs only itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from smplifyx.cli import main
from smplifyx.core.choices import Detector
from smplifyx.keypoints import names
from smplifyx.keypoints.layouts import LayoutName
from smplifyx.predict import Detected
from smplifyx.predict.folder import OutputFolders, predict_folder
from smplifyx.predict.keypoint_files import prediction_arrays
from smplifyx.predict.pictures import PictureError, pictures_of
from smplifyx.predictions.prediction import Axes, Prediction
from smplifyx.readers.folder import read_frames


class Brightness:
    """Finds as many people as the picture is bright: none in a black one; stumbles over grey 200."""

    def detect(self, image: np.ndarray) -> tuple[Detected, ...]:
        bright = int(image[0, 0, 0])
        if bright == 200:
            raise RuntimeError("the network\nstumbled")
        return tuple(somebody(person) for person in range(round(bright / 50)))


def somebody(number: int) -> Detected:
    keypoints = np.zeros((names.COUNT, 3), np.float32)
    keypoints[:25] = [[10 + i, 20 + number, 0.5] for i in range(25)]
    points = np.full((names.COUNT, 3), np.nan, np.float32)
    points[:25] = number
    prediction = Prediction(
        system="mediapipe",
        points=points,
        axes=Axes.CROP,
        box=np.array([0, 0, 10, 10 + number], np.float32),
    )
    return Detected(keypoints, prediction, LayoutName.MEDIAPIPE_33)


def grey(path: Path, bright: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.full((60, 80, 3), bright, np.uint8))
    return path


def video(path: Path, frames: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (80, 60))
    for number in range(frames):
        writer.write(np.full((60, 80, 3), 20 * number, np.uint8))
    writer.release()
    return path


def stems(source: Path, every: int = 1) -> list[str]:
    return [picture.stem for picture in pictures_of(source, every)]


def test_files_of_every_picture_and_reasons_for_the_others(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for name, bright in {"two.png": 100, "none.png": 0, "stumbles.png": 200}.items():
        grey(photos / name, bright)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing else")
    (photos / "notes.txt").write_text("no picture")
    folders = OutputFolders(tmp_path / "out", tmp_path / "images", tmp_path / "drawn")
    told: list[str] = []
    results = predict_folder(
        Brightness(), photos, folders, tell=lambda looked: told.append(looked.stem)
    )
    assert told == ["broken", "none", "stumbles", "two"]
    assert [looked.people for looked in results] == [0, 0, 0, 2]
    problems = {looked.stem: looked.problem for looked in results if looked.problem}
    assert set(problems) == {"broken", "stumbles"}
    assert str(photos / "broken.jpg") in problems["broken"]
    assert problems["stumbles"] == "stumbles: the network stumbled"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "none.prediction.npz",
        "none_keypoints.json",
        "two.prediction.npz",
        "two_keypoints.json",
    ]
    for folder in ("images", "drawn"):
        assert len(list((tmp_path / folder).iterdir())) == 2


def test_keypoints_are_read_back_as_mediapipes(tmp_path: Path) -> None:
    grey(tmp_path / "photos/two.png", 100)
    predict_folder(Brightness(), tmp_path / "photos", OutputFolders(tmp_path / "out"))
    document = json.loads((tmp_path / "out/two_keypoints.json").read_text())
    assert document["version"] == 1.3 and len(document["people"][0]["pose_keypoints_2d"]) == 75
    (frame,) = read_frames(tmp_path / "out", tmp_path / "photos")
    assert frame.image is not None and frame.stem == "two"
    for person in frame.people:
        assert person.layout is LayoutName.MEDIAPIPE_33
        assert person.detector is Detector.MEDIAPIPE
        np.testing.assert_allclose(person.keypoints, somebody(person.index).keypoints)


def test_the_predictions_are_plain_arrays(tmp_path: Path) -> None:
    grey(tmp_path / "photos/two.png", 100)
    predict_folder(Brightness(), tmp_path / "photos", OutputFolders(tmp_path / "out"))
    with np.load(tmp_path / "out/two.prediction.npz", allow_pickle=False) as arrays:
        assert arrays["smplifyx_prediction"] == 1 and arrays["system"] == "mediapipe"
        assert arrays["photo"] == "two.png" and arrays["axes"] == "crop"
        assert arrays["person"].tolist() == [0, 1]
        assert arrays["points3d"].shape == (2, 137, 3) and arrays["box"].shape == (2, 4)
        assert (arrays["points3d"][1, :25] == 1).all()
        assert np.isnan(arrays["points3d"][:, 25:]).all()


@pytest.mark.parametrize("people", [(), (Detected(np.zeros((137, 3)), None, LayoutName.COCO_17),)])
def test_nobody_and_somebody_without_a_prediction(people: Sequence[Detected]) -> None:
    arrays = prediction_arrays("x.jpg", people)
    assert arrays["points3d"].shape == (len(people), 137, 3)
    assert np.isnan(arrays["points3d"]).all() and np.isnan(arrays["box"]).all()


def test_every_so_manieth_frame_of_a_video(tmp_path: Path) -> None:
    path = video(tmp_path / "clip.avi", frames=7)
    assert stems(path, every=3) == ["clip_000000", "clip_000003", "clip_000006"]
    assert all(picture.photo == picture.stem for picture in pictures_of(path))


def test_a_video_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    path.write_bytes(video(tmp_path / "whole.avi", 5).read_bytes()[:200])
    (picture,) = pictures_of(path)
    assert picture.image is None and str(path) in picture.problem


def test_two_pictures_of_one_stem_have_two_names(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "b.png"):
        grey(tmp_path / "photos" / name, 10)
    assert stems(tmp_path / "photos") == ["a", "a.png", "b"]


def test_a_folder_without_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no photos or videos in this folder"):
        stems(tmp_path)
    with pytest.raises(PictureError, match="there is no such file or folder"):
        stems(tmp_path / "nowhere")


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in ("predict", *words)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def brightness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smplifyx.commands.predict.open_detector", lambda task: Brightness())


@pytest.mark.usefixtures("brightness")
@pytest.mark.parametrize(("bright", "code"), [(100, 0), (0, 0), (200, 1)])
def test_the_command(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], bright: int, code: int
) -> None:
    photo = grey(tmp_path / "photos/x.png", bright)
    assert run(photo, "--out", tmp_path / "out") == code
    out, error = capfd.readouterr()
    assert f"{bright // 50 if not code else 0} people in {1 - code} pictures" in out
    assert ("stumbled" in error) == bool(code)


@pytest.mark.usefixtures("brightness")
@pytest.mark.parametrize("option", ["--images", "--draw"])
def test_photos_are_not_written_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], option: str
) -> None:
    photos = grey(tmp_path / "photos/x.png", 0).parent
    assert run(photos, "--out", tmp_path / "out", option, photos) == 2
    assert f"{option}: {photos}" in capfd.readouterr().err
    assert run(photos / "x.png", "--out", tmp_path / "out", option, photos) == 2


def test_the_command_without_mediapipe(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    photo = grey(tmp_path / "x.png", 0)
    assert run(photo, "--out", tmp_path / "out") == 2
    error = capfd.readouterr().err
    assert error == "smplifyx: mediapipe is not installed: pip install 'smplifyx[detect]'\n"
