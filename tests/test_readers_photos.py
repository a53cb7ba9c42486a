"""Which photo belongs to keypoints, whatever programs made of the names; what is told of the rest."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from keypoint_files import write
from PIL import Image

from smplifyx.readers import read_frames
from smplifyx.readers.likeness import NearestNames


def photo(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 400)).save(path)


def annotations(*names: str) -> dict[str, object]:
    return {
        "images": [{"id": place, "file_name": name} for place, name in enumerate(names)],
        "annotations": [
            {"image_id": place, "keypoints": [100, 200, 2] * 17} for place in range(len(names))
        ],
    }


def found(folder: Path, recursive: bool = False) -> dict[str, str | None]:
    frames = read_frames(folder / "k", folder / "i", recursive)
    return {
        frame.stem: None
        if frame.image is None
        else frame.image.relative_to(folder / "i").as_posix()
        for frame in frames
    }


ALIKE = {  # file of keypoints -> photo
    "photo_openpose.json": "photo.jpg",
    "b.jpg.json": "b.jpg",
    "b.JPG_keypoints.json": "b.jpg",
    "x.png.predictions.json": "x.png",
    "01_2Djnt.json": "01_img.png",
    "x_rendered.json": "x.png",
    "Photo-keypoints.json": "photo.JPG",
    "x_alphapose_results.json": "x.webp",
    "c_keypoints.json": "c.tif",
    "d_keypoints.json": "d.gif",
    "e_keypoints.json": "e.jfif",
    "video_000000000012_keypoints.json": "000012.jpg",
    "clip_000000000007_keypoints.json": "frame_7.png",
    "7_keypoints.json": "video_0007.jpg",
    "frame7.json": "frame_0007.jpg",
    unicodedata.normalize("NFC", "café_keypoints.json"): unicodedata.normalize("NFD", "café.jpg"),
    unicodedata.normalize("NFD", "Café.json"): unicodedata.normalize("NFC", "CAFÉ.jpg"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_a_photo_is_found_by_what_its_name_means(tmp_path: Path, name: str) -> None:
    write(tmp_path / "k", name)
    photo(tmp_path / "i", ALIKE[name], "another.jpg")
    assert list(found(tmp_path).values()) == [ALIKE[name]]


NEVER_GUESSED = {  # files of keypoints, photos
    "one off": (["v_0.json", "v_1.json"], ["1.jpg", "2.jpg"]),
    "two cameras": (["IMG_0012.json"], ["DSC_0012.jpg"]),
    "two of one number": (["v_12.json"], ["12.jpg", "0012.jpg"]),
    "two series": (["v_12.json"], ["12.jpg", "frame12.jpg"]),
    "two letter cases": (["ab.json"], ["Ab.jpg", "aB.jpg"]),
    "two videos": (["u_1.json", "v_1.json"], ["1.jpg"]),
}


@pytest.mark.parametrize("name", NEVER_GUESSED)
def test_what_is_not_certain_is_told_and_not_taken(tmp_path: Path, name: str) -> None:
    keypoints, photos = NEVER_GUESSED[name]
    for file in keypoints:
        write(tmp_path / "k", file)
    photo(tmp_path / "i", *photos)
    frames = list(read_frames(tmp_path / "k", tmp_path / "i"))
    assert all(frame.image is None for frame in frames)
    assert all([note.about for note in frame.notes] == ["no photo"] for frame in frames)


def test_an_exact_name_goes_before_what_it_may_mean(tmp_path: Path) -> None:
    write(tmp_path / "k", "x_pose_keypoints.json")
    write(tmp_path / "k", "A_keypoints.json")
    photo(tmp_path / "i", "x.jpg", "x_pose.jpg", "a.jpg", "A.png")
    assert found(tmp_path) == {"A": "A.png", "x_pose": "x_pose.jpg"}


TAILS = {  # name in the annotations, photos -> photo
    "DataSet/images/train/x.jpg": (["x.jpg"], "x.jpg"),
    "data/train/x.jpg": (["train/x.jpg", "x.jpg"], "train/x.jpg"),
    "C:\\photos\\train\\x.jpg": (["x.jpg"], "x.jpg"),
    "/abs/olute/X.JPG": (["x.jpg"], "x.jpg"),
    "x.png": (["x.jpg", "x.png"], "x.png"),
    "other/x.jpg": (["a/x.jpg", "b/x.jpg"], None),
    "a/train/x.jpg": (["a/x.jpg", "b/train/x.jpg"], "b/train/x.jpg"),
}


@pytest.mark.parametrize("name", TAILS)
def test_of_a_path_in_annotations_the_longest_tail_counts(tmp_path: Path, name: str) -> None:
    photos, expected = TAILS[name]
    write(tmp_path / "k", "anno.json", annotations(name))
    photo(tmp_path / "i", *photos)
    assert list(found(tmp_path, recursive=True).values()) == [expected]


def test_one_photo_is_not_the_tail_of_two_names(tmp_path: Path) -> None:
    write(tmp_path / "k", "anno.json", annotations("cam1/0.jpg", "cam2/0.jpg"))
    photo(tmp_path / "i", "0.jpg")
    assert found(tmp_path) == {"cam1/0": "0.jpg", "cam2/0": None}


def test_cameras_that_name_the_same_images_are_all_read(tmp_path: Path) -> None:
    for camera in ("cam1", "cam2"):
        write(tmp_path / "k", f"{camera}/results.json", annotations("0.jpg", "1.jpg"))
        photo(tmp_path / "i", f"{camera}/0.jpg", f"{camera}/1.jpg")
    stems = ["cam1/0", "cam1/1", "cam2/0", "cam2/1"]
    assert found(tmp_path, recursive=True) == {stem: f"{stem}.jpg" for stem in stems}
    # one folder: a stem of its own, with a note, for whoever comes second
    for camera in ("cam1", "cam2"):
        write(tmp_path / "flat", f"{camera}.json", annotations("0.jpg"))
    first, second = read_frames(tmp_path / "flat")
    assert (first.stem, second.stem) == ("0", "0_cam2") and len(second.people) == 1
    assert [note.about for note in second.notes] == ["image named twice"]


def test_what_is_missing_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    for name in ("holiday1", "beach"):
        write(tmp_path / "k", f"{name}_keypoints.json")
    photo(tmp_path / "i", "holidays.jpg", "beach.jpg")
    (tmp_path / "i" / "raw.dng").write_bytes(b"raw")
    frames = read_frames(tmp_path / "k", tmp_path / "i")
    assert [[str(note) for note in frame.notes] for frame in frames] == [
        [],
        ["no photo: none is called holiday1; nearest name: holidays.jpg"],
    ]
    assert {note.about: note.detail for note in frames.leftovers} == {
        "photos that belong to no keypoints": "1 of 2; first: holidays.jpg (nearest keypoints: holiday1)",
        "pictures of other kinds passed over": "1; first: raw.dng",
    }


def test_without_a_folder_of_images_nothing_is_missed(tmp_path: Path) -> None:
    write(tmp_path, "a_keypoints.json")
    photo(tmp_path, "b.jpg")
    frames = read_frames(tmp_path)
    assert [frame.notes for frame in frames] == [()] and frames.leftovers == ()


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    write(tmp_path / "real", "a_keypoints.json")
    photo(tmp_path / "photos", "a.jpg")
    for folder, target in (("k", "real"), ("i", "photos")):
        (tmp_path / folder).mkdir()
        os.symlink(tmp_path / target, tmp_path / folder / "s1")
        os.symlink(tmp_path / folder, tmp_path / folder / "s2")
    assert found(tmp_path, recursive=True) == {"s1/a": "s1/a.jpg"}


def test_folders_that_double_at_every_link_end(tmp_path: Path) -> None:
    for depth in range(12):
        (tmp_path / f"{depth}").mkdir()
    for depth in range(11):
        for side in "lr":
            os.symlink(tmp_path / f"{depth + 1}", tmp_path / f"{depth}" / side)
    write(tmp_path / "11", "a.json")
    assert 1 <= len(list(read_frames(tmp_path / "0", recursive=True))) <= 8


def test_the_layout_of_2019_is_read_with_its_photos(tmp_path: Path) -> None:
    write(tmp_path / "data", "keypoints/a_keypoints.json")
    photo(tmp_path / "data", "images/a.jpg")
    for recursive in (False, True):
        frames = read_frames(tmp_path / "data", recursive=recursive)
        (frame,) = frames
        assert frame.stem == "a" and frame.image == tmp_path / "data/images/a.jpg"
        assert [note.about for note in frames.leftovers] == ["folder of the 2019 layout"]


NAMES = {
    "a lone surrogate": "a\ud800b.jpg",
    "longer than a file system takes": "b" * 300 + ".jpg",
    "200 KB": "c" * 200_000,
    "many folders": "d/" * 5000 + "x.jpg",
    "nothing": " ",
    "a NUL": "e\0.jpg",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_costs_nobody_anything(tmp_path: Path, name: str) -> None:
    write(tmp_path / "k", "anno.json", annotations("a.jpg", NAMES[name], "z.jpg"))
    photo(tmp_path / "i", "a.jpg")
    first, odd, last = read_frames(tmp_path / "k", tmp_path / "i")
    assert (first.stem, last.stem) == ("a", "z")
    assert all(len(frame.people) == 1 and frame.problem is None for frame in (first, odd, last))
    odd.stem.encode()
    assert len(odd.stem) < 4000 and all(len(part) <= 240 for part in odd.stem.split("/"))


def test_a_file_name_that_is_no_text_costs_only_itself(tmp_path: Path) -> None:
    write(tmp_path, "a_keypoints.json")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff_keypoints.json")).write_text("{")
    write(tmp_path, "n" * 245 + ".json")
    first, bad, longest = read_frames(tmp_path)
    assert first.problem is longest.problem is None and longest.people
    bad.problem.encode()
    bad.stem.encode()


def test_whatever_one_image_raises_costs_that_image(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path, "anno.json", annotations("a.jpg", "b.jpg", "c.jpg"))
    from smplifyx.readers import folder

    def fails(frame, *args):
        if frame.stem == "b":
            raise NotImplementedError("no\nsuch")
        return frame

    monkeypatch.setattr(folder, "with_image_size", fails)
    frames = list(read_frames(tmp_path))
    assert [frame.problem is None for frame in frames] == [True, False, True]
    assert frames[1].problem.endswith("not readable (NotImplementedError: no such)")


def test_the_nearest_of_many_names_is_found_quickly() -> None:
    names = NearestNames(f"shot_{number:06d}" for number in range(50_000))
    assert names.nearest("Shot_001234b") == "shot_001234"
    assert NearestNames([]).nearest("a") is None
