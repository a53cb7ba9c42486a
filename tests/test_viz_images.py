"""Images are written whole."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_scenes import PHOTO

from smplifyx.viz import write_image


@pytest.mark.parametrize("name", ["a.jpg", "sub/b.PNG", "ü ß.jpeg"])
def test_images_are_written_whole(tmp_path: Path, name: str) -> None:
    image = np.zeros((20, 30, 3), np.uint8) + np.array([200, 100, 50], np.uint8)
    path = write_image(tmp_path / name, image)
    back = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert back.shape == image.shape and np.abs(back.astype(int) - image).max() <= 4
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_images_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.gif: images are written as"):
        write_image(tmp_path / "x.gif", PHOTO)
