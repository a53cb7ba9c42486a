"""The examples run as they stand and do what they say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from golden_body import GoldenBody, project
from PIL import Image

from smplifyx.core import assets  # noqa: F401  (imports the package under the type checker first)

EXAMPLES = Path(__file__).parent.parent / "examples"
NUMBERED = sorted(EXAMPLES.glob("0*.py"))


def load(name: str) -> ModuleType:
    """An example as a module; its name begins with a digit, so it cannot be imported by name."""
    (path,) = EXAMPLES.glob(f"{name}_*.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", NUMBERED, ids=lambda p: p.stem)
def test_examples_are_short(path):
    assert len(path.read_text().splitlines()) < 40


def test_one_photo(tmp_path):
    load("01").main(tmp_path)
    with Image.open(tmp_path / "one_photo.jpg") as picture:
        assert picture.width > 2 * picture.height  # photo, overlay, turned view


def test_a_folder_and_reading_it_back(tmp_path):
    load("02").main(tmp_path)
    results = sorted((tmp_path / "folder" / "results").rglob("*.npz"))
    assert len(results) == 7
    load("04").main(tmp_path)
    assert len(list(tmp_path.glob("*.ply"))) == 7


def test_several_people_come_near_the_truth():
    assert load("03").main() < 40.0  # mm, mean PA-MPJPE


def test_your_own_term_pulls():
    without, with_it = load("05").main()
    assert with_it < 0.2 * without and with_it < 0.02


def test_a_dataset_is_what_a_trainer_reads(tmp_path):
    with np.load(load("06").main(tmp_path)) as file:
        rows = dict(file)
    assert len(rows["imgname"]) >= 4
    reader = GoldenBody.embedded()
    for row in range(len(rows["imgname"])):
        pose = rows["pose_cam"][row].reshape(55, 3).astype(float)
        _, joints, _ = reader.forward(pose, rows["shape"][row])
        pixels = project(joints[:24] + rows["cam_ext"][row, :3, 3], rows["cam_int"][row])
        assert np.abs(pixels - rows["gtkps"][row, :, :2]).max() < 0.1
