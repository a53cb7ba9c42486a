"""What the depth prior learns from, and that it learns."""

from __future__ import annotations

import numpy as np
import torch
from cases import embedded_body
from mocap_data import random_poses

from smplifyx.data.retarget import Poses
from smplifyx.depth_prior.bones import ROOT
from smplifyx.depth_prior.network import DepthNetwork
from smplifyx.training.bone_depth import DepthLearner, DepthSettings, train_depths
from smplifyx.training.borrow import Hole
from smplifyx.training.depth_views import (
    CUT_OFF,
    FEET_MISSING,
    Detections,
    PosedViews,
    draw_views,
)
from smplifyx.training.poses import Balance, PersonPart, balanced
from smplifyx.training.skeleton import resting_joints

SMALL = DepthSettings(width=32, blocks=1, steps=60, batch=64, rate=3e-3)


def views(count: int = 128, seed: int = 0) -> PosedViews:
    poses = random_poses(40, seed=3)
    return draw_views(embedded_body(torch.float32), poses, np.full(40, 1 / 40), count, seed)


def test_views_are_people_before_their_cameras():
    drawn = views()
    assert drawn.points.shape == (128, 25, 3) and drawn.points.isfinite().all()
    assert (drawn.points[:, ROOT, 2] > 0.5).all()
    hidden = drawn.hidden.float().mean(0)
    assert 0.02 < float(hidden.min()) and float(hidden.max()) < 0.9
    again = views()
    assert torch.equal(drawn.points, again.points)
    assert not torch.equal(drawn.points, views(seed=1).points)


def test_whole_people_are_seen_whole_and_others_miss_parts():
    drawn = views(512)
    detections = Detections.of_detector()
    whole = detections.lesson(drawn, 3, whole=True).numbers[:, 75:100]
    partly = detections.lesson(drawn, 3).numbers[:, 75:100]
    assert ((whole - partly) >= 0).all()  # the same errors, some of the points lost
    no_feet = (partly[:, 19:] == 0).all(-1).float().mean()
    assert FEET_MISSING < float(no_feet) < FEET_MISSING + CUT_OFF + 0.1


def test_the_answer_is_where_the_points_are():
    """Back in the camera's frame, in metres."""
    drawn = views(32)
    lesson = Detections.of_detector().lesson(drawn, 3, whole=True)
    assert torch.equal(lesson.points[:, ROOT], torch.zeros(32, 3))
    size = lesson.numbers[:, -3].exp()
    length = lesson.points.norm(dim=-1) * size[:, None]  # as shares of the root's depth
    true = (drawn.points - drawn.points[:, ROOT, None]).norm(dim=-1)
    depth = true[:, 0] / length[:, 0]
    assert torch.allclose(length * depth[:, None], true, rtol=1e-4, atol=1e-4)
    assert torch.allclose(depth, drawn.points[:, ROOT].norm(dim=-1), rtol=0.1)


def test_a_network_learns_and_runs_as_it_was_trained():
    learner, history = train_depths(views(256), views(64, seed=1), SMALL)
    assert history[-1]["loss"] < history[0]["loss"] - 0.5
    weights = learner.weights()
    running = DepthNetwork(**weights)
    lesson = Detections.of_detector().lesson(views(16), 0)
    with torch.no_grad():
        points, log_scale = learner(lesson.numbers)
    raw = running.raw(lesson.numbers)
    torch.testing.assert_close(raw[:, :75], points.flatten(1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(raw[:, 75:].clamp(-5, 3), log_scale, rtol=1e-4, atol=1e-5)


def test_training_is_repeatable():
    drawn = views(64)
    settings = DepthSettings(width=16, blocks=1, steps=3, batch=16)
    first, _ = train_depths(drawn, drawn, settings)
    second, _ = train_depths(drawn, drawn, settings)
    assert isinstance(first, DepthLearner)
    for one, other in zip(first.weights().values(), second.weights().values(), strict=True):
        assert torch.equal(one, other)


def test_people_are_mirrored_balanced_and_weigh_by_person():
    poses = random_poses(30, seed=5)
    few = Poses(poses.global_orient[:10], poses.body_pose[:10])
    parts = [
        PersonPart("a", "x", poses, frozenset({Hole.TOES})),
        PersonPart("b", "x", few),
    ]
    together, weights = balanced(parts, resting_joints(), Balance(radius=0.0, power=0.5))
    assert len(together.global_orient) == len(weights) == 2 * 40
    share = weights[:60].sum() / weights[60:].sum()
    assert np.isclose(weights.sum(), 1) and np.isclose(share, 3**0.5)
