"""`smplifyx photo`: from pictures to results, overlays and a page, in one command."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from cases import embedded_body
from mocap_data import random_poses

from smplifyx.cli import main
from smplifyx.core.choices import LayoutName
from smplifyx.data.synthetic import GeneratedPeople, generate_people
from smplifyx.predict.people_detector import Detected
from smplifyx.predictions.prediction import Axes, Prediction


def people() -> GeneratedPeople:
    return generate_people(embedded_body(torch.float32), random_poses(40, seed=3), 1, 9)


class Somebody:
    """Finds the same person in every picture, with a prediction."""

    def detect(self, image: np.ndarray) -> tuple[Detected, ...]:
        seen = people()
        box = np.array([0, 0, *image.shape[1::-1]], np.float32)
        prediction = Prediction("tested", points=seen.points[0].numpy(), axes=Axes.CAMERA, box=box)
        keypoints = seen.keypoints.to_array()[0].numpy()
        return (Detected(keypoints, prediction, LayoutName.BODY_25),)


def write(path: Path) -> None:
    """A photo, or a video of two frames."""
    width, height = (int(side) for side in people().camera.image_size[0])
    grey = np.full((height, width, 3), 90, np.uint8)
    if path.suffix == ".png":
        cv2.imwrite(str(path), grey)
        return
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (width, height))
    for _ in range(2):
        writer.write(grey)
    writer.release()


@pytest.mark.parametrize(("name", "results"), [("one.png", 1), ("clip.avi", 2)])
def test_from_pictures_to_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, results: int
) -> None:
    monkeypatch.setattr("smplifyx.commands.predict.open_detector", lambda task: Somebody())
    source = tmp_path / name
    write(source)
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        main(["photo", str(source), "--out", str(out), "--preset", "fast", "--quiet"])
    assert ended.value.code == 0
    assert len(list((out / "results").rglob("*.npz"))) == results
    assert len(list((out / "overlays").rglob("*.jpg"))) == results
    assert (out / "index.html").is_file()
    assert (out / "summary.csv").read_text().count("tested") == results
    # frames of a video are written for the pictures; a photo stays where it is
    assert (out / "photos").is_dir() == (name == "clip.avi")
