"""Detectors' cards, and generated people as hard as real ones."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from cases import embedded_body
from mocap_data import random_poses

from benchmarks.multiview import UPRIGHT, markers_of, matrices_of, places_of
from priors.recipes.detectors.build import Errors, points_of
from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.body.model import BodyModel
from smplifyx.camera import Camera
from smplifyx.config import ConfigError
from smplifyx.core import assets
from smplifyx.data import bone_lengths
from smplifyx.data.as_detected import as_detected
from smplifyx.data.detector_noise import (
    BANDS,
    GROUPS,
    NoiseTable,
    group_of,
    load_detector_noise,
)
from smplifyx.data.draws import Draws
from smplifyx.data.self_occlusion import hidden_points, margins
from smplifyx.data.synthetic import REAL, GeneratedPeople, GenerateOptions, generate_people
from smplifyx.keypoints import Keypoints, names
from smplifyx.viz.zbuffer import fill_numpy

COUNT = 12
QUICK = replace(REAL, solid=False)
# of the usual protocol, as before there was another, on the body and hands of today: x, y, confidence
# of the first three points of person 0, and where person 5 stands
KEYPOINTS_BEFORE = [634.42, 270.953, 0.679, 569.803, 329.171, 0.907, 579.073, 298.429, 0.732]
PLACE_BEFORE = [-0.13398, 0.59241, 3.56002]


def _body() -> BodyModel:
    return embedded_body(torch.float32)


@lru_cache(maxsize=2)
def _real(seed: int = 0) -> GeneratedPeople:
    return generate_people(_body(), random_poses(9), COUNT, seed, QUICK)


# ---- the card


@pytest.mark.parametrize("detector", ["openpose", "mediapipe"])
def test_the_cards_that_ship(detector: str) -> None:
    noise = load_detector_noise(detector)
    assert set(noise.points) == set(GROUPS)
    for point in noise.points.values():
        unsure, _, sure = point.sigma_by_confidence_m
        assert 0.001 < sure <= point.sigma_m < 0.04
        assert sure < unsure and point.gross < 0.2 and point.gross_m > point.sigma_m
    assert noise.points["hip"].sigma_m > 2 * noise.points["eye"].sigma_m


def test_mediapipe_never_sees_a_small_toe_and_all_of_a_hand_or_none() -> None:
    points = load_detector_noise("mediapipe").points
    assert points["small_toe"].bands == points["small_toe"].bands_hidden == (1, 0, 0, 0)
    assert points["small_toe"].sigma_m == points["big_toe"].sigma_m
    for name in ("hands", "face", "contour"):
        assert points[name].bands[1:3] == (0, 0)


def test_left_and_right_are_one() -> None:
    assert group_of(names.POINT_INDEX["left_knee"]) == group_of(names.POINT_INDEX["right_knee"])
    assert {group_of(i) for i in range(names.COUNT)[names.LEFT_HAND]} == {"hands"}
    assert {group_of(i) for i in range(names.COUNT)[names.CONTOUR]} == {"contour"}


FAULTS = {
    "missing points: nose": lambda card: card["points"].pop("nose"),
    "unknown points: tail": lambda card: card["points"].update(tail=card["points"]["nose"]),
    "sigma_m": lambda card: card["points"]["nose"].update(sigma_m=-0.01),
    "gross": lambda card: card["points"]["nose"].update(gross=1.5),
    "add up to 1": lambda card: card["points"]["nose"].update(bands=[0.5, 0.1, 0.1, 0.1]),
    "metres above 0": lambda card: card["points"]["nose"].update(sigma_by_confidence_m=[0, 1, 1]),
    "colour": lambda card: card.update(colour="red"),
    "expected toes, heel, head, hips": lambda card: card.update(shared={"tail": 0.5}),
}


@pytest.mark.parametrize("told", FAULTS)
def test_faults_of_a_card_are_one_line(told: str, tmp_path: Path) -> None:
    path = assets.folder("priors") / "detectors" / "openpose.yaml"
    card = yaml.safe_load(path.read_text(encoding="utf-8"))
    FAULTS[told](card)
    faulty = tmp_path / "faulty.yaml"
    faulty.write_text(yaml.safe_dump(card), encoding="utf-8")
    with pytest.raises(ConfigError) as fault:
        load_detector_noise(faulty)
    assert told in str(fault.value) and "\n" not in str(fault.value)


def test_a_detector_without_a_card() -> None:
    with pytest.raises(ConfigError, match="nobody.yaml"):
        generate_people(_body(), random_poses(9), 1, 0, replace(QUICK, detector="nobody"))


def test_the_recipe_finds_the_scale_the_gross_and_the_bands() -> None:
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(len(GROUPS)), 4000)
    band = generator.integers(0, BANDS, len(group))
    sigma = np.where(band == 1, 0.02, 0.01)  # the least sure are twice as far off
    length = sigma * np.linalg.norm(generator.normal(size=(len(group), 2)), axis=1)
    is_gross = generator.random(len(group)) < 0.05
    length = np.where(is_gross, 0.3, length)
    length = np.where(band == 0, np.nan, length)
    size = generator.uniform(100, 400, len(group))
    found = points_of(Errors(group, band, generator.random(len(group)) < 0.5, length, size))
    knee = found["knee"]
    assert knee["sigma_by_confidence_m"] == pytest.approx([0.021, 0.0105, 0.0105], rel=0.08)
    assert knee["gross"] == pytest.approx(0.07, abs=0.03)
    assert knee["bands"] == pytest.approx([0.25] * 4, abs=0.03)
    assert knee["bands_hidden"] == pytest.approx([0.25] * 4, abs=0.03)


# ---- people


def test_same_seed_same_people() -> None:
    again = generate_people(_body(), random_poses(9), COUNT, 0, QUICK)
    assert torch.equal(again.keypoints.to_array(), _real().keypoints.to_array())
    assert torch.equal(again.points.nan_to_num(), _real().points.nan_to_num())
    assert not torch.equal(_real(1).points.nan_to_num(), _real().points.nan_to_num())


def test_what_is_real_is_drawn_apart() -> None:
    plain = generate_people(
        _body(), random_poses(9), COUNT, 0, replace(QUICK, detector=None, segment_sd=0.0)
    )
    assert torch.equal(plain.truth.transl, _real().truth.transl)
    assert torch.equal(plain.truth.body_pose, _real().truth.body_pose)
    assert torch.equal(plain.camera.K, _real().camera.K)


def test_the_usual_protocol_is_as_it_was() -> None:
    """Numbers of before there was another, to a hundredth of a pixel on any machine."""
    people = generate_people(_body(), random_poses(9), 24, 0, GenerateOptions())
    found = people.keypoints.to_array()
    assert found[0, :3].flatten().tolist() == pytest.approx(KEYPOINTS_BEFORE, abs=0.01)
    assert people.truth.transl[5].tolist() == pytest.approx(PLACE_BEFORE, abs=1e-4)
    points = skinning.points(_body(), people.truth)
    assert torch.equal(people.points.nan_to_num(), points.nan_to_num())


# ---- segments


def test_segments_are_as_long_as_asked() -> None:
    body, people = _body(), _real().truth
    factors = torch.ones(COUNT, len(bone_lengths.SEGMENTS))
    factors[:, list(bone_lengths.SEGMENTS).index("shin")] = 1.1
    shifts = bone_lengths.joint_shifts(body, people, factors)
    before = skinning.joints(body, people)
    ratio = _length(before + shifts, "left_knee", "left_ankle") / _length(
        before, "left_knee", "left_ankle"
    )
    assert torch.allclose(ratio, torch.tensor(1.1), atol=1e-4)
    assert (shifts[:, JOINT_INDEX["left_knee"]] == 0).all()
    moved = bone_lengths.moved(body, skinning.points(body, people), shifts)
    knee, heel = (names.POINT_INDEX[f"right_{name}"] for name in ("knee", "heel"))
    assert (moved - skinning.points(body, people))[:, heel].norm(dim=-1).min() > 0.02
    assert (moved - skinning.points(body, people))[:, knee].norm(dim=-1).max() < 0.004


def _length(joints: torch.Tensor, start: str, end: str) -> torch.Tensor:
    return (joints[:, JOINT_INDEX[start]] - joints[:, JOINT_INDEX[end]]).norm(dim=-1)


def test_factors_are_as_wide_as_asked() -> None:
    factors = bone_lengths.segment_factors(Draws.seeded(0, 4000).normal(9), 0.05)
    assert factors.log().std() == pytest.approx(0.05, rel=0.03)


def test_people_have_bones_of_their_own() -> None:
    body, people = _body(), _real()
    usual = skinning.points(body, people.truth)
    elbow, wrist = (names.POINT_INDEX[f"left_{name}"] for name in ("elbow", "wrist"))
    own = (people.points[:, elbow] - people.points[:, wrist]).norm(dim=-1)
    ratio = own / (usual[:, elbow] - usual[:, wrist]).norm(dim=-1)
    assert 0.02 < ratio.log().std() < 0.1


# ---- what the body hides


def test_hidden_points_are_behind_the_mesh() -> None:
    """A depth buffer of the mesh says the same."""
    body = _body()
    options = replace(QUICK, segment_sd=0.0, detector=None)
    people = generate_people(body, random_poses(9), 6, 3, options)
    hidden = hidden_points(body, people.truth, people.points)
    vertices = skinning.vertices(body, people.truth)
    pixels = people.camera.project(vertices)
    behind = torch.zeros_like(hidden)
    for person in range(len(hidden)):
        corners = torch.cat([pixels[person], vertices[person, :, 2:]], -1).double().numpy()
        depth, _ = fill_numpy(
            corners, body.faces.numpy(), np.zeros((len(corners), 3)), (1000, 1000)
        )
        at = people.camera[person].project(people.points[person]).nan_to_num(nan=0.0).long()
        before = people.points[person, :, 2] - torch.from_numpy(depth)[at[:, 1], at[:, 0]]
        behind[person] = before > body.derived(margins)
        assert (before[hidden[person]] > 0).all()
    assert 0.05 < hidden.float().mean() < 0.7
    # the head's and the feet's spheres are coarser: a point at its margin may go either way
    assert (hidden == behind).float().mean() > 0.9
    fine = [i for i in range(names.COUNT) if group_of(i) in ("hip", "knee", "wrist", "hands")]
    assert (hidden == behind)[:, fine].float().mean() > 0.95


def test_a_face_turned_away_is_hidden() -> None:
    away = replace(QUICK, yaw=(180.0, 180.0), segment_sd=0.0, pitch=(0.0, 0.0))
    turned = generate_people(_body(), random_poses(9), 4, 0, away)
    towards = generate_people(_body(), random_poses(9), 4, 0, replace(away, yaw=(0.0, 0.0)))
    face = slice(names.CONTOUR.stop, names.FACE.stop)
    hidden_away, hidden_towards = (
        hidden_points(_body(), each.truth, each.points)[:, face].float().mean()
        for each in (turned, towards)
    )
    assert hidden_away > hidden_towards + 0.5
    seen_away, seen_towards = (
        (each.keypoints.confidence[:, face] > 0).float().mean() for each in (turned, towards)
    )
    assert seen_away < seen_towards


# ---- what is detected


def test_errors_are_those_of_the_card() -> None:
    count, depth, focal = 4000, 4.0, 640.0  # 160 pixels a metre
    points = torch.zeros(count, names.COUNT, 3)
    points[..., 2] = depth
    camera = Camera.from_focal(torch.full((count,), focal), (4000, 4000))
    table = NoiseTable.of(load_detector_noise())
    hidden = torch.zeros(count, names.COUNT, dtype=torch.bool)
    hidden[: count // 2] = True
    found = as_detected(points, hidden, camera, table, Draws.seeded(0, count))
    knee = names.POINT_INDEX["left_knee"]
    metres = (found.xy[:, knee] - 2000).norm(dim=-1) * depth / focal
    confidence = found.confidence[:, knee]
    card = load_detector_noise().points["knee"]
    usual = card.sigma_by_confidence_m[-1] * float(table.size_factors[1])
    for those, factor in ((~hidden[:, knee], 1.0), (hidden[:, knee], card.hidden_factor)):
        sigma = float(metres[those & (confidence > 0.6)].median()) / 1.1774
        assert sigma == pytest.approx(factor * usual * (1 + card.gross), rel=0.1)
    assert card.hidden_factor > 1.3
    assert _alike(found, "left_big_toe", "left_small_toe") > 0.3
    assert abs(_alike(found, "left_big_toe", "right_big_toe")) < 0.1
    assert abs(_alike(found, "left_big_toe", "left_knee")) < 0.1
    seen = confidence > 0
    assert 1 - seen[count // 2 :].float().mean() == pytest.approx(card.bands[0], abs=0.02)
    assert 1 - seen[: count // 2].float().mean() == pytest.approx(card.bands_hidden[0], abs=0.03)
    assert found.confidence[found.confidence > 0].min() >= 0.1


def _alike(found: Keypoints, first: str, second: str) -> float:
    """The correlation of two points' errors, where both are sure and neither is gross."""
    pair = [names.POINT_INDEX[name] for name in (first, second)]
    errors = found.xy[:, pair] - 2000
    usual = (found.confidence[:, pair] > 0.6) & (errors.norm(dim=-1) < 6)
    return float(torch.corrcoef(errors[usual.all(-1)].transpose(0, 1).flatten(1))[0, 1])


