"""Keypoints as files really hold them: layouts, damaged people, annotations, who is chosen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from smplifyx.keypoints import Keypoints, names
from smplifyx.keypoints.layouts import LAYOUTS, LayoutName, to_canonical, trust
from smplifyx.readers import read_frames
from smplifyx.readers.frames import Person
from smplifyx.readers.selection import (
    Selection,
    box_diagonal,
    confident_body_points,
    seen_points,
    select,
)


def flat(count: int, confidence: float = 0.9, start: float = 100.0) -> list[float]:
    """`count` points, each somewhere else; the first at x = `start`."""
    return [value for i in range(count) for value in (start + i, 200.0 + 2 * i, confidence)]


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
    assert ["left hand" in n or "body" in n for n in frame.people[0].notes] == [True, True]
    assert all(note.startswith("person 0: ") for note in frame.notes) and len(frame.notes) == 2


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


# The detectors' own point names, in their order, as their documentation lists them.
_COCO = """nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist
    right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle""".split()
_FEET = "left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel".split()
_HALPE = (
    _COCO
    + ["head", "neck", "mid_hip"]
    + ("left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel".split())
)
_OPENPOSE_18 = """nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip
    right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear""".split()
_MEDIAPIPE = """nose - left_eye - - right_eye - left_ear right_ear - - left_shoulder right_shoulder left_elbow
    right_elbow left_wrist right_wrist - - - - - - left_hip right_hip left_knee right_knee left_ankle right_ankle
    left_heel right_heel left_big_toe right_big_toe""".split()
_LEFT = list(names.POINT_NAMES[names.LEFT_HAND])
_RIGHT = list(names.POINT_NAMES[names.RIGHT_HAND])
_FACE = list(names.POINT_NAMES[names.FACE])[:68]
ORDERS = {
    LayoutName.BODY_25: list(names.BODY_NAMES),
    LayoutName.COCO_19: list(names.BODY_NAMES[:19]),
    LayoutName.COCO_18: _OPENPOSE_18,
    LayoutName.COCO_17: _COCO,
    LayoutName.COCO_WHOLEBODY_133: _COCO + _FEET + _FACE + _LEFT + _RIGHT,
    LayoutName.HALPE_26: _HALPE,
    LayoutName.HALPE_136: _HALPE + _FACE + _LEFT + _RIGHT,
    LayoutName.MEDIAPIPE_75: _MEDIAPIPE + _LEFT + _RIGHT,
}


@pytest.mark.parametrize("layout", list(LayoutName))
def test_layouts_put_every_point_where_its_name_says(layout):
    order, table = ORDERS[layout], LAYOUTS[layout]
    assert len(order) == table.points
    points = np.stack(
        [np.arange(len(order)), 1000.0 + np.arange(len(order)), np.full(len(order), 0.9)], -1
    )
    canonical = to_canonical(np.stack([points, points]), layout)[1]
    for index, name in enumerate(order):
        if name in names.POINT_INDEX:
            assert canonical[names.POINT_INDEX[name]].tolist() == pytest.approx(
                points[index].tolist()
            ), name
    made = {names.POINT_NAMES[i] for i in np.flatnonzero(canonical[:, 2])}
    assert made == set(order) - {"-", "head"} | {"neck", "mid_hip"} == set(table.present)


@pytest.mark.parametrize("made, of", [("neck", "shoulder"), ("mid_hip", "hip")])
@pytest.mark.parametrize("other, expected", [(0.3, 0.3), (0.0, 0.0)])
def test_a_missing_middle_is_the_mean_and_as_sure_as_the_less_sure_side(made, of, other, expected):
    points = np.zeros((17, 3))
    points[_COCO.index(f"left_{of}")], points[_COCO.index(f"right_{of}")] = (
        (10, 20, 0.9),
        (30, 60, other),
    )
    found = to_canonical(points, LayoutName.COCO_17)[names.POINT_INDEX[made]]
    assert found.tolist() == pytest.approx([20, 40, expected] if expected else [0, 0, 0])


@pytest.mark.parametrize("layout", list(LayoutName))
def test_trust_is_the_product_of_named_rules(layout):
    factors, rules = trust(layout), LAYOUTS[layout].rules
    assert ((factors > 0) & (factors <= 1)).all() and all(
        rule.name and rule.reason for rule in rules
    )
    assert {names.POINT_NAMES[i] for i in np.flatnonzero(factors < 1)} == {
        p for rule in rules for p in rule.points
    }
    assert {"neck", "mid_hip"} <= {p for rule in rules for p in rule.points}


def test_points_of_another_layout_are_refused():
    with pytest.raises(ValueError, match="coco_17"):
        to_canonical(np.zeros((18, 3)), LayoutName.COCO_17)


def test_wholebody_annotations(tmp_path):
    person = {"image_id": 1, "keypoints": flat(17, 2), "foot_kpts": flat(6, 2, 300), "face_kpts": flat(68, 1, 400),
              "lefthand_kpts": flat(21, 0), "righthand_kpts": flat(20, 1) + [9, 9, 2]}  # fmt: skip
    images = [
        {"id": 1, "file_name": "x.jpg", "width": 640, "height": 480},
        {"id": 2, "file_name": "empty.jpg"},
    ]
    write(
        tmp_path,
        "a.json",
        {"images": images, "annotations": [person, {"image_id": 1, "keypoints": [1, 2]}]},
    )
    first, empty = read_frames(tmp_path)
    assert first.image_size == (640, 480) and empty.people == ()
    seen = first.people[0].keypoints[:, 2]
    assert [int((seen[part] > 0).sum()) for part in names.PARTS.values()] == [25, 0, 21, 68]
    firsts = [names.POINT_INDEX["left_big_toe"], names.FACE.start, names.RIGHT_HAND.start]
    assert first.people[0].keypoints[firsts, 0].tolist() == [300, 400, 100]
    # real files give every annotated face 1.0; a hand with a 2 holds flags, where hidden counts
    # half
    assert (
        seen[names.FACE][0] == 1.0 and seen[0] == 1.0 and set(seen[names.RIGHT_HAND]) == {0.5, 1.0}
    )
    assert first.people[1].problem is not None


ENTRIES = {  # one entry of a COCO file -> layout (None: unusable), seen points of body, hands, face
    "COCO-17": ({"keypoints": flat(17, 2)}, LayoutName.COCO_17, (19, 0, 0, 0)),
    "Halpe-26": ({"keypoints": flat(26, 2)}, LayoutName.HALPE_26, (25, 0, 0, 0)),
    "WholeBody in one list": (
        {"keypoints": flat(133), "score": 1},
        LayoutName.COCO_WHOLEBODY_133,
        (25, 21, 21, 68),
    ),
    "Halpe-136": ({"keypoints": flat(136), "score": 2.9}, LayoutName.HALPE_136, (25, 21, 21, 68)),
    "hand not annotated": (
        {"keypoints": flat(17, 2), "lefthand_kpts": flat(21), "lefthand_valid": False},
        LayoutName.COCO_WHOLEBODY_133,
        (19, 0, 0, 0),
    ),
    "hand of wrong length": (
        {"keypoints": flat(17, 2), "righthand_kpts": flat(20)},
        LayoutName.COCO_WHOLEBODY_133,
        (19, 0, 0, 0),
    ),
    "unlabelled": ({"keypoints": [0] * 51}, LayoutName.COCO_17, (0, 0, 0, 0)),
    "a crowd": ({"keypoints": flat(17, 2), "iscrowd": 1}, None, (0, 0, 0, 0)),
    "no keypoints": ({"bbox": [1, 2, 3, 4]}, None, (0, 0, 0, 0)),
    "fractions": ({"keypoints": [0.5, 0.5, 0.9] * 17}, None, (0, 0, 0, 0)),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_entries_of_annotation_files(tmp_path, name):
    entry, layout, expected = ENTRIES[name]
    write(
        tmp_path,
        "a.json",
        {"images": [{"id": 1, "file_name": "x.jpg"}], "annotations": [{"image_id": 1} | entry]},
    )
    (frame,) = read_frames(tmp_path)
    (found,) = frame.people
    assert (
        tuple(int((found.keypoints[part, 2] > 0).sum()) for part in names.PARTS.values())
        == expected
    )
    assert found.layout is layout and (found.problem is not None) == (layout is None)


# marks of an entry -> confidence of the nose: annotations hold visibility flags, results hold
# scores
MARKS = {
    "body flags, all hidden": ({"keypoints": flat(17, 1)}, 0.5),
    "results with scores of exactly 1": ({"keypoints": flat(17, 1), "score": 3}, 1.0),
    "one list without a 2": ({"keypoints": flat(136, 1)}, 1.0),
    "one list with a 2": ({"keypoints": flat(135, 1) + [9, 9, 2]}, 0.5),
}


@pytest.mark.parametrize("name", MARKS)
def test_visibility_flags_become_confidences(tmp_path, name):
    write(tmp_path, "a.json", [{"image_id": "x.jpg"} | MARKS[name][0]] if "score" in MARKS[name][0] else
          {"annotations": [{"image_id": "x.jpg"} | MARKS[name][0]]})  # fmt: skip
    (frame,) = read_frames(tmp_path)
    assert frame.people[0].keypoints[0, 2] == pytest.approx(MARKS[name][1])


def test_results_are_grouped_by_image_in_order_of_appearance(tmp_path):
    entries = [
        {"image_id": image, "keypoints": flat(17), "score": 1}
        for image in ("b.jpg", 7, "b.jpg", None)
    ]
    write(tmp_path, "results.json", entries)
    frames = list(read_frames(tmp_path))
    assert [(f.stem, len(f.people)) for f in frames] == [
        ("b", 2),
        ("000000000007", 1),
        ("unknown_image", 1),
    ]
    assert frames[2].people[0].problem and [p.index for p in frames[0].people] == [0, 1]


def person(index: int, count: int, size: float, confidence: float = 0.9) -> Person:
    keypoints = np.zeros((names.COUNT, 3), np.float32)
    keypoints[:count] = (1.0, 1.0, confidence)
    keypoints[0, :2] = (1.0 + size, 1.0)
    return Person(index, keypoints)


RULES = {
    "everyone who can be fitted": (Selection(), {3, 4}),
    "enough points": (Selection(min_keypoints=10), {2, 3, 4}),
    "confident ones": (Selection(min_keypoints=10, min_confidence=0.95), {0, 1, 2, 3, 4}),
    "large enough": (Selection(min_size_px=90.0), {1, 3, 4}),
    "the largest": (Selection(largest=1), {0, 1, 3, 4}),
    "more than there are": (Selection(largest=9), {3, 4}),
}


@pytest.mark.parametrize("name", RULES)
def test_people_are_chosen_and_the_others_get_a_reason(name):
    rules, left_out = RULES[name]
    people = [
        person(0, 20, 100),
        person(1, 20, 50),
        person(2, 8, 300),
        person(3, 3, 500),
        person(4, 20, 500, 0.05),
    ]
    kept, reasons = select(people, rules)
    assert set(reasons) == left_out and all(reasons.values())
    assert [p.index for p in kept] == [i for i in range(5) if i not in left_out]


def test_the_largest_of_equals_is_the_first():
    kept, _ = select([person(i, 20, 100) for i in range(3)], Selection(largest=2))
    assert [p.index for p in kept] == [0, 1]


@pytest.mark.parametrize("field", ["min_keypoints", "min_confidence", "min_size_px", "largest"])
def test_rules_that_mean_nothing_are_refused(field):
    with pytest.raises(ValueError, match=field):
        Selection(**{field: -1})


def test_evidence_of_a_batch_is_that_of_each():
    batch = np.stack([person(i, 5 * i, 10.0 * i, 0.2 * i).keypoints for i in range(6)]).reshape(
        2, 3, names.COUNT, 3
    )
    for measure in (seen_points, confident_body_points, box_diagonal):
        singles = [float(measure(k)) for k in batch.reshape(-1, names.COUNT, 3)]
        assert measure(batch).reshape(-1).tolist() == singles
    assert box_diagonal(batch)[1, 2] == pytest.approx(50.0) and box_diagonal(batch)[0, 0] == 0


def test_arrays_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="137"):
        Keypoints.from_array(np.zeros((2, 25, 3)))
