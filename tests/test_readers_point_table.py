"""Tables of points: a row a person, or a row a point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keypoint_files import GOOD, STANDING, write
from test_keypoints_layouts import ORDERS

from smplifyx.keypoints import names
from smplifyx.keypoints.layouts import LayoutName
from smplifyx.readers import read_frames
from smplifyx.readers.frames import Units
from smplifyx.readers.point_table import PointTableReader
from smplifyx.readers.reader import ImagePeople, KeypointFile

COCO = ORDERS[LayoutName.COCO_17]
PLACES = [STANDING[name] for name in COCO]
FRACTIONS = [(0.25 + i / 100, 0.5 + i / 100, 0.0, 0.75) for i in range(33)]


def table(rows: list[list[object]], separator: str = ",") -> str:
    return "\n".join(separator.join(map(str, row)) for row in rows)


def columns(points: list[str], parts: tuple[str, ...]) -> list[str]:
    return [f"{point}_{part}" for point in points for part in parts]


def values(confidence: bool = True) -> list[object]:
    return [value for x, y in PLACES for value in ((x, y, 0.75) if confidence else (x, y))]


def of_mediapipe() -> list[object]:
    return [value for point in FRACTIONS for value in point]


XYC, XYZV = ("x", "y", "score"), ("x", "y", "z", "visibility")
SPELT = [name.upper() for name in COCO]
NUMBERED = [f"{part}{i}" for i in range(1, 34) for part in "xyzv"]
TABLES = {  # content -> names of the images, people of the first, whether MediaPipe's
    "a row a frame": (table([["frame", *columns(COCO, XYC)], [3, *values()], [4, *values()]]),
                      ["t_000003", "t_000004"], 1, False),
    "names of images": (table([["image", *columns(SPELT, XYC)], ["a.jpg", *values()]]), ["a.jpg"], 1, False),
    "two people a frame": (
        table([["image", "person_id", *columns(COCO, XYC)], ["a.jpg", 1, *values()],
               ["a.jpg", 2, *values()]]), ["a.jpg"], 2, False),
    "semicolons": (table([["frame", *columns(COCO, XYC)], [3, *values()]], ";"), ["t_000003"], 1, False),
    "no confidence": (table([["frame", *columns(COCO, ("x", "y"))], [3, *values(False)]]),
                      ["t_000003"], 1, False),
    "one row alone": (table([columns(COCO, XYC), values()]), [None], 1, False),
    "three lines of heading": (
        table([["scorer", *["net"] * 51], ["bodyparts", *[n for n in COCO for _ in range(3)]],
               ["coords", *["x", "y", "likelihood"] * 17], [0, *values()]]), ["t_000000"], 1, False),
    "a row a point": (
        table([["frame", "landmark", "x", "y", "score"],
               *([f, n, x, y, 0.75] for f in (0, 1) for n, (x, y) in zip(COCO, PLACES, strict=True))]),
        ["t_000000", "t_000001"], 1, False),
    "MediaPipe by number": (table([["class", *NUMBERED], ["wave", *of_mediapipe()]]), [None], 1, True),
    "MediaPipe, a row a point": (
        table([["frame", "type", "landmark_index", "x", "y", "z", "visibility"],
               *([7, "pose", i, *point] for i, point in enumerate(FRACTIONS))]), ["t_000007"], 1, True),
}  # fmt: skip


def read(path: Path) -> list[ImagePeople]:
    file = KeypointFile(path)
    assert PointTableReader().recognises(file)
    return list(PointTableReader().read(file))


@pytest.mark.parametrize("name", TABLES)
def test_tables(tmp_path, name):
    content, images, count, is_mediapipe = TABLES[name]
    found = read(write(tmp_path, "t.csv", content))
    assert [image.file_name for image in found] == images and len(found[0].people) == count
    for person in found[0].people:
        assert person.problem is None
        if is_mediapipe:
            assert found[0].units is Units.FRACTIONS
            assert person.keypoints[0].tolist() == [0.25, 0.5, 0.75]
        else:
            points = person.keypoints[[names.POINT_INDEX[point] for point in COCO]]
            assert np.array_equal(points[:, :2], np.array(PLACES, np.float32))


def test_damaged_cells_and_short_rows_cost_only_themselves(tmp_path):
    rows = [["image", *columns(COCO, XYC)], ["a.jpg", *values()], ["b.jpg", "x", "", *values()[2:]],
            ["c.jpg"], ["d.jpg", *values()]]  # fmt: skip
    found = read(write(tmp_path, "t.csv", table(rows)))
    assert [image.file_name for image in found] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert [image.people[0].problem is None for image in found] == [True, True, False, True]
    assert found[1].people[0].keypoints[0, 2] == 0


OTHERS = {
    "cameras": "stem,fx,fy,cx,cy,width,height\na,1,2,3,4,5,6\n",
    "boxes": "image,x,y,w,h\na.jpg,1,2,3,4\n",
    "text": "dear reader, this is a letter\n",
    "nothing": "",
    "bytes": b"\xff\xfe\x00\x01",
}


@pytest.mark.parametrize("name", OTHERS)
def test_tables_of_other_things_are_nobodys_keypoints(tmp_path, name):
    write(tmp_path, "a_keypoints.json", GOOD)
    write(tmp_path, "t.csv", OTHERS[name])
    assert [frame.stem for frame in read_frames(tmp_path)] == ["a"]
