"""COCO, COCO-WholeBody and Halpe: annotations, results, visibility flags."""

from __future__ import annotations

import pytest
from keypoint_files import flat, write

from smplifyx.keypoints import names
from smplifyx.keypoints.layouts import LayoutName
from smplifyx.readers import read_frames


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


def with_hands(count: int, first: int) -> list[float]:
    """`count` points, of which the hands, from `first` on, are at the wrists."""
    points = flat(count)
    for wrist, start in ((9, first), (10, first + 21)):
        for i in range(21):
            x, y = points[3 * wrist : 3 * wrist + 2]
            points[3 * (start + i) : 3 * (start + i) + 2] = [x + i, y + 2 * i]
    return points


ENTRIES = {  # one entry of a COCO file -> layout (None: unusable), seen points of body, hands, face
    "COCO-17": ({"keypoints": flat(17, 2)}, LayoutName.COCO_17, (19, 0, 0, 0)),
    "Halpe-26": ({"keypoints": flat(26, 2)}, LayoutName.HALPE_26, (25, 0, 0, 0)),
    "WholeBody in one list": (
        {"keypoints": with_hands(133, 91), "score": 1},
        LayoutName.COCO_WHOLEBODY_133,
        (25, 21, 21, 68),
    ),
    "Halpe-136": (
        {"keypoints": with_hands(136, 94), "score": 2.9},
        LayoutName.HALPE_136,
        (25, 21, 21, 68),
    ),
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


def test_the_names_of_a_whole_body_s_seventeen_are_used_and_not_remarked_upon(tmp_path):
    """Annotation files name the 17 of `keypoints`; the parts beside them have keys of their own."""
    entry = {"image_id": 1, "id": 2, "category_id": 1, "keypoints": flat(17), "foot_kpts": flat(6)}
    unseen = entry | {"id": 3, "keypoints": [0] * 51, "foot_kpts": [0] * 18}
    document = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [entry, unseen],
        "categories": [{"id": 1, "keypoints": list(COCO_NAMES)}],
    }
    write(tmp_path, "a.json", document)
    (frame,) = read_frames(tmp_path)
    assert [person.problem for person in frame.people] == [None, None]
    assert not any(person.notes for person in frame.people)
    assert frame.people[0].layout is LayoutName.COCO_WHOLEBODY_133
    assert frame.people[0].keypoints[19:25, 2].all()


COCO_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
