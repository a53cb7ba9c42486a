"""Folders of keypoint files as they really are: damaged files, names, images, streaming."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path

import numpy as np
import pytest
from keypoint_files import GOOD, write
from PIL import Image

from smplifyx.keypoints import names
from smplifyx.parallel.prefetch import prefetch
from smplifyx.readers import read_frames
from smplifyx.readers.folder import count_files
from smplifyx.readers.frames import KeypointError, SizeSource
from smplifyx.readers.images import read_image
from smplifyx.readers.selection import Selection, confident_body_points, select

SHARED = Path(__file__).resolve().parents[1] / "../shared/data"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared photos are not in ../shared/data"
)

BAD = {  # file content -> a word of the problem
    "truncated": (json.dumps(GOOD)[:200], "not valid JSON"),
    "empty": ("", "empty"),
    "blank": (" \n", "empty"),
    "foreign": ({"frames": []}, "neither"),
    "a list of numbers": ([1, 2], "neither"),
    "an empty list": ([], "neither"),
    "people is no list": ({"people": 7}, "expected a list"),
    "binary": (b"\x00\x01\xff\xfe\x80", "not valid JSON"),
    "nested without end": ("[" * 200_000, "not valid JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_costs_only_itself(tmp_path, name):
    content, word = BAD[name]
    write(tmp_path, "a_keypoints.json")
    write(tmp_path, "b_keypoints.json", content)
    write(tmp_path, "c.json")
    frames = list(read_frames(tmp_path))
    assert [f.stem for f in frames] == ["a", "b", "c"]
    assert (
        word in frames[1].problem
        and "b_keypoints.json" in frames[1].problem
        and "\n" not in frames[1].problem
    )
    assert len(frames[0].people) == len(frames[2].people) == 1


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_byte_order_marks_do_not_matter(tmp_path, encoding):
    write(tmp_path, "a.json", json.dumps(GOOD).encode(encoding))
    (frame,) = read_frames(tmp_path)
    assert frame.problem is None and len(frame.people) == 1


@pytest.mark.parametrize("people", [[], None])
def test_a_file_without_people_is_a_frame_without_people(tmp_path, people):
    write(tmp_path, "a_keypoints.json", {"version": 1.2, "people": people})
    (frame,) = read_frames(tmp_path)
    assert (
        frame.people == ()
        and frame.problem is None
        and frame.image_size is None
        and frame.size_source is None
    )


MISSING = {
    "no such source": ("nowhere", None, "no such"),
    "no JSON": (".", None, "no keypoint files"),
    "images": ("keys", "nowhere", "no such"),
}


@pytest.mark.parametrize("name", MISSING)
def test_input_that_is_not_there_is_one_clear_line_at_once(tmp_path, name):
    source, images, word = MISSING[name]
    write(tmp_path / "keys", "a.json")
    with pytest.raises(KeypointError, match=word):
        read_frames(tmp_path / source, images and tmp_path / images)


def test_of_two_files_with_one_stem_both_are_read(tmp_path):
    write(tmp_path, "a.json")
    write(tmp_path, "a_keypoints.json", GOOD | {"people": GOOD["people"] * 2})
    first, second = read_frames(tmp_path)
    assert first.stem == "a" and len(first.people) == 2 and not first.notes
    assert second.stem == "a_a" and len(second.people) == 1 and second.problem is None
    assert [str(note) for note in second.notes] == [
        "image named twice: a was already read from a_keypoints.json"
    ]


def test_files_about_cameras_and_hidden_ones_are_not_keypoints(tmp_path):
    for name in (
        "a_keypoints.json",
        "a.camera.json",
        "cameras.json",
        "._a.json",
        "B.JSON",
        "notes.txt",
    ):
        write(tmp_path, name)
    assert (
        sorted(f.stem for f in read_frames(tmp_path)) == ["B", "a"] and count_files(tmp_path) == 2
    )


def test_subfolders_are_read_on_request_and_keep_their_relative_stem(tmp_path):
    write(tmp_path, "keys/a_keypoints.json")
    write(tmp_path, "keys/b/a_keypoints.json")
    for folder, size in ((tmp_path / "images", (30, 40)), (tmp_path / "images/b", (50, 60))):
        folder.mkdir(exist_ok=True)
        Image.new("RGB", size).save(folder / "a.png")
    frames = list(read_frames(tmp_path / "keys", tmp_path / "images", recursive=True))
    assert [(f.stem, f.image_size) for f in frames] == [("a", (30, 40)), ("b/a", (50, 60))]
    assert [f.stem for f in read_frames(tmp_path / "keys")] == ["a"]


NAMES = {  # a file name inside a document -> the stem of the results
    "../../etc/x.jpg": "etc/x", "/etc/x.jpg": "etc/x", "..\\..\\x.png": "x", "C:\\a\\x.jpg": "C_/a/x", "..": "unnamed",
    "val2017/7.jpg": "val2017/7", "a\0b.jpg": "a_b", "x.v2": "x.v2",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_documents_cannot_name_places_outside(tmp_path, name):
    write(tmp_path, "z.json", {"images": [{"id": 1, "file_name": name}], "annotations": []})
    assert [f.stem for f in read_frames(tmp_path)] == [NAMES[name]]


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".webp", ".bmp", ".Jpg"])
@pytest.mark.parametrize("beside", [True, False])
def test_images_are_found_by_stem_in_any_case(tmp_path, suffix, beside):
    write(tmp_path / "keys", "Photo_keypoints.json")
    folder = tmp_path / ("keys" if beside else "images")
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (64, 48)).save(folder / f"Photo{suffix}")
    (frame,) = read_frames(tmp_path / "keys", None if beside else folder)
    assert (
        frame.image.suffix == suffix
        and frame.image_size == (64, 48)
        and frame.size_source is SizeSource.IMAGE
    )


@pytest.mark.parametrize("content", [b"not an image", b""])
def test_a_broken_image_is_a_note_not_an_end(tmp_path, content):
    write(tmp_path, "a_keypoints.json")
    (tmp_path / "a.jpg").write_bytes(content)
    (frame,) = read_frames(tmp_path)
    assert frame.image is None and frame.size_source is SizeSource.KEYPOINTS
    assert any("not a readable image" in str(n) for n in frame.notes)
    with pytest.raises(KeypointError, match="a.jpg: not a readable image"):
        read_image(tmp_path / "a.jpg")


def _most_alive(folder: Path, depth: int) -> int:
    """The largest number of frames of a folder that live at once while they are read and dropped
    one by one.
    """
    alive, most = weakref.WeakSet(), 0

    def watched():
        for frame in read_frames(folder):
            alive.add(frame)
            yield frame
            del frame

    for frame in prefetch(watched(), depth):
        del frame
        gc.collect(0)
        most = max(most, len(alive))
    return most


@pytest.mark.parametrize("files", [20, 200])
def test_many_files_keep_no_more_frames_alive_than_few(tmp_path, files):
    for i in range(files):
        write(tmp_path, f"{i:04d}_keypoints.json")
    assert 1 <= _most_alive(tmp_path, depth=3) <= 3 + 3


@needs_shared
def test_the_real_photos():
    frames = list(
        read_frames(SHARED / "photos_openpose/keypoints", SHARED / "photos_openpose/images")
    )
    people = [p for f in frames for p in f.people]
    confident = confident_body_points(np.stack([p.keypoints for p in people]))
    assert (len(frames), len(people), int((confident >= 8).sum())) == (20, 59, 49)
    assert all(
        f.size_source is SizeSource.IMAGE and f.problem is None and not f.notes for f in frames
    )
    assert sum(len(select(f.people, Selection())[0]) for f in frames) == 58  # one has two points


EDGES = {"openpose_v12_no_hands": (8, 8), "no_version_face68": (2, 2),
         "coco_wholebody/test_coco_wholebody.json": (4, 14), "coco_wholebody/test_halpe.json": (4, 14)}  # fmt: skip


@needs_shared
@pytest.mark.parametrize("path", EDGES)
def test_the_edge_cases(path):
    frames = list(read_frames(SHARED / "edge_cases" / path))
    assert (len(frames), sum(len(f.people) for f in frames)) == EDGES[path]
    assert all(f.problem is None and p.problem is None for f in frames for p in f.people)
    assert any((p.keypoints[names.BODY, 2] > 0).sum() > 15 for f in frames for p in f.people)
