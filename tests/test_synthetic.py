"""Generated people: the same ones every time, where they should be, seen as their truth says."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
from cases import embedded_body
from mocap_data import random_poses

from smplifyx.body import skinning
from smplifyx.body.model import BodyModel
from smplifyx.core import rotations
from smplifyx.data.retarget import Poses
from smplifyx.data.synthetic import GeneratedPeople, GenerateOptions, generate_people
from smplifyx.evaluation.metrics import chest_normal

COUNT = 24


def _body() -> BodyModel:
    return embedded_body(torch.float32)


@lru_cache(maxsize=2)
def _people(seed: int = 0) -> GeneratedPeople:
    return generate_people(_body(), random_poses(9), COUNT, seed)


def _projected(people: GeneratedPeople) -> torch.Tensor:
    return people.camera.project(skinning.points(_body(), people.truth))


def test_same_seed_same_people() -> None:
    again = generate_people(_body(), random_poses(9), COUNT, 0)
    assert torch.equal(again.keypoints.xy, _people().keypoints.xy)
    assert torch.equal(again.truth.transl, _people().truth.transl)
    assert torch.equal(again.camera.K, _people().camera.K)
    assert not torch.equal(_people(1).truth.betas, _people().truth.betas)


def test_detections_are_the_truth_with_noise() -> None:
    people = _people()
    seen = people.keypoints.confidence > 0
    error = (_projected(people) - people.keypoints.xy)[seen]
    assert error.std() == pytest.approx(2.0, rel=0.05)
    assert error.mean().abs() < 0.1
    assert 1 - seen.float().mean() == pytest.approx(0.1, abs=0.02)
    assert people.keypoints.confidence[seen].min() >= 0.5
    assert (people.keypoints.xy[~seen] == 0).all()


def test_people_are_whole_and_fill_the_image_as_told() -> None:
    xy = _projected(_people()).nan_to_num(nan=500.0)
    assert xy.min() >= 0 and xy.max() <= 1000
    size = (xy.amax(-2) - xy.amin(-2)).amax(-1)
    assert size.min() > 440 and size.max() < 860


def test_ranges() -> None:
    people = _people()
    focal = people.camera.focal[:, 0] / (1000 * 2**0.5)
    assert 0.6 <= focal.min() and focal.max() <= 1.6
    for values in (people.truth.betas, people.truth.expression):
        assert 1.5 < values.abs().max() <= 2.0
        assert values.std() == pytest.approx(0.88, abs=0.08)  # a normal truncated at 2
    assert people.truth.left_hand_pose.abs().max() > 0.1
    hands = people.truth.left_hand_pose - people.truth.right_hand_pose * torch.tensor([1.0, -1, -1])
    assert hands.abs().max() > 0.1, "each hand has a pose of its own"


@pytest.mark.parametrize(("yaw", "towards"), [(0.0, -1.0), (180.0, 1.0)])
def test_yaw_zero_faces_the_camera_upright(yaw: float, towards: float) -> None:
    options = GenerateOptions(yaw=(yaw, yaw), pitch=(0, 0), roll=(0, 0))
    still = Poses(random_poses(9).global_orient, 0 * random_poses(9).body_pose)
    truth = generate_people(_body(), still, 4, 0, options).truth
    joints = skinning.joints(_body(), truth)[:, :22]
    assert (towards * chest_normal(joints)[:, 2] > 0.9).all()
    assert (joints[:, 15, 1] < joints[:, 0, 1]).all(), (
        "the head is above the pelvis where y points down"
    )


def test_looking_down_shows_the_top_of_the_head_nearer() -> None:
    still = Poses(random_poses(9).global_orient, 0 * random_poses(9).body_pose)
    options = GenerateOptions(pitch=(25, 25), roll=(0, 0))
    joints = skinning.joints(_body(), generate_people(_body(), still, 4, 0, options).truth)
    assert (joints[:, 15, 2] < joints[:, 0, 2]).all()


def test_poses_come_from_the_set() -> None:
    chosen = _people().truth.body_pose
    known = torch.as_tensor(random_poses(9).body_pose).float()
    distance = (chosen[:, None] - known[None]).abs().amax((-1, -2))
    assert distance.amin(1).max() == 0
    assert len(distance.argmin(1).unique()) > 3


def test_headings_go_all_around() -> None:
    rotation = rotations.exp(_people().truth.global_orient)
    heading = torch.atan2(rotation[:, 0, 2], rotation[:, 2, 2])
    assert len((heading / (torch.pi / 2)).floor().unique()) == 4


def test_truncation_puts_people_over_the_border() -> None:
    options = GenerateOptions(inside=False)
    people = generate_people(_body(), random_poses(9), COUNT, 0, options)
    assert (people.keypoints.confidence > 0).float().mean() < 0.85
    assert people.keypoints.xy.min() >= 0 and people.keypoints.xy.max() < 1000


def test_no_poses() -> None:
    with pytest.raises(ValueError, match="no poses"):
        generate_people(_body(), random_poses(0), 3)