def test_nearer_people_have_larger_errors_in_pixels() -> None:
    points = torch.zeros(2, names.COUNT, 3)
    points[0, :, 2], points[1, :, 2] = 2.0, 8.0
    camera = Camera.from_focal(torch.full((2,), 800.0), (4000, 4000))
    hidden = torch.zeros(2, names.COUNT, dtype=torch.bool)
    found = as_detected(
        points, hidden, camera, NoiseTable.of(load_detector_noise()), Draws.seeded(0, 2)
    )
    near, far = (
        (found.xy[i][found.confidence[i] > 0] - 2000).norm(dim=-1).median() for i in (0, 1)
    )
    assert near == pytest.approx(4 * float(far), rel=0.5)


def test_the_four_cameras_are_read() -> None:
    labels = "Frame#\tTime\tRBigToe\t\t\tNeck\t\t\tLHip"
    trc = "\n".join(["", "", "", labels, "", "1\t0.0\t1\t2\t3\t4\t5\t6\t7\t8\t9"])
    points = markers_of(trc)
    assert UPRIGHT == (2, 0, 1)  # z up, where the file has y up
    assert points[0, names.POINT_INDEX["right_big_toe"]].tolist() == [3, 1, 2]
    assert points[0, names.POINT_INDEX["left_hip"]].tolist() == [9, 7, 8]
    assert np.isfinite(points).all(-1).sum() == 2, "the neck is not one that others mean"
    matrices = matrices_of(
        "[cam]\nmatrix = [ [ 2.0, 0.0, 1.0], [ 0.0, 2.0, 1.0], [ 0.0, 0.0, 1.0]]\n"
    )
    assert matrices.shape == (1, 3, 3) and matrices[0, 0, 0] == 2
    ((turn, shift),) = places_of(
        "rotation = [ 0.0, 0.0, 1.5707963267948966]\ntranslation = [ 1.0, 2.0, 3.0]\n"
    )
    np.testing.assert_allclose(turn @ [1.0, 0.0, 0.0] + shift, [1.0, 3.0, 3.0], atol=1e-12)


def test_small_people_are_seen_less_exactly() -> None:
    card = load_detector_noise()
    small, _, large = card.size_factors
    assert small > large and card.size_edges_px_per_m[0] < card.size_edges_px_per_m[1]
