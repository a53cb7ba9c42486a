"""How large the image of a frame is, where there is none to measure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from keypoint_files import BODY, GOOD, write
from PIL import Image

from smplifyx.readers import read_frames
from smplifyx.readers.frames import Person, SizeSource, Units
from smplifyx.readers.options import AS_IT_COMES, ReadOptions
from smplifyx.readers.reader import ImagePeople, KeypointFile

SIZES = {
    "in the document": ({"image_size": [640, 480]}, None, (640, 480), SizeSource.SIDECAR),
    "width and height": ({"width": 640, "height": 480}, None, (640, 480), SizeSource.SIDECAR),
    "beside it": ({}, {"width": 320, "height": 300}, (320, 300), SizeSource.SIDECAR),
    "beside it first": (
        {"image_size": [640, 600]},
        {"image_size": [320, 300]},
        (320, 300),
        SizeSource.SIDECAR,
    ),
    "bounded by the points": ({}, None, (125, 249), SizeSource.KEYPOINTS),
    "nonsense": ({"width": -3, "height": "x"}, None, (125, 249), SizeSource.KEYPOINTS),
    "a broken sidecar": ({}, [1, 2], (125, 249), SizeSource.KEYPOINTS),
}

# sizes that are not understood, and points scaled from one size to the other
NOTED = ("nonsense", "a broken sidecar", "beside it first")


@pytest.mark.parametrize("name", SIZES)
def test_without_an_image_the_size_comes_from_elsewhere(tmp_path, name):
    extra, camera, size, source = SIZES[name]
    write(tmp_path, "a_keypoints.json", GOOD | extra)
    if camera is not None:
        write(tmp_path, "a.camera.json", camera)
    (frame,) = read_frames(tmp_path)
    assert frame.image_size == size and frame.size_source is source
    assert bool(frame.notes) == (name in NOTED)


def test_points_outside_their_image_are_remarked_upon(tmp_path):
    write(tmp_path, "a_keypoints.json", GOOD | {"image_size": [90, 90]})
    (frame,) = read_frames(tmp_path)
    assert any("outside" in note.about for note in frame.notes) and len(frame.people) == 1


def photo(path: Path, size: tuple[int, int], orientation: int = 1) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size).save(path, exif=exif)


def read_one(folder: Path, document: dict[str, object], options: ReadOptions = AS_IT_COMES):
    write(folder, "a_keypoints.json", document)
    (frame,) = read_frames(folder, options=options)
    return frame


# the points of GOOD lie in x 100..124, y 200..248
POINT = np.array([100, 200], np.float32)  # the nose, of all layouts the first

MADE_ELSEWHERE = {  # size that the file states, photo as stored, its orientation -> what is told, nose
    "the photo's own": ((300, 400), (300, 400), 1, None, (100, 200)),
    "twice as large": ((300, 400), (600, 800), 1, "keypoints scaled", (200, 400)),
    "half as large": ((300, 400), (150, 200), 1, "keypoints scaled", (50, 100)),
    "a pixel of rounding": ((301, 401), (150, 200), 1, "keypoints scaled", (50, 100)),
    "other proportions": ((400, 400), (600, 800), 1, "image of other proportions", (100, 200)),
    "before a turn to the right": ((400, 300), (400, 300), 6, "keypoints turned", (100, 100)),
    "before a turn to the left": ((400, 300), (400, 300), 8, "keypoints turned", (200, 300)),
    "before a turn, half as large": ((400, 300), (800, 600), 6, "keypoints turned", (200, 200)),
    "after the turn": ((300, 400), (400, 300), 6, None, (100, 200)),
}


@pytest.mark.parametrize("name", MADE_ELSEWHERE)
@pytest.mark.parametrize("asked", [False, True])
def test_points_made_in_another_size_come_to_the_photo(tmp_path, name, asked):
    made_in, stored, orientation, about, nose = MADE_ELSEWHERE[name]
    photo(tmp_path / "a.jpg", stored, orientation)
    if asked:  # by the user, of a file that states nothing
        frame = read_one(tmp_path, GOOD, ReadOptions(keypoint_size=made_in))
    else:
        frame = read_one(tmp_path, GOOD | {"image_size": list(made_in)})
    assert frame.size_source is SizeSource.IMAGE
    assert [note.about for note in frame.notes] == ([] if about is None else [about])
    (someone,) = frame.people
    np.testing.assert_allclose(someone.keypoints[0, :2], nose, atol=1)
    assert (someone.doubt is not None) == (name == "other proportions")


def test_the_option_is_the_size_where_nobody_else_tells_one(tmp_path):
    frame = read_one(tmp_path, GOOD, ReadOptions(keypoint_size=(640, 480)))
    assert frame.image_size == (640, 480) and frame.size_source is SizeSource.OPTION
    frame = read_one(
        tmp_path, GOOD | {"width": 320, "height": 300}, ReadOptions(keypoint_size=(640, 480))
    )
    assert frame.image_size == (320, 300) and frame.size_source is SizeSource.SIDECAR


def test_a_canvas_is_an_image(tmp_path):
    frame = read_one(tmp_path, GOOD | {"canvas_width": 768, "canvas_height": 512})
    assert frame.image_size == (768, 512) and frame.size_source is SizeSource.SIDECAR


OUTSIDE = {  # photo, orientation -> what is said besides
    "half the size": ((75, 125), 1, "150x250: --keypoint-size 150 250"),
    "a third of it": ((50, 90), 1, "--keypoint-size 150 270"),
    "nothing that fits": ((10, 10), 1, "resized, cropped or turned?"),
    "before a turn": ((130, 260), 6, "before EXIF turns it: --keypoint-size 130 260"),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_whoever_lies_outside_the_photo_is_doubtful(tmp_path, name):
    size, orientation, words = OUTSIDE[name]
    photo(tmp_path / "a.jpg", size, orientation)
    frame = read_one(tmp_path, GOOD)
    assert [note.about for note in frame.notes] == ["points outside the image"]
    assert words in frame.notes[0].detail and words in frame.people[0].doubt


class FractionsReader:
    """A format of the test: OpenPose's with the points as fractions of 300x400."""

    suffixes = (".json",)
    content = "fractions"

    def __init__(self, units: Units) -> None:
        self.units = units

    def recognises(self, file: KeypointFile) -> bool:
        return True

    def read(self, file: KeypointFile) -> Iterator[ImagePeople]:
        keypoints = np.zeros((137, 3), np.float32)
        keypoints[:25] = np.array(BODY).reshape(25, 3) / (300, 400, 1)
        if self.units is Units.SIGNED_FRACTIONS:
            keypoints[:25, :2] = 2 * keypoints[:25, :2] - 1
        yield ImagePeople((Person(0, keypoints, id="7"),), units=self.units)


