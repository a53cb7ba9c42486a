"""What is no file or folder of keypoints is named as what it is, with what to do about it."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from keypoint_files import write
from PIL import Image

from smplifyx.core.signatures import FileKind, kind_of, what_is
from smplifyx.readers import read_frames
from smplifyx.readers.frames import KeypointError


def saved(save) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


def tar_of(name: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return stream.getvalue()


def zip_of(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, "content")
    return stream.getvalue()


CONTENTS = {
    "a.jpg": (saved(lambda s: Image.new("RGB", (8, 8)).save(s, "JPEG")), FileKind.PHOTO),
    "a.png": (saved(lambda s: Image.new("RGB", (8, 8)).save(s, "PNG")), FileKind.PHOTO),
    "a.heic": (b"\0\0\0 ftypheic", FileKind.PHOTO),
    "a.mp4": (b"\0\0\0 ftypisom", FileKind.VIDEO),
    "a.avi": (b"RIFF\0\0\0\0AVI LIST", FileKind.VIDEO),
    "a.mkv": (b"\x1a\x45\xdf\xa3", FileKind.VIDEO),
    "a.npz": (saved(lambda s: np.savez(s, a=1)), FileKind.NPZ),
    "a.npy": (saved(lambda s: np.save(s, np.zeros(3))), FileKind.NPY),
    "a.pt": (saved(lambda s: torch.save({"a": torch.zeros(2)}, s)), FileKind.TORCH),
    "a.pkl": (pickle.dumps({"a": 1}), FileKind.PICKLE),
    "a.zip": (zip_of("a/b.json"), FileKind.ZIP),
    "a.tar": (tar_of("a.json"), FileKind.TAR),
    "a.tar.gz": (gzip.compress(tar_of("a.json")), FileKind.TAR),
    "a.xz": (b"\xfd7zXZ\0", FileKind.PACKED),
    "a.h5": (b"\x89HDF\r\n\x1a\n", FileKind.HDF5),
    "a.pdf": (b"%PDF-1.7", FileKind.PDF),
    "a.yml": (b"%YAML:1.0\n---\npose_0: !!opencv-matrix", FileKind.OPENCV_YAML),
    "pointer.json": (b"version https://git-lfs.github.com/spec/v1\noid", FileKind.LFS_POINTER),
    "login.json": (b"\n<!DOCTYPE HTML><html><title>Sign in", FileKind.WEB_PAGE),
    "photo.json": (b"\xff\xd8\xff\xe0", FileKind.PHOTO),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_is_told_by_its_first_bytes_and_refused(tmp_path: Path, name: str) -> None:
    content, kind = CONTENTS[name]
    assert kind_of(content) is kind or name in ("a.tar.gz",)
    assert what_is(content, name) == kind.value
    with pytest.raises(KeypointError) as error:
        read_frames(write(tmp_path, name, content))
    assert f"{name}: this is {kind.value}" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["pointer.json", "login.json", "photo.json"])
def test_in_a_folder_it_costs_only_itself(tmp_path: Path, name: str) -> None:
    write(tmp_path, "a_keypoints.json")
    write(tmp_path, name, CONTENTS[name][0])
    good, bad = read_frames(tmp_path)
    assert good.problem is None and f"this is {CONTENTS[name][1].value}" in bad.problem


@pytest.mark.parametrize("text", [b"", b'{"people": []}', b"[1]", b"stem,fx\na,1\n", b" {"])
def test_text_is_nothing_that_is_known(text: bytes) -> None:
    assert kind_of(text) is None


FOLDERS = {  # files -> a word of the message
    "photos": (["a.jpg", "b.jpg"], "it holds photos; smplifyx reads keypoints"),
    "a video": (["a.mp4"], "a video"),
    "nothing": ([], "it is empty"),
    "folders that have some": (["s1/a_keypoints.json"], "--recursive"),
    "body models": (["models/smplx/SMPLX_NEUTRAL.npz"], "--model"),
    "a body model": (["SMPLX_FEMALE.pkl"], "--model"),
    "results": (["summary.csv", "config.yaml", "results/a/000.npz"], "smplifyx's results"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_without_keypoints_is_named_as_what_it_is(tmp_path: Path, name: str) -> None:
    files, word = FOLDERS[name]
    for file in files:
        write(tmp_path, file)
    with pytest.raises(KeypointError, match="holds no keypoint files") as error:
        read_frames(tmp_path)
    assert word in str(error.value)


def test_results_between_the_keypoints_are_not_read(tmp_path: Path) -> None:
    write(tmp_path, "a_keypoints.json")
    for name in ("summary.csv", "config.yaml", "results/b.json"):
        write(tmp_path / "out", name)
    assert [frame.stem for frame in read_frames(tmp_path, recursive=True)] == ["a"]


def test_points_in_space_are_named(tmp_path: Path) -> None:
    points = [0.1, 1.2, 3.3, 0.9] * 25
    person = {"pose_keypoints_2d": [], "pose_keypoints_3d": points}
    write(tmp_path, "a_keypoints.json", {"version": 1.3, "people": [person, person]})
    write(tmp_path, "b.json", {"keypoints_3d": [[1, 2, 3]]})
    first, second = read_frames(tmp_path)
    assert len(first.people) == 2 and all("3D keypoints" in p.problem for p in first.people)
    assert "3D keypoints" in second.problem


def test_pipes_devices_and_broken_links_are_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a_keypoints.json")
    os.symlink("/dev/zero", tmp_path / "b_keypoints.json")
    os.symlink("nowhere", tmp_path / "c_keypoints.json")
    write(tmp_path, "d_keypoints.json")
    frames = list(read_frames(tmp_path))
    assert [frame.problem is None for frame in frames] == [False, False, False, True]
    for name in "abc":
        with pytest.raises(KeypointError, match="not a regular file"):
            read_frames(tmp_path / f"{name}_keypoints.json")


def test_a_photo_is_no_folder_of_photos(tmp_path: Path) -> None:
    write(tmp_path, "a_keypoints.json")
    with pytest.raises(KeypointError, match="--images takes the folder"):
        read_frames(tmp_path, write(tmp_path, "a.jpg", b""))
