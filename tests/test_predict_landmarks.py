"""MediaPipe's landmarks as canonical points, without MediaPipe; the keypoints that it made of a photo."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smplifyx.keypoints import names
from smplifyx.keypoints.face_mesh import face_of_mesh
from smplifyx.predict.landmarks import (
    HandLandmarks,
    PersonLandmarks,
    Trust,
    detected,
    square_of,
)
from smplifyx.predictions.prediction import Axes

ROOT = Path(__file__).parents[1]
SIZE = (1000, 800)

# Chains of MediaPipe's face mesh (its FACEMESH_* connections), walked the same way on both sides of
# the subject.
RIGHT_CHAINS = (
    (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148),  # oval, ear to chin
    (70, 63, 105, 66, 107), (46, 53, 52, 65, 55),  # brow, outer to inner: upper and lower row
    # upper lid, lower lid
    (33, 246, 161, 160, 159, 158, 157, 173, 133), (7, 163, 144, 145, 153, 154, 155),
    # lips: corner to middle
    (61, 185, 40, 39, 37), (146, 91, 181, 84), (78, 191, 80, 81, 82), (95, 88, 178, 87),
    (64, 98, 97), (468,),  # nose base, iris
)  # fmt: skip
LEFT_CHAINS = (
    (356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    (300, 293, 334, 296, 336), (276, 283, 282, 295, 285),
    (263, 466, 388, 387, 386, 385, 384, 398, 362), (249, 390, 373, 374, 380, 381, 382),
    (291, 409, 270, 269, 267), (375, 321, 405, 314), (308, 415, 310, 311, 312), (324, 318, 402, 317),
    (294, 327, 326), (473,),
)  # fmt: skip
MIDLINE = {10, 168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 0, 13, 14, 17, 152}

# Where each of the 70 face points goes when a face is mirrored.
FACE_MIRROR = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65, 69, 68,
)  # fmt: skip


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    person = json.loads((ROOT / "examples/data/keypoints/astronaut_keypoints.json").read_text())[
        "people"
    ][0]
    order = ("pose", "hand_left", "hand_right", "face")
    return np.concatenate([np.reshape(person[f"{part}_keypoints_2d"], (-1, 3)) for part in order])


def _mesh_mirror() -> dict[int, int]:
    pairs = [
        pair
        for right, left in zip(RIGHT_CHAINS, LEFT_CHAINS, strict=True)
        for pair in zip(right, left, strict=True)
    ]
    return {a: b for a, b in pairs} | {b: a for a, b in pairs} | {i: i for i in MIDLINE}


def _face_pairs() -> list[tuple[int, int]]:
    """The two points of the mesh whose mean each face point is, found from where it goes."""
    number = np.arange(478.0)
    mean, mean_of_squares = face_of_mesh(np.column_stack([number, number**2])).T
    apart = np.sqrt(np.maximum(mean_of_squares - mean**2, 0))
    low, high = (mean - apart).round().astype(int), (mean + apart).round().astype(int)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def person(**changes: object) -> PersonLandmarks:
    """Somebody whose 33 points are at places that tell them apart, in pixels and in metres."""
    number = np.arange(33.0)
    somebody = PersonLandmarks(
        pose=np.column_stack([10 * number + 5, 7 * number + 3]),
        visibility=np.full(33, 0.9),
        world=np.column_stack([number, -number, number / 2]),
    )
    return replace(somebody, **changes)


def point(marks: PersonLandmarks, name: str) -> np.ndarray:
    return detected(marks, SIZE, Trust()).keypoints[names.POINT_INDEX[name]]


def point3d(marks: PersonLandmarks, name: str) -> np.ndarray:
    prediction = detected(marks, SIZE, Trust()).prediction
    assert prediction is not None
    return prediction.points[names.POINT_INDEX[name]]


def test_the_face_is_of_points_that_only_it_has() -> None:
    pairs = _face_pairs()
    assert len(set(pairs)) == 70 and pairs[68:] == [(468, 468), (473, 473)]
    assert np.isnan(face_of_mesh(np.zeros((468, 2)))[68:]).all()


def test_face_mirror_is_an_involution_that_keeps_parts() -> None:
    mirror = np.array(FACE_MIRROR)
    assert (mirror[mirror] == np.arange(70)).all()
    swapped = [
        name.replace("right", "?").replace("left", "right").replace("?", "left")
        for name in names.POINT_NAMES[67:]
    ]
    parts = [
        name.rsplit("_", 1)[0] if name.startswith("face") else name
        for name in names.POINT_NAMES[67:]
    ]
    mirrored = [name.rsplit("_", 1)[0] if name.startswith("face") else name for name in swapped]
    assert [parts[i] for i in mirror] == mirrored


@pytest.mark.parametrize("index", range(70))
def test_face_table_mirrors(index: int) -> None:
    pairs, mirror = _face_pairs(), _mesh_mirror()
    assert {mirror[i] for i in pairs[index]} == set(pairs[FACE_MIRROR[index]])


@pytest.mark.parametrize(
    "chain",
    [range(17), range(17, 22), range(22, 27), range(31, 36), (36, 37, 38, 39), (42, 43, 44, 45), range(48, 55),
     range(60, 65)],
)  # fmt: skip
def test_face_chains_run_from_the_subjects_right_to_left(
    astronaut: np.ndarray, chain: range
) -> None:
    # she faces the camera: her right is the picture's left
    assert (np.diff(astronaut[names.FACE][list(chain), 0]) > -0.5).all()


def test_neck_and_mid_hip_are_means_with_the_smaller_confidence() -> None:
    visibility = np.full(33, 0.9)
    visibility[12] = 0.4
    marks = person(visibility=visibility)
    np.testing.assert_allclose(point(marks, "neck"), [120, 83.5, 0.4], rtol=1e-6)
    np.testing.assert_allclose(point(marks, "mid_hip"), [240, 167.5, 0.9], rtol=1e-6)
    np.testing.assert_allclose(point3d(marks, "neck"), [11.5, -11.5, 5.75])
    np.testing.assert_allclose(point3d(marks, "mid_hip"), [23.5, -23.5, 11.75])


def test_small_toes_and_face_have_no_place_in_3d() -> None:
    assert (point(person(), "left_small_toe") == 0).all()
    assert np.isnan(point3d(person(), "left_small_toe")).all()
    prediction = detected(person(), SIZE, Trust()).prediction
    assert prediction is not None and np.isnan(prediction.points[names.FACE]).all()
    assert prediction.axes is Axes.CROP and prediction.system == "mediapipe"


@pytest.mark.parametrize(
    ("xy", "visibility", "in_picture", "in_3d"),
    [
        ((500, 700), 0.9, True, True),
        ((500, 700), 0.31, True, True),
        ((500, 700), 0.29, False, False),
        ((500, 801), 0.9, False, True),
        ((-1, 700), 0.9, False, True),
        ((1000, 700), 0.9, False, True),
    ],
)
def test_what_is_not_seen_is_not_told(
    xy: tuple[float, float], visibility: float, in_picture: bool, in_3d: bool
) -> None:
    pose, visible = person().pose, person().visibility
    pose[26], visible[26] = xy, visibility
    marks = person(pose=pose, visibility=visible)
    expected = (*xy, visibility) if in_picture else (0, 0, 0)
    np.testing.assert_allclose(point(marks, "right_knee"), expected, rtol=1e-6)
    assert np.isfinite(point3d(marks, "right_knee")).all() == in_3d


@pytest.mark.parametrize(
    ("gap", "visibility", "count"), [(0.0, 0.9, 21), (1.4, 0.9, 21), (1.6, 0.9, 0), (0.0, 0.0, 0)]
)
def test_a_hand_must_start_at_its_wrist(gap: float, visibility: float, count: int) -> None:
    visible = np.full(33, 0.9)
    visible[15] = visibility
    wrist = person().pose[15]
    pixels = wrist + np.column_stack([np.linspace(0, 200, 21), np.zeros(21)])
    palm = np.linalg.norm(pixels[17] - pixels[0])
    world = np.column_stack([np.linspace(0.3, 0.5, 21), np.ones(21), np.zeros(21)])
    hand = HandLandmarks(pixels + (gap * palm, 0), world)
    marks = person(left_hand=hand, visibility=visible)
    found = detected(marks, SIZE, Trust())
    assert (found.keypoints[names.LEFT_HAND, 2] > 0).sum() == count
    assert found.prediction is not None
    points = found.prediction.points[names.LEFT_HAND]
    if count:  # it hangs at the body's wrist, in its own size
        np.testing.assert_allclose(points[0], marks.world[15])
        np.testing.assert_allclose(points[20] - points[0], [0.2, 0, 0], atol=1e-5)
    else:
        assert np.isnan(points).all()
    assert np.isnan(found.prediction.points[names.RIGHT_HAND]).all()


def test_a_hand_without_metres_is_seen_and_not_told_in_3d() -> None:
    pixels = person().pose[16] + np.column_stack([np.linspace(0, 200, 21), np.zeros(21)])
    found = detected(person(right_hand=HandLandmarks(pixels, None)), SIZE, Trust())
    assert (found.keypoints[names.RIGHT_HAND, 2] > 0).all()
    assert found.prediction is not None
    assert np.isnan(found.prediction.points[names.RIGHT_HAND]).all()


@pytest.mark.parametrize(("degrees", "dimmed"), [(0, None), (-20, None), (50, 69), (-50, 68)])
def test_the_far_side_of_a_turned_face_is_believed_less(degrees: float, dimmed: int | None) -> None:
    trust, turn = Trust(), np.radians(degrees)
    mesh = np.tile([500.0, 400.0, 0.0], (478, 1))
    for right, left in ((468, 473), (234, 454)):
        mesh[[right, left], 0] = 500 + np.array([-60, 60]) * np.cos(turn)
        mesh[[right, left], 2] = np.array([-60, 60]) * np.sin(turn)
    keypoints = detected(person(mesh=mesh), SIZE, trust).keypoints
    pupils = keypoints[names.FACE][68:]
    low = [68 + i for i in (0, 1) if pupils[i, 2] < trust.face - 1e-6]
    assert low == ([] if dimmed is None else [dimmed])
    # the body's eyes are where the mesh has the pupils
    np.testing.assert_allclose(keypoints[[15, 16], :2], pupils[:, :2])


def test_a_mesh_without_irises_has_no_pupils_but_eyes() -> None:
    mesh = np.tile([500.0, 400.0, 0.0], (468, 1))
    mesh[[234, 454], 0] = 440, 560
    found = detected(person(mesh=mesh), SIZE, Trust()).keypoints
    assert (found[names.FACE][68:] == 0).all() and (found[names.FACE][:68, 2] > 0).all()
    np.testing.assert_allclose(found[15], [500, 400, 0.9], rtol=1e-6)


def test_the_square_is_about_the_hips_and_holds_everything() -> None:
    left, top, right, bottom = square_of(person())
    assert ((left + right) / 2, (top + bottom) / 2) == (240.0, 167.5)
    assert right - left == bottom - top
    assert (person().pose >= (left, top)).all() and (person().pose <= (right, bottom)).all()


def test_shifted_moves_what_is_in_pixels() -> None:
    hand = HandLandmarks(np.zeros((21, 2)), np.ones((21, 3)))
    mesh = np.zeros((468, 3))
    moved = person(left_hand=hand, mesh=mesh).shifted(np.array([30.0, 40.0]))
    assert (moved.pose - person().pose == (30, 40)).all()
    assert moved.left_hand is not None and (moved.left_hand.pixels == (30, 40)).all()
    assert moved.mesh is not None and (moved.mesh == (30, 40, 0)).all()
    assert (moved.world == person().world).all() and (moved.left_hand.world == 1).all()


def test_astronaut_is_valid_openpose(astronaut: np.ndarray) -> None:
    assert astronaut.shape == (names.COUNT, 3)
    assert np.isfinite(astronaut).all()
    xy, confidence = astronaut[:, :2], astronaut[:, 2]
    assert (confidence >= 0).all() and (confidence <= 1).all()
    assert ((xy >= 0) & (xy < 512)).all()
    assert (xy[confidence == 0] == 0).all()


@pytest.mark.parametrize(
    ("part", "count"), [("body", 11), ("left_hand", 0), ("right_hand", 0), ("face", 70)]
)  # legs, made up by MediaPipe below the picture, must not come through
def test_astronaut_seen_points(astronaut: np.ndarray, part: str, count: int) -> None:
    assert (astronaut[names.PARTS[part], 2] > 0).sum() == count


def test_astronaut_face_agrees_with_its_body(astronaut: np.ndarray) -> None:
    eyes = astronaut[[names.POINT_INDEX["right_eye"], names.POINT_INDEX["left_eye"]], :2]
    np.testing.assert_allclose(astronaut[[135, 136], :2], eyes, atol=5)
    assert eyes[0, 0] < eyes[1, 0]
