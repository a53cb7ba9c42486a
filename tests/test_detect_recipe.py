"""The MediaPipe recipe: its index tables and its rules, without MediaPipe; the keypoints that it
made.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from smplifyx.keypoints import names

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
def recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "detect_mediapipe", ROOT / "examples/recipes/detect_mediapipe.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


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


def _face_pairs(recipe: ModuleType) -> list[tuple[int, int]]:
    return list(recipe.FACE68_FROM_MESH) + [(i, i) for i in recipe.PUPILS_FROM_MESH]


def _whole_pose(visibility: float = 0.9) -> np.ndarray:
    """MediaPipe's 33 points at places that tell them apart."""
    return np.array([(10.0 * i + 5, 7.0 * i + 3, 0.0, visibility) for i in range(33)])


# MediaPipe's own names of the 33 points, in OpenPose's words: heels 29/30, one point at the front
# of each foot 31/32.
@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("nose", 0), ("right_shoulder", 12), ("right_elbow", 14), ("right_wrist", 16), ("left_shoulder", 11),
        ("left_elbow", 13), ("left_wrist", 15), ("right_hip", 24), ("right_knee", 26), ("right_ankle", 28),
        ("left_hip", 23), ("left_knee", 25), ("left_ankle", 27), ("right_eye", 5), ("left_eye", 2), ("right_ear", 8),
        ("left_ear", 7), ("left_big_toe", 31), ("left_heel", 29), ("right_big_toe", 32), ("right_heel", 30),
        ("left_small_toe", -1), ("right_small_toe", -1), ("neck", -1), ("mid_hip", -1),
    ],
)  # fmt: skip
def test_body_table_by_name(recipe: ModuleType, name: str, index: int) -> None:
    assert recipe.BODY25_FROM_POSE[names.POINT_INDEX[name]] == index


@pytest.mark.parametrize(
    ("table", "count", "low", "high"),
    [
        ("BODY25_FROM_POSE", 25, -1, 32),
        ("FACE68_FROM_MESH", 68, 0, 467),
        ("PUPILS_FROM_MESH", 2, 468, 477),
    ],
)
def test_table_ranges(recipe: ModuleType, table: str, count: int, low: int, high: int) -> None:
    values = np.array(getattr(recipe, table))
    assert len(values) == count
    assert low <= values.min() and values.max() <= high
    used = [tuple(np.atleast_1d(row)) for row in values if np.min(row) >= 0]
    assert len(set(used)) == len(used)


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


@pytest.mark.parametrize("point", range(70))
def test_face_table_mirrors(recipe: ModuleType, point: int) -> None:
    pairs, mirror = _face_pairs(recipe), _mesh_mirror()
    assert {mirror[i] for i in pairs[point]} == set(pairs[FACE_MIRROR[point]])


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


def test_neck_and_mid_hip_are_means_with_the_smaller_confidence(recipe: ModuleType) -> None:
    pose = _whole_pose()
    pose[12, 3] = 0.4
    body = recipe.body25(pose, SIZE, recipe.Trust())
    np.testing.assert_allclose(body[1], [(125 + 115) / 2, (87 + 80) / 2, 0.4])
    np.testing.assert_allclose(body[8], [(235 + 245) / 2, (164 + 171) / 2, 0.9])
    assert (body[[20, 23]] == 0).all()


@pytest.mark.parametrize(
    ("xyzv", "kept"),
    [
        ((500, 700, 0, 0.9), True), ((500, 700, 0, 0.31), True), ((500, 700, 0, 0.29), False),
        ((500, 801, 0, 0.9), False), ((-1, 700, 0, 0.9), False), ((1000, 700, 0, 0.9), False),
    ],
)  # fmt: skip
def test_unseen_and_outside_points_are_zero(
    recipe: ModuleType, xyzv: tuple[float, ...], kept: bool
) -> None:
    pose = _whole_pose()
    pose[26] = xyzv  # right knee
    knee = recipe.body25(pose, SIZE, recipe.Trust())[10]
    np.testing.assert_allclose(knee, (*xyzv[:2], xyzv[3]) if kept else (0, 0, 0))


@pytest.mark.parametrize(
    ("gap", "wrist_confidence", "count"),
    [(0.0, 0.9, 21), (1.4, 0.9, 21), (1.6, 0.9, 0), (0.0, 0.0, 0)],
)
def test_a_hand_must_start_at_its_wrist(
    recipe: ModuleType, gap: float, wrist_confidence: float, count: int
) -> None:
    hand = np.column_stack(
        [np.linspace(100, 300, 21), np.full(21, 50.0), np.zeros(21), np.zeros(21)]
    )
    palm = hand[17, 0] - hand[0, 0]
    points = recipe.hand21(
        hand, np.array([100.0, 50.0 + gap * palm, wrist_confidence]), SIZE, recipe.Trust()
    )
    assert points.shape == (21, 3)
    assert (points[:, 2] > 0).sum() == count


@pytest.mark.parametrize(("degrees", "dimmed"), [(0, None), (-20, None), (50, 69), (-50, 68)])
def test_the_far_side_of_a_turned_face_is_believed_less(
    recipe: ModuleType, degrees: float, dimmed: int | None
) -> None:
    trust, turn = recipe.Trust(), np.radians(degrees)
    mesh = np.tile([500.0, 400.0, 0.0, 0.0], (478, 1))
    for right, left in ((468, 473), (234, 454)):
        mesh[[right, left], 0] = 500 + np.array([-60, 60]) * np.cos(turn)
        mesh[[right, left], 2] = np.array([-60, 60]) * np.sin(turn)
    face = recipe.face70(mesh, SIZE, trust)
    low = [i for i in (68, 69) if face[i, 2] < trust.face]
    assert low == ([] if dimmed is None else [dimmed])


def test_nothing_found_is_zero_everywhere(recipe: ModuleType) -> None:
    assert (recipe.face70(None, SIZE, recipe.Trust()) == 0).all()
    assert (recipe.hand21(None, np.ones(3), SIZE, recipe.Trust()) == 0).all()
    assert recipe.to_openpose([]) == {"version": 1.3, "people": []}


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
