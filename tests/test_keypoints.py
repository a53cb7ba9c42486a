"""Keypoint files as they really come: layouts, damaged input, names, images, streaming."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smplifyx.keypoints import Keypoints, names, read_frames
from smplifyx.keypoints.layouts import LAYOUTS, LayoutName, to_canonical, trust
from smplifyx.keypoints.people import KeypointError, Person, SizeSource
from smplifyx.keypoints.reading import count_frames, image_size, prefetch, read_image
from smplifyx.keypoints.selection import Selection, select

SHARED = Path(__file__).resolve().parents[1] / "../shared/data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photos are not in ../shared/data")


def flat(count: int, confidence: float = 0.9) -> list[float]:
    """`count` points, each somewhere else."""
    return [value for i in range(count) for value in (100.0 + i, 200.0 + 2 * i, confidence)]


def openpose(**parts: object) -> dict[str, object]:
    """An OpenPose document of one person."""
    return {"version": 1.3, "people": [{f"{key}_2d": value for key, value in parts.items()}]}


def write(folder: Path, name: str, document: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


BODY, HAND, FACE = "pose_keypoints", "hand_left_keypoints", "face_keypoints"
GOOD = {  # parts of one person -> seen points of body, left hand, right hand, face
    "everything": ({BODY: flat(25), HAND: flat(21), "hand_right_keypoints": flat(21), FACE: flat(70)}, (25, 21, 21, 70)),
    "face of 68": ({BODY: flat(25), FACE: flat(68)}, (25, 0, 0, 68)),
    "COCO-18 body": ({BODY: flat(18)}, (19, 0, 0, 0)),  # the middle hip is made of the hips
    "COCO-19 body": ({BODY: flat(19)}, (19, 0, 0, 0)),
    "empty parts": ({BODY: flat(25), HAND: [], FACE: []}, (25, 0, 0, 0)),
    "zero parts": ({BODY: flat(25), HAND: [0] * 63, FACE: [0.0] * 210}, (25, 0, 0, 0)),
    "null part": ({BODY: flat(25), HAND: None}, (25, 0, 0, 0)),
    "no body": ({FACE: flat(70)}, (0, 0, 0, 70)),
    "wrong length": ({BODY: flat(25), HAND: flat(20)}, (25, 0, 0, 0)),
    "NaN point": ({BODY: flat(24) + [float("nan"), 1.0, 0.5]}, (24, 0, 0, 0)),
    "infinite point": ({BODY: flat(24) + [float("inf"), 1.0, 0.5]}, (24, 0, 0, 0)),
    "text for a number": ({BODY: flat(24) + ["x", 1.0, 0.5]}, (24, 0, 0, 0)),
    "negative confidence": ({BODY: flat(24) + [5.0, 1.0, -0.5]}, (24, 0, 0, 0)),
}


@pytest.mark.parametrize("name", GOOD)
def test_openpose_people_as_they_come(tmp_path, name):
    parts, expected = GOOD[name]
    write(tmp_path, "a_keypoints.json", openpose(**parts))
    (frame,) = read_frames(tmp_path)
    keypoints = frame.people[0].keypoints
    assert frame.stem == "a" and frame.problem is None and frame.people[0].problem is None
    assert tuple(int((keypoints[part, 2] > 0).sum()) for part in names.PARTS.values()) == expected
    assert np.isfinite(keypoints).all()


BAD = {  # file content -> a word of the problem
    "truncated": ('{"version": 1.3, "people": [{"pose_key', "not JSON"),
    "empty": ("", "not JSON"),
    "foreign": ({"frames": []}, "neither"),
    "a list of numbers": ([1, 2], "neither"),
    "people is no list": ({"people": 7}, "expected a list"),
    "binary": ("\x00\x01\x02", "not JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_costs_only_itself(tmp_path, name):
    content, word = BAD[name]
    write(tmp_path, "a_keypoints.json", openpose(**{BODY: flat(25)}))
    write(tmp_path, "b_keypoints.json", content)
    write(tmp_path, "c.json", openpose(**{BODY: flat(25)}))
    frames = list(read_frames(tmp_path))
    assert [f.stem for f in frames] == ["a", "b", "c"]
    assert word in frames[1].problem and "\n" not in frames[1].problem
    assert len(frames[0].people) == len(frames[2].people) == 1


PEOPLE = {  # one entry of `people` -> a word of its problem
    "a number": (3, "expected an object"),
    "no known key": ({"pose": []}, "none of the keys"),
    "only a part of wrong length": ({"pose_keypoints_2d": [1, 2, 3]}, "75"),
    "fractions of the image": ({"pose_keypoints_2d": [0.5, 0.4, 0.9] * 25}, "pixels"),
}


@pytest.mark.parametrize("name", PEOPLE)
def test_a_bad_person_costs_only_themselves(tmp_path, name):
    entry, word = PEOPLE[name]
    good = openpose(**{BODY: flat(25)})["people"][0]
    write(tmp_path, "a.json", {"people": [good, entry, good]})
    (frame,) = read_frames(tmp_path)
    assert [p.problem is None for p in frame.people] == [True, False, True]
    assert word in frame.people[1].problem and not frame.people[1].keypoints.any()


def test_a_file_without_people_is_a_frame_without_people(tmp_path):
    write(tmp_path, "a_keypoints.json", {"version": 1.2, "people": []})
    (frame,) = read_frames(tmp_path)
    assert frame.people == () and frame.problem is None


@pytest.mark.parametrize("layout", list(LayoutName))
def test_layouts_put_every_point_where_its_name_says(layout):
    table = LAYOUTS[layout]
    points = np.stack([np.arange(table.points), 1000.0 + np.arange(table.points), np.full(table.points, 0.9)], -1)
    canonical = to_canonical(points, layout)
    source = np.asarray(table.source)
    copied = source >= 0
    assert (canonical[copied, 0] == source[copied]).all()
    made = {names.POINT_NAMES[i] for i in np.flatnonzero(canonical[:, 2])}
    assert made == set(table.present)
    assert ((trust(layout) > 0) & (trust(layout) <= 1)).all()


@pytest.mark.parametrize("layout", [LayoutName.COCO_17, LayoutName.COCO_WHOLEBODY_133, LayoutName.HALPE_136])
def test_left_and_right_are_kept_apart(layout):
    source = LAYOUTS[layout].source
    pairs = [(n, n.replace("left", "right")) for n in names.BODY_NAMES if n.startswith("left")]
    indices = [source[names.POINT_INDEX[n]] for pair in pairs for n in pair if source[names.POINT_INDEX[n]] >= 0]
    assert len(set(indices)) == len(indices)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".webp", ".bmp", ".Jpg"])
def test_images_are_found_by_stem_in_any_case(tmp_path, suffix):
    write(tmp_path / "keys", "Photo_keypoints.json", openpose(**{BODY: flat(25)}))
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, 48)).save(tmp_path / "images" / f"Photo{suffix}")
    (frame,) = read_frames(tmp_path / "keys", tmp_path / "images")
    assert frame.image.suffix == suffix and frame.image_size == (64, 48) and frame.size_source is SizeSource.IMAGE


def test_a_turned_photo_has_the_size_and_pixels_of_the_upright_one(tmp_path):
    path, pixels = tmp_path / "a.png", np.zeros((40, 60, 3), np.uint8)
    pixels[:, :10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # stored rows are the upright image's columns
    Image.fromarray(pixels).save(path, exif=exif)
    assert image_size(path) == (40, 60)
    upright = read_image(path)
    assert upright.shape == (60, 40, 3) and upright[:10].min() == 255 and upright[20:].max() == 0


SIZES = {
    "in the document": ({"image_size": [640, 480]}, None, (640, 480), SizeSource.SIDECAR),
    "beside it": ({}, {"width": 320, "height": 200, "fx": 1, "cx": 1, "cy": 1}, (320, 200), SizeSource.SIDECAR),
    "bounded by the points": ({}, None, (124, 248), SizeSource.KEYPOINTS),
}


@pytest.mark.parametrize("name", SIZES)
def test_without_an_image_the_size_comes_from_elsewhere(tmp_path, name):
    extra, camera, size, source = SIZES[name]
    write(tmp_path, "a_keypoints.json", openpose(**{BODY: flat(25)}) | extra)
    if camera:
        write(tmp_path, "a.camera.json", camera)
    (frame,) = read_frames(tmp_path)
    assert frame.image_size == size and frame.size_source is source


def test_a_broken_image_is_a_note_not_an_end(tmp_path):
    write(tmp_path, "a_keypoints.json", openpose(**{BODY: flat(25)}))
    (tmp_path / "a.jpg").write_bytes(b"not an image")
    (frame,) = read_frames(tmp_path)
    assert frame.image is None and len(frame.people) == 1 and any("not a readable image" in n for n in frame.notes)
    with pytest.raises(KeypointError, match="not a readable image"):
        read_image(tmp_path / "a.jpg")


MISSING = {"no such folder": "nowhere", "a folder without JSON": "."}


@pytest.mark.parametrize("name", MISSING)
def test_input_that_is_not_there_is_one_clear_line(tmp_path, name):
    with pytest.raises(KeypointError, match="no such|no keypoint files"):
        read_frames(tmp_path / MISSING[name])


def test_subfolders_keep_their_relative_stem_and_documents_cannot_leave_it(tmp_path):
    write(tmp_path, "b/c_keypoints.json", openpose(**{BODY: flat(25)}))
    evil = {"images": [{"id": 1, "file_name": "../../etc/x.jpg"}], "annotations": [{"image_id": 1, "keypoints": flat(17)}]}
    write(tmp_path, "z.json", evil)
    assert [f.stem for f in read_frames(tmp_path)] == ["b/c", "etc/x"]


def test_wholebody_annotations(tmp_path):
    person = {"image_id": 1, "keypoints": flat(17, 2), "foot_kpts": flat(6, 2), "face_kpts": flat(68, 1),
              "lefthand_kpts": flat(21, 0), "righthand_kpts": flat(21, 2)}  # fmt: skip
    images = [{"id": 1, "file_name": "x.jpg", "width": 640, "height": 480}, {"id": 2, "file_name": "empty.jpg"}]
    write(tmp_path, "a.json", {"images": images, "annotations": [person, {"image_id": 1, "keypoints": [1, 2]}]})
    first, empty = read_frames(tmp_path)
    assert count_frames(tmp_path) == 2 and first.image_size == (640, 480) and empty.people == ()
    seen = first.people[0].keypoints[:, 2]
    assert [int((seen[part] > 0).sum()) for part in names.PARTS.values()] == [25, 0, 21, 68]
    assert seen[names.FACE][0] == 0.5 and seen[0] == 1.0  # labelled but hidden counts half
    assert first.people[1].problem is not None


def test_reading_runs_ahead_by_no_more_than_its_depth_and_stops_with_its_consumer():
    made = []

    def items():
        for i in range(1000):
            made.append(i)
            yield i

    stream = prefetch(items(), depth=4)
    assert list(islice(stream, 3)) == [0, 1, 2]
    stream.close()
    assert len(made) <= 3 + 4 + 2


def test_an_error_while_reading_ahead_reaches_the_consumer():
    def items():
        yield 1
        raise OSError("the disk is gone")

    stream = prefetch(items())
    assert next(stream) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)


def person(index: int, count: int, size: float) -> Person:
    keypoints = np.zeros((names.COUNT, 3), np.float32)
    keypoints[:count] = (0.0, 0.0, 0.9)
    keypoints[0, :2] = (size, 0.0)
    return Person(index, keypoints)


RULES = {
    "everyone who can be fitted": (Selection(), {3}),
    "enough points": (Selection(min_points=10), {2, 3}),
    "large enough": (Selection(min_size=90), {1, 3}),
    "the largest": (Selection(largest=1), {0, 1, 3}),
}


@pytest.mark.parametrize("name", RULES)
def test_people_are_chosen_and_the_others_get_a_reason(name):
    rules, left_out = RULES[name]
    people = [person(0, 20, 100), person(1, 20, 50), person(2, 8, 300), person(3, 2, 500)]
    reasons = select(people, rules)
    assert set(reasons) == left_out and all(reasons.values())


def test_arrays_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="137"):
        Keypoints.from_array(np.zeros((2, 25, 3)))


@needs_shared
def test_the_real_photos():
    frames = list(read_frames(SHARED / "photos_openpose/keypoints", SHARED / "photos_openpose/images"))
    people = [p for f in frames for p in f.people]
    confident = [int((p.keypoints[names.BODY, 2] >= 0.3).sum()) for p in people]
    assert (len(frames), len(people), sum(c >= 8 for c in confident)) == (20, 59, 49)
    assert all(f.size_source is SizeSource.IMAGE and f.problem is None for f in frames)


@needs_shared
@pytest.mark.parametrize("folder, files", [("openpose_v12_no_hands", 8), ("no_version_face68", 2), ("coco_wholebody", 8)])
def test_the_edge_cases(folder, files):
    frames = list(read_frames(SHARED / "edge_cases" / folder))
    assert len(frames) == files and all(f.problem is None for f in frames)
    assert any((p.keypoints[:, 2] > 0).sum() > 15 for f in frames for p in f.people)
