"""What detectors write of their own: every form the same three people."""

from __future__ import annotations

import json

import numpy as np
import pytest
from keypoint_files import STANDING, standing, write
from test_keypoints_layouts import ORDERS

from smplifyx.keypoints import names
from smplifyx.keypoints.layouts import LayoutName
from smplifyx.readers import read_frames
from smplifyx.readers.coco import CocoReader
from smplifyx.readers.detectors import DetectorReader
from smplifyx.readers.frames import Units
from smplifyx.readers.mediapipe import MediaPipeReader
from smplifyx.readers.opencv_storage import OpenCvStorageReader
from smplifyx.readers.openpose import OpenPoseReader
from smplifyx.readers.reader import KeypointFile

COCO = ORDERS[LayoutName.COCO_17]
FLAT = standing(COCO, 0.8)
ROWS = [FLAT[i : i + 3] for i in range(0, len(FLAT), 3)]
XY = [row[:2] for row in ROWS]
SCORES = [0.8] * 17
BODY_25 = standing(ORDERS[LayoutName.BODY_25], 0.8)
COCO_18 = standing(ORDERS[LayoutName.COCO_18], 0.8)
INSTANCE = {"keypoints": XY, "keypoint_scores": SCORES, "bbox": [[0, 0, 1, 1]], "bbox_score": 0.9}
BACKWARDS = {"keypoints": XY[::-1], "keypoint_scores": SCORES}
ID2NAME = {str(i): name for i, name in enumerate(reversed(COCO))}
FRAMES = ("x_000000", "x_000001")
OPENPOSE = {"pose_keypoints_2d": BODY_25}
SIZED = {"canvas_width": 640, "canvas_height": 480}
BY_NAME = {name: row for name, row in zip(COCO, ROWS, strict=True)}
COLUMNS = {"x": [x for x, _ in XY], "y": [y for _, y in XY], "visible": SCORES}
NAMED = [
    {"x": x, "y": y, "confidence": 0.8, "class": n} for n, (x, y) in zip(COCO, XY, strict=True)
]

