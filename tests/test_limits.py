"""How far joints turn: the tables of the body and of the hands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from priors.recipes.bodies.hands import flexion_axis, relaxed
from smplifyx.body.joints import JOINT_INDEX, JOINT_NAMES
from smplifyx.body.loading.files import load_body
from smplifyx.pose_priors.hands import recorded_hands
from smplifyx.pose_priors.limits import body_limits, hand_limits

DOUBLE = torch.float64
MIRROR = torch.tensor([1.0, -1.0, -1.0], dtype=DOUBLE).repeat(15)
LIKE = torch.zeros(1, dtype=DOUBLE)


@pytest.mark.parametrize(
    ("joint", "rotvec", "inside"),
    [
        ("left_knee", (2.5, 0, 0), True),
        ("right_knee", (2.5, 0, 0), True),
        ("left_knee", (-0.3, 0, 0), False),
        ("left_elbow", (0, -2.5, 0), True),
        ("left_elbow", (0, 0.5, 0), False),
        ("right_elbow", (0, 2.5, 0), True),
        ("right_elbow", (0, -0.5, 0), False),
        ("left_shoulder", (0, 0, -1.5), True),
        ("right_shoulder", (0, 0, 1.5), True),
        ("left_hip", (-2.0, 0, 0), True),
        ("left_hip", (2.0, 0, 0), False),
        ("neck", (0, 2.0, 0), False),
    ],
)
def test_limits(joint: str, rotvec: tuple[float, ...], inside: bool) -> None:
    limits = body_limits(torch.zeros(1, dtype=DOUBLE))
    pose = torch.zeros(2, 21, 3, dtype=DOUBLE)
    pose[1, JOINT_NAMES.index(joint) - 1] = torch.tensor(rotvec, dtype=DOUBLE)
    assert limits.inside(pose).tolist() == [True, inside]
    assert len(limits.at.unique()) == len(limits.at) == 63


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("left_fin: {x: {min: 0, max: 1, softness: 1}}", "'left_fin' 'x'"),
        ("right_hip: {x: {min: 0, max: 1, softness: 1}}", "'right_hip'"),
        ("left_hip: {w: {min: 0, max: 1, softness: 1}}", "'w'"),
        ("left_hip: {x: {min: 1, max: 0, softness: 1}}", "left_hip x: needs min < max"),
        ("left_hip: {x: {min: 0, max: 1, softness: 0}}", "softness > 0"),
    ],
)
def test_bad_limits_are_named(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "limits.yaml").write_text(f"joints:\n  {row}\n")
    with pytest.raises(ValueError, match=message):
        body_limits(torch.zeros(1), tmp_path / "limits.yaml")


def test_limits_of_the_right_hand_mirror_the_left() -> None:
    left, right = hand_limits(LIKE)
    assert len(left.at) == len(right.at) == 45 and torch.equal(left.at, right.at)
    flipped = MIRROR[left.at] < 0
    assert torch.equal(right.lower, torch.where(flipped, -left.upper, left.lower))
    assert torch.equal(right.upper, torch.where(flipped, -left.lower, left.upper))


@pytest.mark.parametrize(
    ("joint", "axis", "degrees", "inside"),
    [
        ("index2", 2, -100, True), ("index2", 2, 25, False), ("middle3", 2, -75, True), ("middle3", 2, 40, False),
        ("ring1", 2, -90, True), ("ring1", 2, 45, False), ("pinky1", 1, 35, True), ("index1", 1, 50, False),
        ("pinky2", 2, -150, False), ("index3", 1, 40, False),
    ],
)  # fmt: skip
def test_limits_know_which_way_fingers_bend(
    joint: str, axis: int, degrees: float, inside: bool
) -> None:
    left, right = hand_limits(LIKE)
    pose = torch.zeros(15, 3, dtype=DOUBLE)
    pose[JOINT_INDEX[f"left_{joint}"] - JOINT_INDEX["left_index1"], axis] = np.radians(degrees)
    assert bool(left.inside(pose)) is inside
    assert bool(right.inside(pose * MIRROR[:3])) is inside


def test_mean_rest_and_relaxed_hands_are_within_limits() -> None:
    left, _ = hand_limits(LIKE)
    axis = flexion_axis(load_body(None).joint_template.double().numpy())
    for pose in (
        recorded_hands(LIKE)[0].mean,
        torch.zeros(45, dtype=DOUBLE),
        torch.from_numpy(relaxed(axis)),
    ):
        assert left.inside(pose.unflatten(0, (15, 3)))
