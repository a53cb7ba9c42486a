"""Calibrations of several cameras, as each program writes them, and as nobody should."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from smplifyx.readers.calibrations import read_calibration
from smplifyx.readers.camera_sidecar import IntrinsicsError

K = [[1600.0, 0.0, 540.0], [0.0, 1610.0, 960.0], [0.0, 0.0, 1.0]]
VECTORS = ([1.6, 1.0, -0.4], [0.8, -2.1, 1.3])
PLACES = ([0.3, 0.9, 2.9], [-0.8, 0.3, 4.3])
DIST = [-0.1, 0.02, 0.001, -0.002, 0.003]
NAMES = ("left", "right_2")
TURNS = [Rotation.from_rotvec(vector).as_matrix() for vector in VECTORS]


def opencv_matrix(values: object) -> str:
    array = np.array(values, dtype=float)
    if array.ndim == 1:
        array = array[:, None]
    rows, columns = array.shape
    data = ", ".join(repr(float(value)) for value in array.ravel())
    return f"!!opencv-matrix\n  rows: {rows}\n  cols: {columns}\n  dt: d\n  data: [ {data} ]"


def cameras_json(folder: Path) -> Path:
    cameras = []
    for name, turn, place in zip(NAMES, TURNS, PLACES, strict=True):
        cameras.append(
            {"name": name, "K": K, "R": turn.tolist(), "t": place, "distortion": DIST,
             "width": 1080, "height": 1920}
        )  # fmt: skip
    path = folder / "cameras.json"
    path.write_text(json.dumps({"cameras": cameras}))
    return path


def cameras_by_name(folder: Path) -> Path:
    """In millimetres, and with rotation vectors."""
    cameras = {
        name: {"K": K, "rotation": vector, "translation": [1000 * x for x in place],
               "distortion": DIST, "image_size": [1080, 1920]}
        for name, vector, place in zip(NAMES, VECTORS, PLACES, strict=True)
    }  # fmt: skip
    path = folder / "rig.json"
    path.write_text(json.dumps({"unit": "mm", "cameras": cameras}))
    return path


def pose2sim(folder: Path) -> Path:
    text = ""
    for name, vector, place in zip(NAMES, VECTORS, PLACES, strict=True):
        text += (
            f'[{name}]\nname = "{name}"\nsize = [ 1080.0, 1920.0]\nmatrix = {K}\n'
            f"distortions = {DIST}\nrotation = {vector}\ntranslation = {place}\nfisheye = false\n\n"
        )
    path = folder / "Calib_qualisys.toml"
    path.write_text(text + "[metadata]\nadjusted = false\nerror = 0.0\n")
    return path


def easymocap(folder: Path) -> Path:
    names = "names:\n" + "".join(f'  - "{name}"\n' for name in NAMES)
    intri = f"%YAML:1.0\n---\n{names}"
    extri = f"%YAML:1.0\n---\n{names}"
    for name, vector, turn, place in zip(NAMES, VECTORS, TURNS, PLACES, strict=True):
        intri += f"K_{name}: {opencv_matrix(K)}\ndist_{name}: {opencv_matrix([DIST])}\n"
        intri += f"H_{name}: 1920\nW_{name}: 1080\n"
        extri += f"R_{name}: {opencv_matrix(vector)}\nRot_{name}: {opencv_matrix(turn)}\n"
        extri += f"T_{name}: {opencv_matrix(place)}\n"
    (folder / "intri.yml").write_text(intri)
    (folder / "extri.yml").write_text(extri)
    return folder


def easymocap_by_file(folder: Path) -> Path:
    return easymocap(folder) / "intri.yml"


def opencv(folder: Path) -> Path:
    """A node for each camera."""
    text = "%YAML:1.0\n---\n"
    for name, turn, place in zip(NAMES, TURNS, PLACES, strict=True):
        nodes = {"K": K, "dist": [DIST], "R": turn, "T": place}
        text += f"{name}:\n"
        for key, value in nodes.items():
            text += f"   {key}: {opencv_matrix(value)}\n".replace("\n  ", "\n      ")
        text += "   image_size: [1080, 1920]\n"
    path = folder / "stereo.yml"
    path.write_text(text)
    return path


def opencv_folder(folder: Path) -> Path:
    """A file for each camera."""
    for name, turn, place in zip(NAMES, TURNS, PLACES, strict=True):
        text = f"%YAML:1.0\n---\ncamera_matrix: {opencv_matrix(K)}\n"
        text += f"distortion_coefficients: {opencv_matrix([DIST])}\nR: {opencv_matrix(turn)}\n"
        text += f"T: {opencv_matrix(place)}\nimage_width: 1080\nimage_height: 1920\n"
        (folder / f"{name}.yml").write_text(text)
    return folder


def panoptic(folder: Path) -> Path:
    """In centimetres."""
    cameras = []
    for node, (name, turn, place) in enumerate(zip(NAMES, TURNS, PLACES, strict=True)):
        cameras.append(
            {"name": name, "type": "hd", "resolution": [1080, 1920], "panel": 0, "node": node,
             "K": K, "distCoef": DIST, "R": turn.tolist(), "t": [[100 * x] for x in place]}
        )  # fmt: skip
    path = folder / "calibration_160422_ultimatum1.json"
    path.write_text(json.dumps({"calibDataSource": "160422_calib_norm", "cameras": cameras}))
    return path


FORMATS = [
    *(cameras_json, cameras_by_name, pose2sim, easymocap, easymocap_by_file),
    *(opencv, opencv_folder, panoptic),
]


@pytest.mark.parametrize("write", FORMATS)
def test_each_format_tells_the_same_cameras(write, tmp_path):
    found = read_calibration(write(tmp_path))
    assert tuple(camera.name for camera in found) == NAMES
    for camera, turn, place in zip(found, TURNS, PLACES, strict=True):
        np.testing.assert_allclose(camera.K, K)
        np.testing.assert_allclose(camera.distortion, DIST)
        np.testing.assert_allclose(camera.rotation, turn, atol=1e-6)
        np.testing.assert_allclose(camera.translation, place, atol=1e-9)
        assert camera.image_size == (1080, 1920)
        np.testing.assert_allclose(
            camera.rotation @ camera.center + camera.translation, 0, atol=1e-9
        )


def changed(folder: Path, **values: object) -> Path:
    """cameras.json with other values of its second camera; None takes one out."""
    path = cameras_json(folder)
    document = json.loads(path.read_text())
    for key, value in values.items():
        document["cameras"][1][key] = value
        if value is None:
            del document["cameras"][1][key]
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    "values, message",
    [
        ({"R": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}, "R is no rotation"),
        ({"R": [[2, 0, 0], [0, 2, 0], [0, 0, 2]]}, "R is no rotation"),
        ({"R": [1, 2]}, "R should be 3x3 numbers or a rotation vector"),
        ({"R": [100, 2, 3]}, "in radians"),
        ({"R": [[1, 0, 0], [0, float("nan"), 0], [0, 0, 1]]}, "R should be 3x3"),
        ({"R": None}, "R should be"),
        ({"t": [1, 2]}, "t should be 3 numbers"),
        ({"t": None}, "t should be"),
        ({"t": ["a", 2, 3]}, "t should be 3 numbers"),
        ({"t": [300.0, 90.0, 290.0]}, "another unit?"),
        ({"t": [1e400, 0, 0]}, "t should be 3 numbers"),
        ({"K": None}, "has no K"),
        ({"K": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}, "fx should be 10..1e6 pixels"),
        ({"distortion": [0.1] * 15}, "distortion should be 4 or 5 or 8 or 12 or 14 numbers"),
        ({"distortion": [1e9]}, "distortion should be"),
        ({"distortion": "strong"}, "distortion should be"),
        ({"fisheye": True}, "distortion should be 4 numbers"),
        ({"name": "left"}, "camera 'left' appears twice"),
    ],
    ids=str,
)
def test_what_no_camera_has_is_one_line(values, message, tmp_path):
    path = changed(tmp_path, **values)
    with pytest.raises(IntrinsicsError) as error:
        read_calibration(path)
    assert str(error.value).startswith(f"{path}: camera ") and "\n" not in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("cameras.json", "[]", "0 cameras with a place"),
        ("cameras.json", "5", "0 cameras with a place"),
        ("cameras.json", '{"cameras": []}', "0 cameras with a place"),
        ("cameras.json", '{"cameras": [[1]]}', "0 cameras with a place"),
        ("cameras.json", "{", "not readable as JSON"),
        ("cameras.json", '{"unit": "feet", "cameras": []}', "unit should be one of m, cm, mm"),
        ("cameras.json", "[" * 100_000, "not readable as JSON"),
        ("cameras.yml", "a: &a [1]\nb: *a\n", "no aliases"),
        ("cameras.yml", "- !!python/object/apply:os.system [ls]\n", "not readable as YAML"),
        ("cameras.toml", "= 5", "not readable as TOML"),
        ("cameras.mat", "", "cameras are read from files of the kinds"),
    ],
)
def test_hostile_files_are_one_line(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(IntrinsicsError) as error:
        read_calibration(path)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_camera_alone_is_no_calibration(tmp_path):
    path = cameras_json(tmp_path)
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document["cameras"][:1]))
    with pytest.raises(IntrinsicsError, match="1 cameras with a place"):
        read_calibration(path)
    with pytest.raises(IntrinsicsError, match=r"neither intri.yml and extri.yml"):
        read_calibration(tmp_path)


def test_without_distortion_or_principal_point_there_are_defaults(tmp_path):
    path = changed(tmp_path, distortion=None, K=None, fx=1500.0)
    camera = read_calibration(path)[1]
    assert camera.distortion.tolist() == [0.0] * 5
    assert camera.K[:2, 2].tolist() == [540.0, 960.0]
