"""Which camera a picture gets, in which order, and what a bad one says."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from smplifyx.camera import Camera
from smplifyx.intrinsics import CameraError, CameraOptions, camera_for
from smplifyx.keypoints.people import Frame, SizeSource

DIAGONAL = math.hypot(400, 300)
K = [[500.0, 0, 210], [0, 510, 140], [0, 0, 1]]


def frame(folder: Path, exif_focal: float | None = None) -> Frame:
    image = None
    if exif_focal is not None:
        image, exif = folder / "a.jpg", Image.Exif()
        exif.get_ifd(0x8769)[0xA405] = exif_focal
        Image.new("RGB", (400, 300)).save(image, exif=exif)
    return Frame("a", folder / "a_keypoints.json", image=image, image_size=(400, 300), size_source=SizeSource.IMAGE)


def write(path: Path, content: object) -> None:
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def focal_of(found: tuple[Camera, str]) -> tuple[float, str]:
    return float(found[0].K[0, 0]), found[1].split(":")[0]


def test_the_default_is_the_diagonal(tmp_path):
    assert focal_of(camera_for(frame(tmp_path), CameraOptions())) == (pytest.approx(DIAGONAL), "default")


def test_exif_is_the_equivalent_on_film_by_the_diagonal(tmp_path):
    found = camera_for(frame(tmp_path, exif_focal=50), CameraOptions())
    assert focal_of(found) == (pytest.approx(50 / 43.2666 * DIAGONAL, rel=1e-4), "exif")


@pytest.mark.parametrize("value", [0, 65535])
def test_an_exif_focal_of_zero_is_none(tmp_path, value):
    source = focal_of(camera_for(frame(tmp_path, exif_focal=value), CameraOptions()))[1]
    assert source == ("default" if value == 0 else "exif")


def test_a_field_of_view_is_horizontal(tmp_path):
    found = camera_for(frame(tmp_path), CameraOptions(fov=90))
    assert focal_of(found) == (pytest.approx(200.0), "fov")


SIDECARS = {
    "K beside the keypoints": ("a.camera.json", {"K": K}),
    "numbers beside the keypoints": ("a.camera.json", {"fx": 500, "fy": 510, "cx": 210, "cy": 140}),
    "a table beside the keypoints": ("cameras.csv", "stem,fx,fy,cx,cy\nb,1,1,1,1\na,500,510,210,140\n"),
}


@pytest.mark.parametrize("name", SIDECARS)
def test_sidecars(tmp_path, name):
    write(tmp_path / SIDECARS[name][0], SIDECARS[name][1])
    camera, source = camera_for(frame(tmp_path, exif_focal=50), CameraOptions())
    assert source == "sidecar" and torch.equal(camera.K, torch.tensor(K))


@pytest.mark.parametrize("content", [{"a": {"K": K}}, {"K": K}])
def test_a_file_of_cameras_given_by_name(tmp_path, content):
    write(tmp_path / "mine.json", content)
    camera, _ = camera_for(frame(tmp_path), CameraOptions(cameras=tmp_path / "mine.json"))
    assert torch.equal(camera.K, torch.tensor(K))


def test_what_is_asked_for_comes_first(tmp_path):
    write(tmp_path / "a.camera.json", {"K": K})
    assert focal_of(camera_for(frame(tmp_path, exif_focal=50), CameraOptions(focal=700))) == (700.0, "focal")


BAD_FILES = {
    "K of another shape": {"K": [[1, 0], [0, 1]]},
    "K with a negative focal length": {"K": [[-5, 0, 1], [0, 5, 1], [0, 0, 1]]},
    "K with skew": {"K": [[5, 1, 1], [0, 5, 1], [0, 0, 1]]},
    "text for a number": {"fx": "long", "cx": 1, "cy": 1},
    "cx missing": {"fx": 500, "cy": 1},
    "no JSON": "{",
    "a list": [1, 2],
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_camera_is_one_clear_line(tmp_path, name):
    write(tmp_path / "a.camera.json", BAD_FILES[name])
    with pytest.raises(CameraError) as error:
        camera_for(frame(tmp_path), CameraOptions())
    assert "a.camera.json" in str(error.value) and "\n" not in str(error.value)


BAD_OPTIONS = [{"focal": -1.0}, {"focal": math.nan}, {"fov": 180.0}, {"fov": 0.0}, {"focal": 1.0, "fov": 50.0}]


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_bad_options_are_refused(options):
    with pytest.raises(CameraError):
        CameraOptions(**options)


def test_projection_and_its_slope_agree():
    camera = Camera(torch.tensor(K, dtype=torch.float64), torch.tensor([400.0, 300.0], dtype=torch.float64))
    points = torch.tensor([[0.3, -0.2, 2.0], [-1.0, 0.5, 5.0]], dtype=torch.float64)
    expected = torch.autograd.functional.jacobian(lambda p: camera.project(p).sum(0), points).permute(1, 0, 2)
    torch.testing.assert_close(camera.projection_jacobian(points), expected)


def test_zooming_keeps_the_principal_point():
    camera = Camera(torch.tensor([K]), torch.tensor([[400.0, 300.0]]))
    twice = camera.zoomed(torch.tensor([2.0]))
    assert twice.K[0].tolist() == [[1000.0, 0, 210], [0, 1020, 140], [0, 0, 1]]
    assert camera.with_focal(5000.0).focal[0].tolist() == pytest.approx([5000.0, 5000.0])
