"""Which camera a picture gets, in which order, and what a bad one says."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from smplifyx.readers.frames import Frame, SizeSource
from smplifyx.readers.intrinsics import (
    CameraOptions,
    CameraSource,
    IntrinsicsError,
    camera_for,
    options_for,
)

DIAGONAL = math.hypot(400, 300)

K = [[500.0, 0, 210], [0, 510, 140], [0, 0, 1]]


def frame(folder: Path, exif_focal: float | None = None) -> Frame:
    image = None
    if exif_focal is not None:
        image, exif = folder / "a.jpg", Image.Exif()
        exif.get_ifd(0x8769)[0xA405] = exif_focal
        Image.new("RGB", (400, 300)).save(image, exif=exif)
    return Frame(
        "a",
        folder / "a_keypoints.json",
        image=image,
        image_size=(400, 300),
        size_source=SizeSource.IMAGE,
    )


def write(path: Path, content: object) -> None:
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def told(frame: Frame, options: CameraOptions | None = None) -> tuple[float, CameraSource]:
    """(fx, where it comes from); every answer also has a line that says so."""
    camera, source, note = camera_for(frame, options or CameraOptions())
    assert (
        note
        and "\n" not in note
        and camera.K.shape == (3, 3)
        and camera.image_size.tolist() == [400, 300]
    )
    return float(camera.K[0, 0]), source


def test_the_default_is_the_diagonal(tmp_path):
    assert told(frame(tmp_path)) == (pytest.approx(DIAGONAL), CameraSource.DEFAULT)
    assert camera_for(frame(tmp_path), CameraOptions())[0].center.tolist() == [200, 150]


def test_exif_is_the_equivalent_on_film_by_the_diagonal(tmp_path):
    photo = frame(tmp_path, exif_focal=50)
    assert told(photo) == (pytest.approx(50 / 43.2666 * DIAGONAL, rel=1e-4), CameraSource.EXIF)
    assert told(photo, CameraOptions(use_exif=False))[1] is CameraSource.DEFAULT


@pytest.mark.parametrize("value", [0, 65535])
def test_fillers_in_exif_are_no_focal_length(tmp_path, value):
    assert told(frame(tmp_path, exif_focal=value))[1] is CameraSource.DEFAULT


def test_a_field_of_view_is_horizontal(tmp_path):
    assert told(frame(tmp_path), CameraOptions(fov_degrees=90.0)) == (
        pytest.approx(200.0),
        CameraSource.FOV,
    )


def test_an_equivalent_on_film_as_given(tmp_path):
    found = told(frame(tmp_path), CameraOptions(focal_35mm=43.2666))
    assert found == (pytest.approx(DIAGONAL, rel=1e-5), CameraSource.FOCAL_35MM)


SIDECARS = {  # what lies beside the keypoints
    "K": ("a.camera.json", {"K": K}),
    "K in one row": ("a.camera.json", {"K": [v for row in K for v in row]}),
    "numbers": ("a.camera.json", {"fx": 500, "fy": 510, "cx": 210, "cy": 140}),
    "the size it was measured at": ("a.camera.json", {"K": K, "width": 400, "height": 300}),
    "half the size": (
        "a.camera.json",
        {"fx": 250, "fy": 255, "cx": 105, "cy": 70, "image_size": [200, 150]},
    ),
    "a table": ("cameras.csv", "stem,fx,fy,cx,cy\nb,100,100,1,1\na,500,510,210,140\n"),
    "a table by image name, with a mark": (
        "cameras.csv",
        "\ufeffstem, fx, fy, cx, cy\na.JPG, 500, 510, 210, 140\n",
    ),
    "a file of stems": ("cameras.json", {"a": {"K": K}, "b": {"fx": 900}}),
    "a file for all": ("cameras.json", {"K": K}),
}


@pytest.mark.parametrize("name", SIDECARS)
def test_sidecars(tmp_path, name):
    write(tmp_path / SIDECARS[name][0], SIDECARS[name][1])
    camera, source, _ = camera_for(frame(tmp_path, exif_focal=50), options_for(tmp_path))
    assert source is CameraSource.SIDECAR
    torch.testing.assert_close(camera.K, torch.tensor(K))


@pytest.mark.parametrize("content", [{"a": {"K": K}}, {"K": K}])
def test_a_file_of_cameras_given_by_name(tmp_path, content):
    write(tmp_path / "mine.json", content)
    camera, _, _ = camera_for(frame(tmp_path), options_for(tmp_path, tmp_path / "mine.json"))
    assert torch.equal(camera.K, torch.tensor(K))


def test_fx_alone_means_square_pixels_and_the_centre(tmp_path):
    write(tmp_path / "a.camera.json", {"fx": 700})
    camera, source, _ = camera_for(frame(tmp_path), CameraOptions())
    assert source is CameraSource.SIDECAR and camera.K.tolist() == [
        [700, 0, 200],
        [0, 700, 150],
        [0, 0, 1],
    ]


def test_a_sidecar_of_size_alone_says_nothing_of_the_focal_length(tmp_path):
    write(tmp_path / "a.camera.json", {"width": 400, "height": 300})
    assert told(frame(tmp_path))[1] is CameraSource.DEFAULT


def test_lens_distortion_is_not_left_out_in_silence(tmp_path):
    write(tmp_path / "a.camera.json", {"K": K, "dist": [0.1, 0, 0, 0]})
    assert "distortion" in camera_for(frame(tmp_path), CameraOptions())[2]


ORDER = [  # what is there, from the strongest claim to the weakest
    (CameraOptions(focal_px=700.0), CameraSource.FOCAL),
    (CameraOptions(), CameraSource.SIDECAR),
    (CameraOptions(), CameraSource.EXIF),
    (CameraOptions(), CameraSource.DEFAULT),
]


@pytest.mark.parametrize("missing", range(4))
def test_the_strongest_claim_wins(tmp_path, missing):
    if missing < 2:
        write(tmp_path / "a.camera.json", {"K": K})
    options, source = ORDER[missing]
    assert told(frame(tmp_path, exif_focal=50 if missing < 3 else None), options)[1] is source


def test_own_file_before_the_table(tmp_path):
    write(tmp_path / "cameras.csv", "stem,fx\na,900\n")
    assert told(frame(tmp_path), options_for(tmp_path))[0] == 900
    write(tmp_path / "a.camera.json", {"fx": 500})
    assert told(frame(tmp_path), options_for(tmp_path))[0] == 500


def test_the_table_is_read_once(tmp_path):
    write(tmp_path / "cameras.csv", "stem,fx\na,900\n")
    options = options_for(tmp_path, options=CameraOptions(use_exif=False))
    (tmp_path / "cameras.csv").unlink()
    assert told(frame(tmp_path), options) == (900, CameraSource.SIDECAR) and not options.use_exif


def test_a_size_bounded_by_the_keypoints_is_said(tmp_path):
    guessed = dataclasses.replace(frame(tmp_path), size_source=SizeSource.KEYPOINTS)
    assert "no image" in camera_for(guessed, CameraOptions())[2]
    assert "no image" not in camera_for(frame(tmp_path), CameraOptions())[2]


BAD_FILES = {
    "K of another shape": {"K": [[1, 0], [0, 1]]},
    "K with a negative focal length": {"K": [[-500, 0, 1], [0, 500, 1], [0, 0, 1]]},
    "K transposed": {"K": [[500, 0, 0], [0, 510, 0], [210, 140, 1]]},
    "K with skew": {"K": [[500, 9, 1], [0, 500, 1], [0, 0, 1]]},
    "K as fractions of the image": {"K": [[1.2, 0, 0.5], [0, 1.2, 0.5], [0, 0, 1]]},
    "K with a NaN": {"K": [[math.nan, 0, 1], [0, 500, 1], [0, 0, 1]]},
    "K of an image of other proportions": {"K": K, "width": 300, "height": 400},
    "focal length in mm": {"fx": 29},
    "text for a number": {"fx": "long", "cx": 1, "cy": 1},
    "cx missing": {"fx": 500, "cy": 1},
    "cx no number": {"fx": 500, "cx": "middle", "cy": 1},
    "size below one pixel": {"fx": 500, "width": 0, "height": 5},
    "no JSON": "{",
    "empty": "",
    "a list": [1, 2],
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_camera_is_one_clear_line(tmp_path, name):
    write(tmp_path / "a.camera.json", BAD_FILES[name])
    with pytest.raises(IntrinsicsError) as error:
        camera_for(frame(tmp_path), CameraOptions())
    assert "a.camera.json" in str(error.value) and "\n" not in str(error.value)


BAD_TABLES = {
    "no header": ("a,500,510,210,140\n1,2,3,4,5\n", "stem and fx"),
    "no stem": ("stem,fx\n,500\n", "line 2"),
    "a stem twice": ("stem,fx\na,500\na.jpg,600\n", "twice"),
    "text": ("stem,fx\na,wide\n", "fx"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_is_one_clear_line(tmp_path, name):
    content, word = BAD_TABLES[name]
    write(tmp_path / "cameras.csv", content)
    with pytest.raises(IntrinsicsError, match=word) as error:
        options_for(tmp_path)
    assert "cameras.csv" in str(error.value) and "\n" not in str(error.value)


def test_a_table_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(IntrinsicsError, match="nowhere.csv"):
        options_for(tmp_path, tmp_path / "nowhere.csv")


BAD_OPTIONS = {
    "negative": ({"focal_px": -1.0}, "focal_px"),
    "NaN": ({"focal_px": math.nan}, "focal_px"),
    "no angle": ({"fov_degrees": 180.0}, "fov_degrees"),
    "zero angle": ({"fov_degrees": 0.0}, "fov_degrees"),
    "no lens": ({"focal_35mm": 0.0}, "focal_35mm"),
    "two of them": ({"focal_px": 500.0, "fov_degrees": 50.0}, "twice"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options_are_refused(name):
    with pytest.raises(IntrinsicsError, match=BAD_OPTIONS[name][1]):
        CameraOptions(**BAD_OPTIONS[name][0])


def test_millimetres_for_pixels_are_refused(tmp_path):
    with pytest.raises(IntrinsicsError, match="35 mm"):
        camera_for(frame(tmp_path), CameraOptions(focal_px=29.0))


def test_without_an_image_size_there_is_no_camera(tmp_path):
    with pytest.raises(IntrinsicsError, match="image size"):
        camera_for(Frame("a", tmp_path / "a.json"), CameraOptions())
