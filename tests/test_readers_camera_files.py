"""Cameras in the spellings of other programs, and whom they are of."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from keypoint_files import write
from PIL import Image

from smplifyx.readers import read_frames
from smplifyx.readers.camera_files import read_cameras
from smplifyx.readers.camera_sidecar import IntrinsicsError, read_record
from smplifyx.readers.camera_table import EVERY
from smplifyx.readers.intrinsics import camera_and_notes, check_table, options_for

K = [[1200.0, 0.0, 640.0], [0.0, 1210.0, 360.0], [0.0, 0.0, 1.0]]
FLAT = [number for row in K for number in row]
WIDE = [[*row, 0.0] for row in K]

SPELLINGS = {
    "K": {"K": K},
    "flat": {"K": FLAT},
    "intrinsic": {"intrinsic": K},
    "intrinsics as numbers": {"intrinsics": [1200, 1210, 640, 360]},
    "intrinsics as an object": {"intrinsics": {"fx": 1200, "fy": 1210, "cx": 640, "cy": 360}},
    "intrinsic matrix": {"intrinsic matrix": K},
    "camera_matrix": {"camera_matrix": K},
    "cameraMatrix of OpenCV": {"cameraMatrix": {"rows": 3, "cols": 3, "data": FLAT}},
    "cam_K": {"cam_K": FLAT},
    "3x4": {"intrinsics": WIDE},
    "4x4": {"intrinsics": [*WIDE, [0, 0, 0, 1]]},
    "focal and princpt": {"focal": [1200, 1210], "princpt": [640, 360]},
    "focal_length and principal_point": {
        "focal_length": [1200, 1210],
        "principal_point": [640, 360],
    },
    "f and c": {"f": [1200, 1210], "c": [640, 360]},
    "fl_x": {"fl_x": 1200, "fl_y": 1210, "cx": 640, "cy": 360},
    "ppx": {"fx": 1200, "fy": 1210, "ppx": 640, "ppy": 360},
    "cam_param": {"cam_param": {"focal": [1200, 1210], "princpt": [640, 360]}, "R": [1, 2, 3]},
    "as text": {"fx": "1200", "fy": "1210", "cx": "640", "cy": "360"},
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_camera_is_read_in_any_spelling(name: str) -> None:
    np.testing.assert_array_equal(read_record(SPELLINGS[name], "here").K, K)


SIZES = {
    "resolution": {"resolution": [1280, 720]},
    "size": {"size": [1280.0, 720.0]},
    "w and h": {"w": 1280, "h": 720},
    "img_shape": {"img_shape": [720, 1280, 3]},
    "image_width": {"image_width": 1280, "image_height": 720},
}


@pytest.mark.parametrize("name", SIZES)
def test_the_size_of_a_camera_is_read_in_any_spelling(name: str) -> None:
    assert read_record({"fx": 1200, **SIZES[name]}, "here").image_size == (1280, 720)


BAD = {
    "a focal length of 400 digits": {"fx": 10**400},
    "a principal point at infinity": {"fx": 500, "cx": 1e300, "cy": 0},
    "a list for a number": {"fx": [[]]},
    "an object for a number": {"fx": {}},
    "a matrix of text": {"K": "unknown"},
    "a ragged matrix": {"K": [[1], [2, 3]]},
    "numbers that are none": {"intrinsics": [1200, None, 3, 4]},
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_camera_is_one_line(name: str) -> None:
    with pytest.raises(IntrinsicsError, match="^here: ") as error:
        read_record(BAD[name], "here")
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


OPENCV = """%YAML:1.0
---
names:
  - "00"
K_00: !!opencv-matrix
  rows: 3
  cols: 3
  dt: d
  data: [1200., 0., 640., 0., 1210., 360., 0., 0., 1.]
dist_00: !!opencv-matrix
  rows: 1
  cols: 5
  dt: d
  data: [0., 0., 0., 0., 0.]
