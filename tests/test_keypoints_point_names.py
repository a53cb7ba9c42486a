"""Names of points in every spelling."""

from __future__ import annotations

import pytest

from smplifyx.core.choices import LayoutName
from smplifyx.keypoints import names
from smplifyx.keypoints.layouts import ABSENT
from smplifyx.keypoints.point_names import canonical_name, named_layout

SPELLINGS = {
    "left_shoulder": ("left_shoulder", "LShoulder", "L Shoulder", "l_shoulder", "shoulder.L",
                      "leftShoulder", "LEFT_SHOULDER", "shoulder_left", "lsho", "Left-Shoulder"),
    "right_ear": ("right_ear", "REar", "rear", "R_Ear", "earRight"),
    "left_ear": ("lear", "LEar", "left ear"),
    "left_eye": ("leye", "l_eye", "LEye"),
    "mid_hip": ("MidHip", "mid_hip", "pelvis", "hip", "Root"),
    "neck": ("neck", "Neck", "thorax"),
    "left_big_toe": ("LBigToe", "left_bigtoe", "left_foot_index", "left_big_toe"),
    "right_small_toe": ("RSmallToe", "right_smalltoe", "right_little_toe"),
    "left_thumb_1": ("left_thumb1", "LThumb1CMC", "left_hand_thumb_cmc", "left_thumb_third_joint"),
    "right_index_4": ("right_forefinger4", "RIGHT_INDEX_FINGER_TIP", "right-index-tip",
                      "right_index_finger4"),
    "right_hand_wrist": ("right_hand_root", "right_hand_0", "right_hand_wrist"),
    "left_middle_4": ("left_hand_12", "left_middle_finger4"),
    None: ("head_top", "head_bottom", "mouth_left", "left_eye_inner", "left_index", "UpperNeck",
           "chin", "left_foot", "", "x" * 1000, "left_hand_21", "r_root", "left_thumb5"),
}  # fmt: skip


@pytest.mark.parametrize("point", SPELLINGS, ids=str)
def test_spellings(point):
    assert {name: canonical_name(name) for name in SPELLINGS[point]} == dict.fromkeys(
        SPELLINGS[point], point
    )


def test_every_canonical_name_of_body_and_hands_means_itself():
    own = names.POINT_NAMES[: names.FACE.start]
    assert [canonical_name(name) for name in own] == list(own)


COCO = tuple("""nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow
    left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle""".split())  # fmt: skip


def test_the_names_of_a_known_layout_are_that_layout():
    found = named_layout(COCO)
    assert found.layout.name is LayoutName.COCO_17 and found.unknown == ()


def test_other_orders_have_a_table_of_their_own_and_say_what_they_leave_out():
    found = named_layout(("tail", "R Knee", "nose", "NOSE", "l_hip", "RHip", "neck"))
    source = {
        names.POINT_NAMES[i]: place
        for i, place in enumerate(found.layout.source)
        if place != ABSENT
    }
    assert source == {"right_knee": 1, "nose": 2, "left_hip": 4, "right_hip": 5, "neck": 6}
    assert found.unknown == ("tail", "NOSE") and found.layout.name is LayoutName.NAMED
    assert [midpoint.target for midpoint in found.layout.midpoints] == [
        names.POINT_INDEX["mid_hip"]
    ]


def test_unknown_names_are_no_layout():
    assert named_layout(tuple(f"pt{i}" for i in range(17))) is None


@pytest.mark.parametrize("first", [0, 1])
def test_a_numbered_face_of_68_is_placed(first):
    given = (*COCO, *(f"face-{i}" for i in range(first, first + 68)))
    found = named_layout(given)
    assert found.unknown == ()
    assert found.layout.source[names.FACE.start : names.FACE.start + 68] == tuple(range(17, 85))
