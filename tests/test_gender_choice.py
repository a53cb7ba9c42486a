"""Female, male or left open: what evidence comes to, and that it is left open where it says nothing."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch

from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel, Gender
from smplifyx.camera import Camera
from smplifyx.fitting.fitter import Fitter
from smplifyx.fitting.gender_choice import UNDECIDED, decide, load_gender_calibration
from smplifyx.fitting.gender_evidence import evidence_preset, gender_evidence, shows_skeleton
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import Keypoints

CARD = load_gender_calibration().model_copy(update={"correlation": 0.25})


@cache
def body(gender: Gender) -> BodyModel:
    return load_body(None, gender)


@cache
def fits() -> FitResult:
    """A standing person, and one nobody saw."""
    model = body(Gender.NEUTRAL)
    setup = Fitter.of(model, evidence_preset()).setup
    points = setup.neutral_points * torch.tensor([1.0, -1.0, -1.0]) + torch.tensor([0.0, 0.0, 4.0])
    camera = Camera.from_focal(1000.0, torch.tensor([800.0, 1000.0]))
    seen = torch.cat([camera.project(points), torch.ones(137, 1)], -1).nan_to_num()
    keypoints = Keypoints.from_array(torch.stack([seen, torch.zeros_like(seen)]))
    return Fitter(setup).fit_once(keypoints, Camera.stack([camera, camera]))


# log odds of each picture -> whose body, log odds of all
DECISIONS = {
    "nothing": ([], Gender.NEUTRAL, None),
    "nothing known": ([math.nan, None], Gender.NEUTRAL, None),
    "not sure": ([2.1], Gender.NEUTRAL, 2.1),
    "female": ([2.3], Gender.FEMALE, 2.3),
    "male": ([-2.3], Gender.MALE, -2.3),
    "unknown ones do not count": ([math.nan, -2.3, None], Gender.MALE, -2.3),
    "little ones are not independent": ([1.0] * 3, Gender.NEUTRAL, 3 / 1.5),
    "more of them": ([1.0] * 5, Gender.FEMALE, 5 / 2),
    "they contradict each other": ([3.0, -3.0], Gender.NEUTRAL, 0.0),
    "far too sure": ([-1e5], Gender.MALE, -1e5),
}  # fmt: skip


@pytest.mark.parametrize("case", DECISIONS)
def test_decisions(case: str) -> None:
    log_odds, gender, total = DECISIONS[case]
    found = decide(log_odds, CARD)
    assert found.gender is gender
    if total is None:
        assert found == UNDECIDED
        return
    assert found.log_odds == pytest.approx(total)
    assert found.probability is not None and 0.5 <= found.probability <= 1


def test_the_same_body_twice_is_left_open() -> None:
    female = body(Gender.FEMALE)
    evidence = gender_evidence(fits(), female, female)
    assert evidence[0] == 0
    assert not CARD.is_of(female, female)
    cut_off = fits().keypoints[:1]
    cut_off = cut_off.replace(
        confidence=cut_off.confidence.index_fill(-1, torch.tensor([11, 14]), 0)
    )
    assert shows_skeleton(fits().keypoints).tolist() == [True, False]
    assert shows_skeleton(cut_off).tolist() == [False]  # no ankle
    for odds in CARD.log_odds(evidence).tolist():
        assert decide([odds]).gender is Gender.NEUTRAL


def test_who_tells_nothing_is_left_open() -> None:
    evidence = gender_evidence(fits(), body(Gender.FEMALE), body(Gender.MALE))
    assert evidence.dtype == torch.float64 and evidence.isfinite()[0]
    assert abs(evidence[0]) < 10  # not the several of bodies that are measured on other scales
    assert evidence[1].isnan()  # nobody saw this one
    assert decide([float(CARD.log_odds(evidence)[1])]) == UNDECIDED
    both = gender_evidence(fits(), body(Gender.MALE), body(Gender.FEMALE))
    assert torch.allclose(both[0], -evidence[0])


def test_the_card_is_of_the_bodies_that_ship() -> None:
    assert CARD.is_of(body(Gender.FEMALE), body(Gender.MALE))
    assert not CARD.is_of(body(Gender.MALE), body(Gender.FEMALE))