@pytest.mark.parametrize("units", [Units.FRACTIONS, Units.SIGNED_FRACTIONS])
def test_fractions_are_multiplied_by_the_size_of_the_image(tmp_path, units):
    write(tmp_path, "a_keypoints.json")
    (frame,) = read_frames(tmp_path, readers=[FractionsReader(units)])
    assert "nobody says how large" in frame.people[0].problem and frame.people[0].id == "7"
    photo(tmp_path / "a.jpg", (600, 800))
    for options, size in (
        (ReadOptions(), (600, 800)),
        (ReadOptions(keypoint_size=(6, 8)), (600, 800)),
    ):
        (frame,) = read_frames(tmp_path, readers=[FractionsReader(units)], options=options)
        assert frame.image_size == size and "of 600x800" in frame.notes[0].detail
        np.testing.assert_allclose(frame.people[0].keypoints[0, :2], 2 * POINT, atol=0.1)
        assert not frame.people[0].keypoints[30:, :2].any()
    (tmp_path / "a.jpg").unlink()
    (frame,) = read_frames(
        tmp_path, readers=[FractionsReader(units)], options=ReadOptions(keypoint_size=(300, 400))
    )
    np.testing.assert_allclose(frame.people[0].keypoints[0, :2], POINT, atol=0.1)
