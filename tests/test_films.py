"""Films and strips of the overlays of a video."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from smplifyx import viz
from smplifyx.jobs.pictures import write_films
from smplifyx.jobs.pictures.files import panel_path
from smplifyx.jobs.store import Store
from smplifyx.jobs.summary import Row, RowStatus, writing_summary


def drawn(out: Path, stems: list[str], missing: str = "") -> Store:
    """An output folder with a grey overlay for each frame, which is brighter with each."""
    store = Store(out)
    with writing_summary(store.summary) as summary:
        for number, stem in enumerate(stems):
            summary.write(Row(stem, 0, RowStatus.OK))
            if stem != missing:
                image = np.full((41, 61, 3), 10 * number, np.uint8)
                viz.write_image(panel_path(store, stem), image)
    return store


def test_a_film_and_a_strip_of_each_clip(tmp_path: Path) -> None:
    stems = [f"run_{10 * number:03d}" for number in range(20)]
    store = drawn(tmp_path, ["portrait", *stems], missing="run_050")
    (film,) = write_films(store, fps=100.0)
    assert film == tmp_path / "films" / "run_000.mp4"
    video = cv2.VideoCapture(str(film))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10.0)
    shown: list[float] = []
    while True:
        is_read, picture = video.read()
        if not is_read:
            break
        assert picture.shape == (40, 60, 3)
        shown.append(float(picture.mean()))
    expected = [10 * (number + 1) for number in range(20) if number != 5]
    assert shown == pytest.approx(expected, abs=4)
    strip = cv2.imread(str(film.with_suffix(".jpg")))
    assert strip.shape[0] == 480 and strip.shape[1] == 12 * round(61 * 480 / 41)


def test_pictures_that_are_no_clip_make_no_film(tmp_path: Path) -> None:
    assert write_films(drawn(tmp_path, ["portrait", "a_1", "a_2"]), fps=30.0) == []
