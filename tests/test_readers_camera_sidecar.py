"""Camera data as files hold it: sizes, and lens distortion that is no list of numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smplifyx.readers.camera_sidecar import (
    IntrinsicsError,
    read_camera_file,
    read_record,
    read_size,
)

SIZES = {
    "nothing": ({}, None),
    "a pair": ({"image_size": [640, 480]}, (640, 480)),
    "width and height": ({"width": 640, "height": 480}, (640, 480)),
    "another spelling": ({"image_width": "640", "image_height": 480.4}, (640, 480)),
    "the pair first": ({"image_size": [64, 48], "width": 640, "height": 480}, (64, 48)),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str) -> None:
    values, expected = SIZES[name]
    assert read_size(values, "here") == expected


BAD_SIZES = {
    "one number": {"image_size": [640]},
    "no list": {"image_size": 640},
    "no height": {"width": 640},
    "zero": {"image_size": [0, 480]},
    "enormous": {"image_size": [10**7, 480]},
    "beyond a float": {"image_size": [10**400, 480]},
    "text": {"image_size": ["wide", 480]},
}


@pytest.mark.parametrize("name", BAD_SIZES)
def test_a_bad_size_is_one_clear_line(name: str) -> None:
    with pytest.raises(IntrinsicsError, match="here: image size should be two numbers"):
        read_size(BAD_SIZES[name], "here")


DISTORTIONS = {
    "none": ([0, 0.0], None),
    "some": ([0.1, 0], "lens distortion (dist) ignored"),
    "ragged": ([[0.1], [0, 1]], "lens distortion (dist) ignored"),
    "null": (None, None),
}


@pytest.mark.parametrize("name", DISTORTIONS)
def test_distortion_is_a_note(tmp_path: Path, name: str) -> None:
    coefficients, note = DISTORTIONS[name]
    path = tmp_path / "a.camera.json"
    path.write_text(json.dumps({"fx": 500, "dist": coefficients}))
    record = read_camera_file(path)
    assert record.note == note and record.origin == str(path)


def test_a_principal_point_that_is_not_told_is_nan() -> None:
    record = read_record({"fx": 500}, "here")
    assert (
        record.K[0, 0] == record.K[1, 1] == 500 and not (record.K[:2, 2] == record.K[:2, 2]).any()
    )
