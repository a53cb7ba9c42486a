"""Which layout points are in: by names, by what is said, by number; and a body that is misread."""

from __future__ import annotations

import numpy as np
import pytest
from keypoint_files import STANDING, flat, openpose, standing, write
from test_keypoints_layouts import ORDERS

from smplifyx.keypoints import names
from smplifyx.keypoints.layouts import LayoutName, to_canonical
from smplifyx.readers import read_frames
from smplifyx.readers.layout_choice import OF_COUNT, choose_layout
from smplifyx.readers.options import AS_IT_COMES, ReadOptions
from smplifyx.readers.plausible import better_layout, unlikeness
from smplifyx.readers.point_forms import NotPoints

ONLY_ONE = sorted(count for count, layouts in OF_COUNT.items() if len(layouts) == 1)


def test_counts():
    assert ONLY_ONE == [15, 16, 19, 23, 26, 33, 70, 75, 133, 134, 135, 136, 137]
    assert {count: OF_COUNT[count][0].value for count in (25, 18, 17)} == {
        25: "body_25",
        18: "coco_18",
        17: "coco_17",
    }


@pytest.mark.parametrize("count", ONLY_ONE)
def test_a_number_that_only_one_layout_has_is_that_layout_wherever_it_stands(tmp_path, count):
    points = flat(count)
    write(tmp_path, "a.json", openpose(pose_keypoints=points))
    write(tmp_path, "b.json", [{"keypoints": points, "score": 1}])
    write(tmp_path, "c.json", {"c.jpg": {"people": [{"pose_keypoints_2d": points}]}})
    frames = list(read_frames(tmp_path))
    (expected,) = OF_COUNT[count]
    assert [frame.people[0].layout for frame in frames] == [expected] * 3
    for frame in frames:
        wanted = to_canonical(np.array(points, np.float32).reshape(-1, 3), expected)
        # hands as far from their wrists as these are left out
        kept = np.delete(np.arange(names.COUNT), np.r_[names.LEFT_HAND, names.RIGHT_HAND])
        assert np.array_equal(frame.people[0].keypoints[kept], wanted[kept])


def test_two_layouts_without_a_usual_one_have_to_be_said():
    with pytest.raises(NotPoints, match="crowdpose_14 or lsp_14.*--layout"):
        choose_layout(14, None, AS_IT_COMES)
    said = ReadOptions(layout=LayoutName.LSP_14)
    assert choose_layout(14, None, said).layout.name is LayoutName.LSP_14


def test_names_come_before_what_is_said_and_positions():
    said = ReadOptions(layout=LayoutName.BODY_25)
    backwards = tuple(reversed(ORDERS[LayoutName.BODY_25]))
    assert choose_layout(25, backwards, said).layout.source[0] == 24
    with pytest.raises(NotPoints, match="no known points"):
        choose_layout(25, tuple(f"pt{i}" for i in range(25)), said)


def test_a_layout_of_another_number_is_not_used_and_said():
    choice = choose_layout(17, None, ReadOptions(layout=LayoutName.BODY_25B))
    assert choice.layout.name is LayoutName.COCO_17
    assert [note.about for note in choice.notes] == ["not the layout that was said"]


MISREAD = [  # layout of the file, as which it is read
    (LayoutName.BODY_25B, LayoutName.BODY_25),
    (LayoutName.COCO_25, LayoutName.BODY_25),
    (LayoutName.COCO_NECK_18, LayoutName.COCO_18),
    (LayoutName.HUMAN36M_17, LayoutName.COCO_17),
]


@pytest.mark.parametrize("true, read", MISREAD)
def test_a_body_in_another_layout_of_the_same_number_is_told(tmp_path, true, read):
    points = standing(ORDERS[true])
    write(tmp_path, "a.json", openpose(pose_keypoints=points))
    (frame,) = read_frames(tmp_path)
    (person,) = frame.people
    assert person.layout is read and f"--layout {true.value}" in person.doubt
    assert [note.about for note in person.notes] == ["points may be in another layout"]
    (said,) = next(read_frames(tmp_path, options=ReadOptions(layout=true))).people
    assert said.doubt is None and said.layout is true and not said.notes
    wrist = said.keypoints[names.POINT_INDEX["right_wrist"]]
    assert wrist[:2].tolist() == list(STANDING["right_wrist"])


@pytest.mark.parametrize("layout", [LayoutName.BODY_25, LayoutName.COCO_18, LayoutName.COCO_17])
def test_a_body_in_the_usual_layout_is_not_doubted(tmp_path, layout):
    write(tmp_path, "a.json", openpose(pose_keypoints=standing(ORDERS[layout])))
    (frame,) = read_frames(tmp_path)
    assert frame.people[0].doubt is None and not frame.people[0].notes


def test_proportions_do_not_depend_on_scale_place_or_turn():
    body = to_canonical(
        np.array(standing(ORDERS[LayoutName.BODY_25]), np.float32).reshape(-1, 3),
        LayoutName.BODY_25,
    )
    moved = body.copy()
    moved[:, 0], moved[:, 1] = 7 * body[:, 1] - 900, 50 - 7 * body[:, 0]
    assert unlikeness(body) < 0.2 and unlikeness(moved) == pytest.approx(unlikeness(body), abs=1e-4)


@pytest.mark.parametrize("kept", [0, 3, 5])
def test_too_few_points_tell_nothing(kept):
    points = np.array(standing(ORDERS[LayoutName.BODY_25B]), np.float32).reshape(-1, 3)
    points[kept:] = 0
    assumed = to_canonical(points, LayoutName.BODY_25)
    found = better_layout(points, assumed, [LayoutName.BODY_25B])
    assert found is None
