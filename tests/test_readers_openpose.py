"""OpenPose people as they come: versions, damaged parts, genders."""

from __future__ import annotations

import numpy as np
import pytest
from keypoint_files import flat, openpose, write

from smplifyx.keypoints import names
from smplifyx.keypoints.layouts import LayoutName
from smplifyx.readers import read_frames

BODY, HAND, FACE = "pose_keypoints", "hand_left_keypoints", "face_keypoints"

GOOD = {  # parts of one person -> seen points of body, left hand, right hand, face
    "everything": (
        {BODY: flat(25), HAND: flat(21), "hand_right_keypoints": flat(21), FACE: flat(70)},
        (25, 21, 21, 70),
    ),
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
    "null in a point": ({BODY: flat(24) + [None, 1.0, 0.5]}, (24, 0, 0, 0)),
    "numbers as text": ({BODY: [str(v) for v in flat(25)]}, (25, 0, 0, 0)),
    "absurd number": ({BODY: flat(24) + [10**400, 1.0, 0.5]}, (24, 0, 0, 0)),
    "nested in threes": ({BODY: [flat(25)[i : i + 3] for i in range(0, 75, 3)]}, (25, 0, 0, 0)),
    "negative confidence": ({BODY: flat(24) + [5.0, 1.0, -0.5]}, (24, 0, 0, 0)),
    "left of the image": ({BODY: flat(24) + [-5.0, 1.0, 0.5]}, (25, 0, 0, 0)),
    "missing written as (0, 0)": ({BODY: flat(24) + [0.0, 0.0, 1.0]}, (24, 0, 0, 0)),
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


def test_what_is_left_out_of_a_person_is_said(tmp_path):
    write(tmp_path, "a.json", openpose(**{BODY: flat(24) + [None, 1.0, 0.5], HAND: flat(20)}))
    (frame,) = read_frames(tmp_path)
    said = [str(note) for note in frame.people[0].notes]
    assert ["left hand" in text or "body" in text for text in said] == [True, True]
    assert not frame.notes


def test_keys_of_version_1_0_confidences_above_1_and_genders(tmp_path):
    people = [
        {
            "pose_keypoints": flat(18, 1.7),
            "hand_left_keypoints": flat(21),
            "gender_pd": "F",
            "gender_gt": None,
        }
    ]
    people += [{"pose_keypoints": flat(25), "gender_pd": "male", "gender_gt": "female"}]
    people += [{"pose_keypoints": flat(25), "gender_gt": "robot"}]
    write(tmp_path, "a.json", {"version": 1.0, "people": people})
    (frame,) = read_frames(tmp_path)
    assert [p.gender for p in frame.people] == ["female", "female", None] and frame.people[2].notes
    assert frame.layout is LayoutName.COCO_18 and frame.people[0].keypoints[:, 2].max() == 1.0
    assert (frame.people[0].keypoints[names.LEFT_HAND, 2] > 0).all()
