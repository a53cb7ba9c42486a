"""Points that a body file defines as mixtures, the embedded bodies' own, and their audit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from make_bodies import body_arrays, write

from benchmarks.points import BODY_BONES, ratios, table
from priors.recipes.bodies.detected_points import MOST_PARTS, TABLES
from smplifyx.body.joints import JOINT_INDEX, BodyKind
from smplifyx.body.loading.files import BodyFileError, load_body
from smplifyx.core.choices import Detector
from smplifyx.keypoints import Keypoints, names
from smplifyx.keypoints.layouts import LAYOUTS, MIDPOINTS

SIDES = ("left", "right")
MIXED = {
    "point_names": np.array(["left_heel", "right_knee"]),
    "point_parts": np.array(
        [["left_heel", "left_ankle", "left_ankle"], ["right_knee", "right_ankle", "right_hip"]]
    ),
    "point_shares": np.array([[0.8, 0.2, 0.0], [1.1, 0.1, -0.2]]),
}


def rest_points(path: Path | None, detector: str = "openpose") -> np.ndarray:
    body = load_body(path, detector=detector)
    joints = body.joint_template
    rest = torch.cat([joints, body.v_template])
    table = body.points
    return (rest[table.sources] * table.coefficients[..., None]).sum(1).numpy()


def test_a_mixture_is_between_its_parts(tmp_path: Path) -> None:
    arrays = body_arrays(BodyKind.SMPLX)
    usual = rest_points(write(tmp_path / "usual.npz", arrays))
    mixed = rest_points(write(tmp_path / "mixed.npz", arrays | MIXED))
    heel, ankle, knee, right_ankle, hip = (
        usual[names.POINT_INDEX[name]]
        for name in ("left_heel", "left_ankle", "right_knee", "right_ankle", "right_hip")
    )
    expected = usual.copy()
    expected[names.POINT_INDEX["left_heel"]] = 0.8 * heel + 0.2 * ankle
    expected[names.POINT_INDEX["right_knee"]] = 1.1 * knee + 0.1 * right_ankle - 0.2 * hip
    np.testing.assert_allclose(mixed, expected, atol=1e-6)


def test_parts_may_be_joints_and_vertices(tmp_path: Path) -> None:
    arrays = body_arrays(BodyKind.SMPLX)
    usual = load_body(write(tmp_path / "usual.npz", arrays))
    own = {
        "point_names": np.array(["neck"]),
        "point_parts": np.array([["spine3", "7", "left_shoulder"]]),
        "point_shares": np.array([[0.5, 0.3, 0.2]]),
    }
    mixed = rest_points(write(tmp_path / "mixed.npz", arrays | own))
    spine, shoulder = (
        usual.joint_template[JOINT_INDEX[name]].numpy() for name in ("spine3", "left_shoulder")
    )
    expected = 0.5 * spine + 0.3 * usual.v_template[7].numpy() + 0.2 * shoulder
    np.testing.assert_allclose(mixed[names.POINT_INDEX["neck"]], expected, atol=1e-6)


def test_a_detector_has_its_own_points_beside_everybodys(tmp_path: Path) -> None:
    arrays = body_arrays(BodyKind.SMPLX)
    usual = rest_points(write(tmp_path / "usual.npz", arrays))
    own = MIXED | {
        "point_names": np.array(["left_heel", "left_heel"]),
        "point_parts": np.array([["left_heel", "left_ankle", "left_ankle"]] * 2),
        "point_shares": np.array([[0.8, 0.2, 0.0], [0.5, 0.5, 0.0]]),
        "point_detectors": np.array(["coco", ""]),
    }
    path = write(tmp_path / "own.npz", arrays | own)
    heel, ankle = (usual[names.POINT_INDEX[name]] for name in ("left_heel", "left_ankle"))
    for detector, share in {"coco": 0.8, "openpose": 0.5, "mediapipe": 0.5}.items():
        points = rest_points(path, detector)
        expected = usual.copy()
        expected[names.POINT_INDEX["left_heel"]] = share * heel + (1 - share) * ankle
        np.testing.assert_allclose(points, expected, atol=1e-6)
    assert load_body(path, detector="coco").detector is Detector.COCO
    with pytest.raises(ValueError, match="detector: expected one of"):
        load_body(path, detector="yolo")


FAULTS = {
    "unknown": ("point_names", np.array(["left_hoof", "right_knee"]), "found 'left_hoof'"),
    "no text": ("point_names", np.arange(2), "point_names: found int64 (2,), expected text"),
    "a mean": (
        "point_parts",
        np.full((2, 3), "mid_hip"),
        "found 'mid_hip', expected points that are",
    ),
    "a vertex it has not": ("point_parts", np.full((2, 3), "99999"), "found '99999'"),
    "one part": ("point_parts", np.array([["left_heel"]] * 2), "(2, 1), expected text (2, 3)"),
    "sum": ("point_shares", np.full((2, 3), 0.5), "found rows that sum to 1.5"),
    "nothing": ("point_shares", None, "point_shares: found nothing"),
    "a stranger": (
        "point_detectors",
        np.array(["", "yolo"]),
        "expected one of openpose, coco, halpe, mediapipe",
    ),
    "one owner": ("point_detectors", np.array(["coco"]), "(1,), expected text (2,)"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line(tmp_path: Path, fault: str) -> None:
    key, value, expected = FAULTS[fault]
    arrays = body_arrays(BodyKind.SMPLX) | MIXED
    if value is None:
        del arrays[key]
    else:
        arrays[key] = value
    with pytest.raises(BodyFileError, match=r"^[^\n]*$") as caught:
        load_body(write(tmp_path / "a.npz", arrays))
    assert expected in str(caught.value)


@pytest.mark.parametrize("gender", ["neutral", "female", "male"])
def test_embedded_bodies_look_where_openpose_does(gender: str) -> None:
    body = load_body(None, gender=gender)
    rest = torch.cat([body.joint_template, body.v_template])
    points = (rest[body.points.sources] * body.points.coefficients[..., None]).sum(1)
    at = {name: points[i] for name, i in names.POINT_INDEX.items()}
    length = lambda a, b: float((at[a] - at[b]).norm())  # noqa: E731
    for side in SIDES:
        foot = length(f"{side}_heel", f"{side}_big_toe")
        leg = length(f"{side}_knee", f"{side}_ankle")
        assert 0.45 < foot / leg < 0.53  # triangulated of one man: .49
        # every finger bends at the knuckle: its first bone is longer than the next two
        for finger in ("index", "middle", "ring", "pinky"):
            bones = [length(f"{side}_{finger}_{i}", f"{side}_{finger}_{i + 1}") for i in (1, 2, 3)]
            assert bones[0] > 1.35 * bones[1] and bones[0] > 1.4 * bones[2]
            palm = length(f"{side}_hand_wrist", f"{side}_{finger}_1")
            assert 1.7 < palm / bones[0] < 2.7
    shoulders = [body.joint_template[JOINT_INDEX[f"{side}_shoulder"]] for side in SIDES]
    above = at["neck"] - torch.stack(shoulders).mean(0)
    assert above[0].abs() < 1e-5 and 0.012 < float(above[1]) < 0.022
    inwards, up, _ = (at["left_shoulder"] - shoulders[0]).tolist()
    assert -0.012 < inwards < -0.006 and 0.007 < up < 0.013
    mirror = torch.tensor([-1.0, 1.0, 1.0])
    assert (at["right_shoulder"] * mirror - at["left_shoulder"]).norm() < 1e-5
    for own in TABLES.values():
        for name, mixture in own.items():
            assert sum(mixture.values()) == pytest.approx(1.0)
            assert name in ("neck", "mid_hip") or name in mixture
            assert len(mixture) <= MOST_PARTS


def test_computed_points_are_the_means_they_are_computed_as() -> None:
    for detector in {layout.detector.value for layout in LAYOUTS.values() if layout.midpoints}:
        points = rest_points(None, detector)
        for target, ends in MIDPOINTS.items():
            if target == "neck" and detector in ("openpose", "halpe"):
                continue  # they see a neck of their own
            middle = np.mean([points[names.POINT_INDEX[end]] for end in ends], 0)
            assert np.linalg.norm(points[names.POINT_INDEX[target]] - middle) < 0.004


def flat_result(stretch: float) -> Any:
    """Somebody in a plane 2 m away whose picture is `stretch` times as large as the body."""
    rng = np.random.default_rng(0)
    flat = torch.as_tensor(rng.normal(0, 0.3, (1, names.COUNT, 2)), dtype=torch.float32)
    points = torch.cat([flat, torch.full((1, names.COUNT, 1), 2.0)], -1)
    pixels = 500 * stretch * flat + 300
    keypoints = Keypoints.from_array(torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1))
    camera = SimpleNamespace(K=torch.tensor([[[1000.0, 0, 300], [0, 1000.0, 300], [0, 0, 1.0]]]))
    return SimpleNamespace(points3d=points, keypoints=keypoints, camera=camera)


@pytest.mark.parametrize(("stretch", "good"), [(1.0, 16), (0.9, 0), (1.2, 0)])
def test_the_audit_tells_bones_that_are_too_long_or_short(stretch: float, good: int) -> None:
    found = ratios(flat_result(stretch), [0])
    body = {name: found[name] for name in BODY_BONES}
    for lengths in body.values():
        np.testing.assert_allclose(lengths, stretch, rtol=1e-4)
    often = {name: lengths * 8 for name, lengths in body.items()}
    assert f"{good} of 16 bones" in table(often)
