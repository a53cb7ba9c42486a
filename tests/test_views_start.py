"""A first guess from points that two cameras have seen."""

from __future__ import annotations

import torch
from test_evidence_views import PEOPLE, people

from smplifyx.body import skinning
from smplifyx.evidence.views import Views
from smplifyx.fitting.starts import first_guess
from smplifyx.fitting.views_start import triangulated, triangulated_guess
from smplifyx.keypoints import names

FLOAT = torch.float32


def test_points_are_where_the_bodies_are() -> None:
    batch, state = people(FLOAT, noise=1.0)
    own = batch.setup
    truth = skinning.points(own.body, own.decoder.params(state))
    found = triangulated(batch, batch.others[Views])
    error = (found - truth).norm(dim=-1)[:, names.BODY]
    assert float(error.nanmean()) < 0.01 and error.isfinite().float().mean() > 0.9


def test_the_guess_stands_where_the_person_does() -> None:
    batch, state = people(FLOAT, noise=1.0)
    own = batch.setup
    guess, told = triangulated_guess(batch, batch.others[Views])
    assert told.tolist() == [True] * PEOPLE
    truth = skinning.points(own.body, own.decoder.params(state))[:, names.BODY]
    found = skinning.points(own.body, own.decoder.params(guess))[:, names.BODY]
    assert float((found - truth).norm(dim=-1).nanmean()) < 0.12


def test_who_is_seen_by_one_camera_has_no_such_guess() -> None:
    batch, _ = people(FLOAT, noise=1.0)
    views = batch.others[Views]
    confidence = views.keypoints.confidence.clone()
    confidence[1] = 0
    blind = views.replace(keypoints=views.keypoints.replace(confidence=confidence))
    _, told = triangulated_guess(batch, blind)
    assert told.tolist() == [True, False, True]
    starts = first_guess(batch.replace(others={Views: blind}))
    poses = len(batch.setup.config.first_guess.poses)
    yaws = batch.setup.config.first_guess.yaws
    # the likeliest pose from every side, and what the views tell; else every pose from every side
    assert starts.tried.sum(1).tolist() == [yaws + 1, yaws * poses, yaws + 1]


def test_a_guess_has_the_same_bits_in_company() -> None:
    batch, _ = people(FLOAT, noise=2.0)
    together, _ = triangulated_guess(batch, batch.others[Views])
    for person in range(PEOPLE):
        one = batch[person : person + 1]
        alone, _ = triangulated_guess(one, one.others[Views])
        assert torch.equal(alone.transl[0], together.transl[person])
        assert torch.equal(alone.body[0], together.body[person])
        assert torch.equal(alone.orient[0], together.orient[person])
