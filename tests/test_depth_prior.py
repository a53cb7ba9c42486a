"""The network that tells how deep bones lie: what it gets, what it gives, and what fits make of it."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import embedded_body
from mocap_data import random_poses

from smplifyx.config import Part, StageConfig, Weights
from smplifyx.core import rotations
from smplifyx.data.synthetic import GeneratedPeople, generate_people
from smplifyx.depth_prior.bones import BONES, POINTS, ROOT
from smplifyx.depth_prior.network import DepthNetwork
from smplifyx.depth_prior.person_view import NUMBERS, PersonView
from smplifyx.evidence.bone_depth import BoneDepth, ObservedDepths
from smplifyx.keypoints import names

SHIPPED = DepthNetwork.load("many_people")


@lru_cache(maxsize=1)
def people() -> GeneratedPeople:
    return generate_people(embedded_body(torch.float32), random_poses(40, seed=3), 64, 5)


def rays_of(seen: GeneratedPeople) -> tuple[torch.Tensor, torch.Tensor]:
    body = slice(POINTS.start, POINTS.stop)
    camera = seen.camera
    rays = (seen.keypoints.xy[:, body] - camera.center[:, None]) / camera.focal[:, None]
    return rays, seen.keypoints.confidence[:, body]


def test_bones_are_a_tree_of_the_25_points():
    ends, starts = zip(*BONES, strict=True)
    assert sorted((*ends, ROOT)) == list(POINTS)
    assert set(starts) <= set(POINTS)
    left, right = (
        {pair for pair in BONES if names.POINT_NAMES[pair[0]].startswith(side)}
        for side in ("left", "right")
    )
    assert len(left) == len(right) == 11


def test_a_person_looks_alike_in_any_image():
    """Resolution does not count, nor does where the point of view leaves the person: the same view
    from a camera that is turned, but for the numbers that tell where in the image.
    """
    rays, confidence = rays_of(people())
    turn = rotations.about("y", torch.tensor(0.2), rays)
    ahead = torch.cat([rays, torch.ones_like(rays[..., :1])], -1) @ turn.mT
    plain = PersonView.of(rays, confidence)
    turned = PersonView.of(ahead[..., :2] / ahead[..., 2:], confidence)
    level = PersonView.of(rays * torch.tensor([1.0, 0.0]), confidence).turn  # pitch 0
    assert torch.allclose(plain.turn @ plain.turn.mT, torch.eye(3).expand_as(level), atol=1e-6)
    # the middle of perspective pictures is not that of their rays: nearly alike
    near = (plain.numbers - turned.numbers)[:, : 2 * len(POINTS)].abs()
    assert float(near.mean()) < 0.05 < 0.15 * float(plain.numbers[:, :50].abs().mean() / 0.9)
    assert torch.allclose(plain.size, turned.size, rtol=0.05)


def test_what_was_not_seen_does_not_count():
    rays, confidence = rays_of(people())
    hidden = confidence.clone()
    hidden[:, 4] = 0.0
    moved = rays.clone()
    moved[:, 4] = 1e3
    plain, other = (PersonView.of(r, hidden).numbers for r in (rays, moved))
    assert torch.equal(plain, other)
    assert plain.shape[-1] == NUMBERS and plain.isfinite().all()


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_nobody_and_a_single_spot_are_told_finite_depths(confidence: float):
    view = PersonView.of(torch.zeros(2, 25, 2), torch.full((2, 25), confidence))
    told = SHIPPED.tell(view)
    assert told.bones.isfinite().all() and told.sd.isfinite().all() and (told.sd > 0).all()


def test_rows_are_independent_to_the_bit():
    rays, confidence = rays_of(people())
    together = SHIPPED.tell(PersonView.of(rays, confidence))
    for rows in (slice(0, 1), slice(5, 12), slice(40, 64)):
        alone = SHIPPED.tell(PersonView.of(rays[rows], confidence[rows]))
        assert torch.equal(alone.bones, together.bones[rows])
        assert torch.equal(alone.sd, together.sd[rows])


def test_the_network_knows_how_deep_bones_lie():
    """Even of random poses, which nobody strikes: nearer than no depth at all, and as near as it
    says.
    """
    seen = people()
    told = SHIPPED.tell(PersonView.of(*rays_of(seen)))
    z = seen.points[:, :25, 2]
    ends, starts = (list(x) for x in zip(*BONES, strict=True))
    true = (z[:, ends] - z[:, starts]) / z[:, ROOT, None]
    error = (told.bones - true).abs()
    assert float(error.mean()) < 0.7 * float(true.abs().mean())
    inside = float((error < told.sd).float().mean())
    assert 0.6 < inside < 0.95


def test_a_body_that_lies_as_told_has_no_error():
    body = embedded_body(torch.float32)
    seen = people()
    z = seen.points[:, :25, 2]
    ends, starts = (list(x) for x in zip(*BONES, strict=True))
    share = (z[:, ends] - z[:, starts]) / z[:, ROOT, None]
    told = BoneDepth(share, torch.full_like(share, 0.05))
    stage = StageConfig(name="s", free=("body",), parts=(Part.BODY,), weights=Weights(bone_depth=1))
    observed = told.observe(stage, told.points(stage, body))
    assert isinstance(observed, ObservedDepths)
    at = list(observed.feature.at)
    root = z[:, at][:, observed.root, None]
    assert torch.equal(root[:, 0], z[:, ROOT])
    error = (observed.rows * z[:, None, at]).sum(-1) - observed.shares * root
    assert float(error.abs().max()) < 1e-4
    # and one that is deeper by a standard deviation has an error of 1
    deeper = z.clone()
    deeper[:, names.POINT_INDEX["left_wrist"]] += 0.05
    error = (observed.rows * deeper[:, None, at]).sum(-1) - observed.shares * root
    wrist = ends.index(names.POINT_INDEX["left_wrist"])
    assert torch.allclose(error[:, wrist], torch.ones(len(z)), atol=1e-3)


def test_a_point_that_the_body_lacks_makes_no_row():
    body = embedded_body(torch.float32)
    told = BoneDepth(torch.zeros(2, 24), torch.ones(2, 24))
    stage = StageConfig(name="s", free=("body",), weights=Weights(bone_depth=1))
    known = body.points.known.clone()
    known[names.POINT_INDEX["left_ankle"]] = False
    lacking = dataclasses.replace(body, points=dataclasses.replace(body.points, known=known))
    rows = told.observe(stage, told.points(stage, lacking)).rows
    silent = {
        names.POINT_NAMES[BONES[bone][0]] for bone in (rows.abs().sum((0, 2)) == 0).nonzero()[:, 0]
    }
    assert silent == {"left_ankle", "left_heel", "left_big_toe", "left_small_toe"}


@pytest.mark.parametrize("fault", ["missing", "shape", "nan"])
def test_a_file_that_is_none_is_told_in_one_line(tmp_path: Path, fault: str):
    path = tmp_path / "depth.npz"
    arrays = {name: t.numpy() for name, t in vars(SHIPPED).items()}
    if fault == "missing":
        del arrays["last"]
    elif fault == "shape":
        arrays["first"] = arrays["first"][:50]
    else:
        arrays["last_bias"] = arrays["last_bias"] * np.nan
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=f"^{path}: .*(last|first)") as raised:
        DepthNetwork.load(path)
    assert "\n" not in str(raised.value)


def test_a_name_that_is_none_is_told():
    with pytest.raises(ValueError, match="no depth prior 'deep': expected many_people or a file"):
        DepthNetwork.load("deep")
