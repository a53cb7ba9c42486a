"""The recipes that tell where detectors look, without any detector."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from cases import embedded_body
from mocap_data import random_poses

from priors.recipes.bodies.mediapipe_points import MEDIAPIPE_MIDDLE, MEDIAPIPE_OF_A_SIDE
from priors.recipes.detectors.landmarker import Landmarker, canonical_points
from priors.recipes.detectors.offsets import Looks, Views, offset_of, sightings
from priors.recipes.detectors.renders import IRIS, paint
from smplifyx.body import skinning
from smplifyx.body.loading.files import load_body
from smplifyx.data.synthetic import GenerateOptions, generate_people
from smplifyx.keypoints import Keypoints, names

MIRROR = torch.tensor([-1.0, 1.0, 1.0])


# ---- where MediaPipe looks


def rest_points() -> dict[str, torch.Tensor]:
    body = load_body(None, detector="mediapipe")
    rest = torch.cat([body.joint_template, body.v_template])
    points = (rest[body.points.sources] * body.points.coefficients[..., None]).sum(1)
    return {name: points[i] for name, i in names.POINT_INDEX.items()}


def test_mixtures_are_of_three_parts_that_sum_to_one() -> None:
    for mixture in (*MEDIAPIPE_OF_A_SIDE.values(), *MEDIAPIPE_MIDDLE.values()):
        assert len(mixture) <= 3
        assert sum(mixture.values()) == pytest.approx(1.0)


def test_middles_are_the_means_of_both_sides() -> None:
    at = rest_points()
    for middle, side in (("neck", "shoulder"), ("mid_hip", "hip")):
        mean = (at[f"left_{side}"] + at[f"right_{side}"]) / 2
        torch.testing.assert_close(at[middle], mean, atol=1e-6, rtol=0)


def test_sides_are_mirror_images() -> None:
    at = rest_points()
    for kind in (*MEDIAPIPE_OF_A_SIDE, "hip"):
        mirrored = at[f"right_{kind}"] * MIRROR
        torch.testing.assert_close(at[f"left_{kind}"], mirrored, atol=1e-5, rtol=0)


# ---- how it is measured


def test_an_offset_in_the_frame_of_a_bone_is_found_among_gross_errors() -> None:
    body = embedded_body(torch.float32)
    people = generate_people(body, random_poses(9), 40, 0, GenerateOptions())
    orient, _, _ = skinning.bones(body, people.truth)
    wanted = torch.tensor([0.02, -0.03, 0.01])
    points = people.points.clone()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        vector = wanted * torch.tensor([sign, 1.0, 1.0])
        points[:, names.POINT_INDEX[f"{side}_hip"]] += orient[:, 0] @ vector
    xy = people.camera.project(points)
    xy[:5] += 200  # these are somebody else
    looks = Looks(
        Keypoints(xy, torch.ones_like(xy[..., 0]), torch.ones_like(xy[..., 0])),
        people.camera,
        people.truth,
        people.points,
    )
    found = offset_of(sightings(Views.of(looks, body), ("left_hip", "right_hip")))
    np.testing.assert_allclose(found.vector, wanted, atol=2e-3)
    assert found.after < found.before / 5


def test_people_are_painted_alike_at_every_call() -> None:
    body = embedded_body(torch.float32)
    colours = [paint(body, np.random.default_rng(3), dress) for dress in ("any", "any", "bare")]
    np.testing.assert_array_equal(colours[0], colours[1])
    assert (colours[0] != colours[2]).any()
    assert (colours[0] == IRIS).all(1).sum() > 10


# ---- MediaPipe's results


def marks(count: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(x=i / 100, y=0.5, visibility=0.9) for i in range(count)]


def test_results_become_the_canonical_points() -> None:
    found = SimpleNamespace(
        pose_landmarks=marks(33),
        left_hand_landmarks=marks(21),
        right_hand_landmarks=[],
        face_landmarks=[],
    )
    points = canonical_points(found, (200, 100))
    assert points is not None and points.shape == (137, 3)
    assert points[names.POINT_INDEX["left_shoulder"]].tolist() == pytest.approx([22, 50, 0.9])
    assert points[names.LEFT_HAND, 2].tolist() == pytest.approx([0.7] * 21)
    assert not points[names.RIGHT_HAND].any() and not points[names.FACE].any()


def test_nobody_is_none() -> None:
    assert canonical_points(SimpleNamespace(pose_landmarks=[]), (200, 100)) is None


def test_without_mediapipe_a_line_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(SystemExit, match="needs mediapipe 1.2 or later: pip install mediapipe"):
        Landmarker(Path("nowhere.task"))
