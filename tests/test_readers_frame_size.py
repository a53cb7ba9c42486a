"""How large the image of a frame is, where there is none to measure."""

from __future__ import annotations

import pytest
from keypoint_files import GOOD, write

from smplifyx.readers import read_frames
from smplifyx.readers.frames import SizeSource

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