FORMS = {  # document -> names of the images ("x" is the file's own), people of the first
    "mmpose, an image": ([INSTANCE, INSTANCE], ["x"], 2),
    "mmpose, a video": ([{"frame_id": i, "instances": [INSTANCE]} for i in (0, 1)], FRAMES, 1),
    "mmpose, nobody first": (
        [{"frame_id": 1, "instances": [INSTANCE]}, {"frame_id": 0, "instances": []}],
        ["x_000001", "x_000000"], 1),
    "mmpose, names": (
        {"meta_info": {"keypoint_id2name": ID2NAME}, "instance_info": [BACKWARDS]}, ["x"], 1),
    "mmpose, names and frames": (
        {"meta_info": {"keypoint_id2name": ID2NAME},
         "instance_info": [{"frame_id": 7, "instances": [BACKWARDS]}]}, ["x_000007"], 1),
    "mmpose, lists in a list": ([[INSTANCE, INSTANCE]], ["x"], 2),
    "mmpose, a person's list in a list": ([{"keypoints": [XY], "keypoint_scores": [SCORES]}], ["x"], 1),
    "AlphaPose": ([{"image_id": "0.jpg", "keypoints": FLAT, "score": 2.9, "idx": 1}], ["0"], 1),
    "AlphaPose, OpenPose's form": (
        {"a.jpg": {"people": [{"pose_keypoints_2d": COCO_18}]}, "b.jpg": {"people": []}}, ["a", "b"], 1),
    "AlphaPose, CMU's form": ({"a.jpg": {"version": "x", "bodies": [{"joints": COCO_18}]}}, ["a"], 1),
    "AlphaPose, CMU's form of one image": ({"version": "x", "bodies": [{"joints": COCO_18}]}, ["x"], 1),
    "AlphaPose, tracked": (
        {"a.jpg": [{"keypoints": FLAT, "scores": 2.2, "idx": 7}], "b.jpg": []}, ["a", "b"], 1),
    "OpenPifPaf": ([{"keypoints": FLAT, "bbox": [0, 0, 1, 1], "score": 0.8, "category_id": 1}], ["x"], 1),
    "OpenPifPaf, a frame": ({"frame": 3, "predictions": [{"keypoints": FLAT, "score": 1}]}, ["x_000003"], 1),
    "Ultralytics": ([{"name": "person", "class": 0, "keypoints": COLUMNS}], ["x"], 1),
    "ControlNet, a list": ([{"people": [OPENPOSE], **SIZED, "animals": []}], ["x"], 1),
    "ControlNet, a video": ([{"people": [OPENPOSE], **SIZED}] * 2, FRAMES, 1),
    "an editor of poses": ({"width": 640, "height": 480, "keypoints": [[[x, y] for x, y in XY]]}, ["x"], 1),
    "EasyMocap": (
        {"filename": "images/a.jpg", "height": 480, "width": 640,
         "annots": [{"personID": 3, "keypoints": [BODY_25[i : i + 3] for i in range(0, 75, 3)]}]},
        ["images/a"], 1),
    "Detectron2": ({"instances": {"scores": [0.9, 0.8], "pred_keypoints": [ROWS, ROWS]}}, ["x"], 2),
    "torchvision": (
        {"boxes": [[0] * 4] * 2, "scores": [1, 1],
         "keypoints": [[[x, y, 1] for x, y in XY]] * 2, "keypoints_scores": [SCORES] * 2}, ["x"], 2),
    "rtmlib": ({"keypoints": [XY, XY], "scores": [SCORES, SCORES]}, ["x"], 2),
    "easy_ViTPose": (
        {"keypoints": [{"0": [[y, x, c] for x, y, c in ROWS[::-1]]}], "skeleton": ID2NAME}, ["x"], 1),
    "easy_ViTPose, a video": (
        {"keypoints": [{"0": [[y, x, c] for x, y, c in ROWS[::-1]]}] * 2, "skeleton": ID2NAME}, FRAMES, 1),
    "DWPose": (
        {"bodies": [COCO_18[i : i + 2] for i in range(0, 54, 3)], "body_scores": [[0.8] * 18],
         "hands": [], "faces": []}, ["x"], 1),
    "Roboflow": ({"predictions": [{"x": 1, "y": 2, "confidence": 0.9, "keypoints": NAMED}],
                  "image": {"width": 640, "height": 480}}, ["x"], 1),
    "points with positions": (
        [{"score": 0.9, "keypoints": [{"part": n, "score": 0.8, "position": {"x": x, "y": y}}
                                      for n, (x, y) in zip(COCO, XY, strict=True)]}], ["x"], 1),
    "points by name": (BY_NAME, ["x"], 1),
    "people by number": ({"person_0": {"keypoints": FLAT}, "person_1": {"keypoints": FLAT}}, ["x"], 2),
    "frames of people": ([{"frame_index": i, "people": [{"keypoints": FLAT}]} for i in (0, 1)], FRAMES, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_the_same_people(tmp_path, name):
    document, images, count = FORMS[name]
    write(tmp_path, "x.json", document)
    frames = {frame.stem: frame for frame in read_frames(tmp_path)}
    assert sorted(frames) == sorted(images)
    people = frames[images[0]].people
    assert len(people) == count
    for person in people:
        assert person.problem is None
        found = person.keypoints[[names.POINT_INDEX[point] for point in COCO]]
        assert np.allclose(found[:, :2], [STANDING[point] for point in COCO])
        assert person.doubt is None


@pytest.mark.parametrize("name", ["mmpose, an image", "AlphaPose, OpenPose's form"])
def test_lines_hold_what_lists_do(tmp_path, name):
    document, _, _ = FORMS[name]
    parts = document if isinstance(document, list) else [document]
    write(tmp_path, "x.jsonl", "\n".join(json.dumps(part) for part in parts))
    assert all(person.problem is None for frame in read_frames(tmp_path) for person in frame.people)


IDS = {
    "mmpose": ([{"track_id": 4, **INSTANCE}], "4"),
    "AlphaPose": ([{"image_id": "0.jpg", "keypoints": FLAT, "score": 2.9, "idx": [3.0]}], "3"),
    "EasyMocap": ({"annots": [{"personID": 3, "keypoints": FLAT}]}, "3"),
    "OpenPose": ({"people": [{"person_id": [7], **OPENPOSE}]}, "7"),
    "OpenPose without": ({"people": [{"person_id": [-1], **OPENPOSE}]}, ""),
    "OpenPose, an empty list": ({"people": [{"person_id": [], **OPENPOSE}]}, ""),
    "COCO": ({"annotations": [{"id": 900, "image_id": 1, "keypoints": FLAT}]}, "900"),
}


@pytest.mark.parametrize("name", IDS)
def test_what_the_file_calls_a_person(tmp_path, name):
    document, expected = IDS[name]
    write(tmp_path, "x.json", document)
    (frame,) = read_frames(tmp_path)
    assert frame.people[0].id == expected


SIZES = {
    "canvas": {"people": [OPENPOSE], **SIZED},
    "a list": [{"people": [OPENPOSE], **SIZED}],
    "EasyMocap": {"annots": [{"keypoints": FLAT}], "height": 480, "width": 640},
    "an editor": {"width": 640, "height": 480, "keypoints": [XY]},
}


@pytest.mark.parametrize("name", SIZES)
def test_the_size_that_a_file_states(tmp_path, name):
    write(tmp_path, "x.json", SIZES[name])
    (frame,) = read_frames(tmp_path)
    assert frame.image_size == (640, 480)


IN_3D = {
    "OpenPose": {"people": [{"pose_keypoints_2d": [], "pose_keypoints_3d": [0.1, 1.2, 3.3, 0.9] * 25}]},
    "mmpose": [{"keypoints": [[0.1, 0.2, 0.3]] * 17, "keypoint_scores": SCORES}],
    "Panoptic": {"bodies": [{"id": 0, "joints19": [-10.0, -150.0, 3.0, 0.9] * 19}]},
    "MediaPipe": {"pose_world_landmarks": [{"x": 0.1, "y": 0.2, "z": 0.3}] * 33},
}  # fmt: skip


@pytest.mark.parametrize("name", IN_3D)
def test_3d_points_are_named_as_what_they_are(tmp_path, name):
    write(tmp_path, "x.json", IN_3D[name])
    (frame,) = read_frames(tmp_path)
    assert "3D" in frame.people[0].problem


UNITS = {  # coordinates of a person -> their units
    "pixels": (FLAT, Units.PIXELS),
    "fractions": ([v / 640 if i % 3 < 2 else v for i, v in enumerate(FLAT)], Units.FRACTIONS),
    "signed": ([v / 320 - 1 if i % 3 < 2 else v for i, v in enumerate(FLAT)], Units.SIGNED_FRACTIONS),
}  # fmt: skip


@pytest.mark.parametrize("reader", [OpenPoseReader(), CocoReader(), DetectorReader()])
@pytest.mark.parametrize("name", UNITS)
def test_units(tmp_path, name, reader):
    points, expected = UNITS[name]
    document = {
        OpenPoseReader: {"people": [{"pose_keypoints_2d": points}]},
        CocoReader: [{"keypoints": points, "score": 1}],
        DetectorReader: {"instances": [{"keypoints": points}]},
    }[type(reader)]
    (image,) = reader.read(KeypointFile(write(tmp_path, "x.json", document)))
    assert image.units is expected and image.people[0].problem is None
    assert np.allclose(image.people[0].keypoints[0], points[:3], atol=1e-5)


def test_points_without_confidence_are_read_and_said(tmp_path):
    missing = [[0, 0] if i == 9 else point for i, point in enumerate(XY)]
    for number, points in enumerate(([v for point in missing for v in point], missing)):
        write(tmp_path, f"{number}.json", [{"keypoints": points}])
    for frame in read_frames(tmp_path):
        (person,) = frame.people
        assert person.keypoints[names.POINT_INDEX["left_wrist"], 2] == 0
        assert person.keypoints[0].tolist() == [*STANDING["nose"], 1.0]
        assert [note.about for note in person.notes] == ["points without confidence"]


def test_annotations_go_by_the_names_of_their_category(tmp_path):
    categories = [
        {"id": 1, "keypoints": COCO},
        {"id": 2, "keypoints": ["L Hip", "Nose", "head_top", "RKnee"]},
        {"id": 3, "keypoints": [f"pt{i}" for i in range(17)]},
        {"id": 4, "name": "dog"},
    ]
    points = [1, 2, 2, 3, 4, 2, 5, 6, 2, 7, 8, 1]
    annotations = [
        {"image_id": 1, "category_id": 1, "keypoints": FLAT},
        {"image_id": 1, "category_id": 2, "keypoints": points},
        {"image_id": 1, "category_id": 3, "keypoints": FLAT},
        {"image_id": 1, "category_id": 4, "bbox": [1, 2, 3, 4]},
    ]
    write(tmp_path, "x.json", {"categories": categories, "annotations": annotations,
                               "images": [{"id": 1, "file_name": "a.jpg"}]})  # fmt: skip
    (frame,) = read_frames(tmp_path)
    first, second, third, fourth = frame.people
    assert first.layout is LayoutName.COCO_17 and not first.notes
    seen = {names.POINT_NAMES[i]: second.keypoints[i].tolist()
            for i in np.flatnonzero(second.keypoints[:, 2])}  # fmt: skip
    assert seen == {"left_hip": [1, 2, 1], "nose": [3, 4, 1], "right_knee": [7, 8, 0.5]}
    assert "head_top" in str(second.notes[0])
    assert "pt0" in third.problem and "none of the keys" in fourth.problem


def test_openpose_matrices_are_named(tmp_path):
    path = write(tmp_path, "a_pose.yml", "%YAML:1.0\n---\npose_0: !!opencv-nd-matrix\n")
    assert OpenCvStorageReader().recognises(KeypointFile(path))
    (frame,) = read_frames(tmp_path)
    assert "--write_json" in frame.problem


POSE = [{"x": 0.5, "y": 0.25, "z": 0.0, "visibility": 0.75}] * 33
HAND = [{"x": 0.25, "y": 0.5, "z": 0.0}] * 21
POSE_ROWS = [[0.5, 0.25, 0.0, 0.75]] * 33
MEDIAPIPE = {  # document -> images, people of the first, seen points of body, hands, face
    "Holistic": ({"pose_landmarks": POSE, "left_hand_landmarks": HAND, "right_hand_landmarks": None,
                  "face_landmarks": [{"x": 0.5, "y": 0.5, "z": 0.0}] * 478}, 1, 1, (23, 21, 0, 70)),
    "JavaScript": ({"poseLandmarks": [POSE], "poseWorldLandmarks": [POSE]}, 1, 1, (23, 0, 0, 0)),
    "Pose landmarker": ({"landmarks": [POSE, POSE], "worldLandmarks": [POSE, POSE]}, 1, 2, (23, 0, 0, 0)),
    "Hand landmarker": ({"landmarks": [HAND], "handedness": [[{"categoryName": "Left"}]]}, 1, 1, (0, 21, 0, 0)),
    "messages": ({"pose_landmarks": {"landmark": POSE}}, 1, 1, (23, 0, 0, 0)),
    "rows": ({"pose_landmarks": POSE_ROWS}, 1, 1, (23, 0, 0, 0)),
    "a bare list": (POSE, 1, 1, (23, 0, 0, 0)),
    "frames": ([{"frame": i, "landmarks": POSE} for i in (0, 1)], 2, 1, (23, 0, 0, 0)),
    "frames in an object": ({"frames": [{"pose_landmarks": POSE}] * 2}, 2, 1, (23, 0, 0, 0)),
    "images by name": ({"a.jpg": {"pose_landmarks": POSE}}, 1, 1, (23, 0, 0, 0)),
    "nobody": ({"pose_landmarks": None, "face_landmarks": None}, 1, 0, ()),
}  # fmt: skip


@pytest.mark.parametrize("name", MEDIAPIPE)
def test_mediapipe_landmarks(tmp_path, name):
    document, images, count, expected = MEDIAPIPE[name]
    file = KeypointFile(write(tmp_path, "x.json", document))
    assert MediaPipeReader().recognises(file) and not DetectorReader().recognises(file)
    found = list(MediaPipeReader().read(file))
    assert len(found) == images and len(found[0].people) == count
    for person in found[0].people:
        seen = person.keypoints[:, 2] > 0
        assert tuple(int(seen[part].sum()) for part in names.PARTS.values()) == expected
        assert found[0].units is Units.FRACTIONS
        if expected[0]:
            assert person.keypoints[0].tolist() == [0.5, 0.25, 0.75]