"""
POSE2SIM = f"""[cam_01]
name = "cam_01"
size = [1280.0, 720.0]
matrix = {K}
distortions = [0.0, 0.0]
[metadata]
adjusted = false
"""
CSV = "file_name;focal_length;cx;cy\na.jpg;1200;640;360\n"
COLMAP = "# comment\n1 PINHOLE 1280 720 1200 1210 640 360\n"

FILES = {  # name, content -> names of cameras
    "OpenCV, one camera of a name": ("intri.yml", OPENCV, {EVERY}),
    "OpenCV, two": ("intri.yml", OPENCV + OPENCV.split("names")[1].split('"00"')[1].replace("_00", "_01"), {"00", "01"}),
    "OpenCV's calibration": ("c.yaml", OPENCV.replace("K_00", "camera_matrix"), {EVERY}),
    "Panoptic": ("c.json", {"cameras": [{"name": "00_00", "K": K, "resolution": [1280, 720]}, {"name": "00_01", "K": K}]}, {"00_00", "00_01"}),
    "cameras by name": ("c.json", {"cameras": {"left": {"K": K}, "right": {"K": K}}}, {"left", "right"}),
    "a list of images": ("c.json", [{"image": "a.jpg", "K": K}, {"image": "b.jpg", "fx": 500}], {"a", "b"}),
    "images of annotations": ("c.json", {"images": [{"id": 1, "file_name": "a.jpg", "cam_param": {"focal": [1200, 1210], "princpt": [640, 360]}}]}, {"a"}),
    "one, in an object": ("c.json", {"intrinsics": {"fx": 1200}, "extrinsics": {"R": [1]}}, {EVERY}),
    "one for all frames": ("transforms.json", {"fl_x": 1200, "w": 1280, "h": 720, "frames": [{"file_path": "a.jpg"}]}, {EVERY}),
    "Pose2Sim": ("Calib.toml", POSE2SIM, {EVERY}),
    "another header": ("c.csv", CSV, {"a"}),
    "COLMAP": ("cameras.txt", COLMAP, {EVERY}),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_of_cameras(tmp_path: Path, name: str) -> None:
    file, content, names = FILES[name]
    table = read_cameras(write(tmp_path, file, content))
    assert table.keys() == names
    assert all(record.K[0, 0] in (1200, 500) for record in table.values())


BAD_FILES = {  # name, content -> a word of the message
    "no camera": ("c.json", {"a": {"colour": "red"}}, "holds no camera; understood are K"),
    "no words of cameras": ("c.json", {"version": 1}, "holds no camera"),
    "another kind": ("c.xml", "<x/>", "files of the kinds .csv, .json"),
    "no YAML": ("c.yml", "%YAML:1.0\n---\nK: [", "YAML"),
    "aliases": ("c.yml", "a: &a [1, 2]\nK_0: [*a, *a]\n", "aliases"),
    "deep YAML": ("c.yml", "[" * 20_000, "YAML"),
    "no TOML": ("c.toml", "=", "TOML"),
    "COLMAP's unknown model": ("cameras.txt", "1 FOV 1 1 1\n", "FOV"),
    "binary": ("c.csv", b"\xff\xfe\x00", "CSV"),
    "numbers in a list": ("c.json", [1, 2], "objects in a list"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_of_cameras_is_one_line(tmp_path: Path, name: str) -> None:
    file, content, word = BAD_FILES[name]
    path = write(tmp_path, file, content)
    with pytest.raises(IntrinsicsError, match=word) as error:
        read_cameras(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_pipes_are_no_files_of_cameras(tmp_path: Path) -> None:
    for name in ("c.csv", "c.json", "c.yml", "c.toml", "c.txt"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(IntrinsicsError, match="not a regular file"):
            read_cameras(tmp_path / name)


def focal_and_notes(folder: Path, table: str | None = None) -> list[tuple[float, list[str]]]:
    frames = read_frames(folder / "k", folder / "i", recursive=True)
    options = options_for(folder / "k", None if table is None else folder / table)
    told = []
    for frame in frames:
        choice, notes = camera_and_notes(frame, options)
        told.append((float(choice.camera.K[0, 0]), [str(note) for note in notes]))
    if options.cameras is not None:
        told.append((0.0, [str(note) for note in options.cameras.leftovers()]))
    return told


def frame_with_photo(folder: Path, keypoints: str, photo: str) -> None:
    write(folder / "k", keypoints)
    path = folder / "i" / photo
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (300, 400)).save(path)


MEANT = {  # file of keypoints, photo, camera -> whether it is the frame's
    "its stem": ("x_keypoints.json", "x.jpg", "x", True),
    "its stem in capitals": ("x_keypoints.json", "x.jpg", "X", True),
    "its photo": ("v_000000000012_keypoints.json", "frame_12.jpg", "frame_12", True),
    "its folder": ("01/x_keypoints.json", "01/x.jpg", "01", True),
    "a name within its own": ("hd_cam2_0031.json", "hd_cam2_0031.jpg", "cam2", True),
    "a number, which frames have too": ("f_01.json", "f_01.jpg", "01", False),
    "nothing": ("x_keypoints.json", "x.jpg", "y", False),
}


@pytest.mark.parametrize("name", MEANT)
def test_whose_camera_it_is(tmp_path: Path, name: str) -> None:
    keypoints, photo, camera, is_meant = MEANT[name]
    frame_with_photo(tmp_path, keypoints, photo)
    write(tmp_path, "c.json", {camera: {"fx": 1234}, "other": {"fx": 900}})
    (focal, notes), (_, leftovers) = focal_and_notes(tmp_path, "c.json")
    assert (focal == 1234) == is_meant
    assert len(notes) == (0 if is_meant else 1)
    if is_meant:
        assert leftovers == ["cameras that match nothing: 1 of 2 in c.json; first: other"]
    else:
        assert notes[0].startswith("no camera in the table: ") and "nearest name" in notes[0]


def test_a_camera_file_that_says_nothing_is_told(tmp_path: Path) -> None:
    frame_with_photo(tmp_path, "x.json", "x.jpg")
    write(tmp_path / "k", "x.camera.json", {"lens": "wide"})
    ((focal, notes),) = focal_and_notes(tmp_path)
    assert focal == 500 and "keys: K (or intrinsics" in notes[0]
    write(tmp_path / "k", "x.camera.json", {"focal": [700, 700], "dist": [0.1]})
    ((focal, notes),) = focal_and_notes(tmp_path)
    assert focal == 700 and notes[0].startswith("lens distortion (dist) ignored")


def test_a_table_that_is_of_no_use_ends_at_once(tmp_path: Path) -> None:
    frame_with_photo(tmp_path, "frame_1.json", "frame_1.jpg")
    for names, is_useless in ((["shot_1", "shot_2"], True), (["frame_1"], False)):
        write(tmp_path, "c.json", {name: {"fx": 700} for name in names})
        options = options_for(tmp_path / "k", tmp_path / "c.json")
        frames = read_frames(tmp_path / "k", tmp_path / "i")
        if is_useless:
            with pytest.raises(IntrinsicsError, match="nearest name is 'shot_1'"):
                check_table(options, frames)
        else:
            check_table(options, frames)
    # files of many images have names that are known once they are read
    document = {"images": [{"id": 1, "file_name": "q.jpg"}], "annotations": []}
    write(tmp_path / "m", "all.json", document)
    options = options_for(tmp_path / "m", write(tmp_path, "c.json", {"other": {"fx": 700}}))
    check_table(options, read_frames(tmp_path / "m"))


def test_a_principal_point_far_from_the_image_is_refused(tmp_path: Path) -> None:
    frame_with_photo(tmp_path, "x.json", "x.jpg")
    write(tmp_path / "k", "x.camera.json", {"fx": 700, "cx": 90_000, "cy": 10})
    with pytest.raises(IntrinsicsError, match="too far from the image"):
        focal_and_notes(tmp_path)


SIDECARS = {  # content of a sidecar that costs its frame alone
    "a height of 400 digits": ("people", '[{"height": 1%s}]' % ("0" * 400)),
    "an index of 5000 digits": ("people", json.dumps({"9" * 5000: {}})),
    "nested without end": ("people", "[" * 100_000),
    "larger than a sidecar": ("people", " " * (2**24 + 1)),
}


@pytest.mark.parametrize("name", SIDECARS)
def test_a_sidecar_costs_its_frame_alone(tmp_path: Path, name: str) -> None:
    kind, content = SIDECARS[name]
    for stem in "abc":
        write(tmp_path, f"{stem}_keypoints.json")
    write(tmp_path, f"b.{kind}.json", content)
    problems = [frame.problem for frame in read_frames(tmp_path)]
    assert problems[0] is problems[2] is None
    assert f"b.{kind}.json" in problems[1] and "\n" not in problems[1] and len(problems[1]) < 1000
