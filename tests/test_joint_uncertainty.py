"""Covariances of joints: slopes, what alternatives add, what a fit gives everybody."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
from cases import camera, decoder, embedded_body, noisy_keypoints, preset, random_state, setup
from test_fitter import quick, seen
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.camera import Camera
from smplifyx.config import Block, Part
from smplifyx.features.variables import State
from smplifyx.fitting.alternatives import Alternatives, middle_of_hips
from smplifyx.fitting.batch import FitBatch
from smplifyx.fitting.fit import fit
from smplifyx.fitting.fitter import Fitter
from smplifyx.fitting.joint_calibration import JOINTS, NOISE_REFERENCE, load_joint_calibration
from smplifyx.fitting.joint_uncertainty import (
    FARTHEST,
    JointSpread,
    joint_jacobian,
    noise_level,
    squared_radius,
)
from smplifyx.fitting.result import FitResult
from smplifyx.fitting.schedule import StageProblem, final_stage
from smplifyx.fitting.uncertainty import ANY_TURN, RIDGE, Posterior
from smplifyx.keypoints import Keypoints, names

DOUBLE, FLOAT = torch.float64, torch.float32
COUNT = 3
WRIST = names.POINT_INDEX["left_wrist"]
THUMB = names.POINT_INDEX["left_thumb_4"]


@lru_cache(maxsize=1)
def people() -> tuple[FitBatch, State]:
    state = random_state(COUNT, seed=4, spread=0.2)
    state = state.replace(focal=torch.zeros_like(state.focal))
    points = skinning.points(embedded_body(), decoder().params(state))
    keypoints = noisy_keypoints(camera(COUNT).project(points), noise=2.0)
    return Fitter(setup()).gather(keypoints, camera(COUNT)), state


@lru_cache(maxsize=1)
def last() -> tuple[StageProblem, Posterior]:
    some, state = people()
    stage = final_stage(some)
    return stage, Posterior.of(stage.at(state), embedded_body(), stage.stage.weights)


def places(x: Tensor) -> Tensor:
    """The joints from the hips at other unknowns."""
    stage, posterior = last()
    points = torch.full((COUNT, names.COUNT, 3), torch.nan, dtype=DOUBLE)
    points[:, list(stage.points.canonical)] = posterior.problem.view(x).pose.bones.points
    return (points - middle_of_hips(points))[:, :JOINTS]


def spread(posterior: Posterior) -> Tensor:
    """The covariances of its joints before calibration."""
    stage, _ = last()
    points = places(posterior.view.x)
    none = Alternatives.none(points[:, 0, 0], 0)
    everything = torch.nn.functional.pad(points, (0, 0, 0, names.COUNT - JOINTS))
    return JointSpread.of(
        posterior, joint_jacobian(posterior, stage.points), none, everything, points[:, 0, 0]
    ).curvature


def test_the_covariance_is_that_of_people_drawn_from_the_posterior() -> None:
    """Joints at unknowns around the fit, a thousandth of the way, so that slopes are all that
    counts.
    """
    _, posterior = last()
    posterior = posterior.with_true_priors()
    generator = torch.Generator().manual_seed(0)
    step, draws, found = 1e-3, 600, []
    here = places(posterior.view.x)
    for _ in range(draws):
        noise = torch.randn(COUNT, posterior.factor.shape[-1], 1, generator=generator, dtype=DOUBLE)
        # L^T x = noise has the covariance of the unknowns
        off = torch.linalg.solve_triangular(posterior.factor.mT, noise, upper=True)[..., 0]
        found.append((places(posterior.view.x + step * off) - here) / step)
    drawn = torch.stack(found)
    covariance = torch.einsum("dnpi,dnpj->npij", drawn, drawn) / draws
    expected = spread(last()[1])
    size = expected.diagonal(dim1=-2, dim2=-1).sum(-1)
    moving = size > 1e-8  # not the root
    error = (covariance - expected).flatten(-2).norm(dim=-1)[moving] / size[moving]
    assert float(error.median()) < 0.06 and float(error.max()) < 0.25


def test_solving_with_a_factor_gives_what_an_inverse_does() -> None:
    _, posterior = last()
    slopes = torch.randn(COUNT, 2, 3, posterior.factor.shape[-1], dtype=DOUBLE)
    identity = torch.eye(posterior.factor.shape[-1], dtype=DOUBLE)
    inverse = torch.linalg.inv(posterior.precision + RIDGE * identity)[:, None]
    torch.testing.assert_close(posterior.of_points(slopes), slopes @ inverse @ slopes.mT)


def test_the_pose_prior_counts_with_its_own_spread() -> None:
    """As if the stage gave it the weight 1; whatever else the stage weighs stays."""
    stage, posterior = last()
    whole = stage.stage.model_copy(
        update={"weights": stage.stage.weights.model_copy(update={"pose_prior": 1.0})}
    )
    some, state = people()
    told = Posterior.of(
        StageProblem.of(whole, some).at(state), embedded_body(), stage.stage.weights
    )
    turn = posterior.problem.slices[Block.GLOBAL_ORIENT]
    expected = told.precision.clone()
    expected.diagonal(dim1=-2, dim2=-1)[:, turn] += 1 / ANY_TURN
    torch.testing.assert_close(posterior.with_true_priors().precision, expected)
    assert (told.precision - posterior.precision).abs().max() > 1


# ---- alternatives


def made_up(gaps: list[float]) -> JointSpread:
    """One person without curvature; each alternative has its left wrist 0.3 m further away."""
    offsets = torch.zeros(1, len(gaps), 25, 3)
    offsets[:, 1:, WRIST, 2] = 0.3
    return JointSpread(
        curvature=torch.zeros(1, JOINTS, 3, 3, dtype=DOUBLE),
        offsets=offsets,
        gap=torch.tensor([gaps]),
        noise=torch.tensor([NOISE_REFERENCE]),
    )


@pytest.mark.parametrize(
    ("gaps", "weight"),
    [
        ([0.0, 0.0], 1 / 2),
        ([0.0, 0.0, 0.0], 2 / 3),
        ([0.0, 2.0], 1 / (1 + torch.e)),  # at a temperature of 2
        ([0.0, torch.inf], 0.0),
        ([torch.inf, torch.inf], 0.0),  # nobody knows of any
    ],
)
def test_an_alternative_counts_by_how_little_it_lost(gaps: list[float], weight: float) -> None:
    between = made_up(gaps).between(temperature=2.0)[0]
    assert float(between[WRIST, 2, 2]) == pytest.approx(weight * 0.3**2, rel=1e-6)
    assert torch.equal(between[THUMB], between[WRIST])  # the hand goes with its wrist
    between[[WRIST, *range(names.LEFT_HAND.start, names.LEFT_HAND.stop)]] = 0
    assert not between.any()


def test_noisy_people_are_less_sure() -> None:
    spread = made_up([0.0]).replace(curvature=torch.eye(3, dtype=DOUBLE).expand(1, JOINTS, 3, 3))
    noisy = spread.replace(noise=spread.noise * 2)
    torch.testing.assert_close(noisy.scaled(0.5), 2 * spread.scaled(0.5))
    torch.testing.assert_close(noisy.scaled(0.0), spread.curvature)
    # beyond what was calibrated nothing grows
    wild = spread.replace(noise=spread.noise * 100)
    torch.testing.assert_close(wild.scaled(0.5), 4 * spread.scaled(0.5))


@pytest.mark.parametrize(
    ("off", "shown", "level"),
    [
        (0.01, 25, (25 * 0.01**2 + 4 * NOISE_REFERENCE**2) / 29),
        (5.0, 25, (25 * FARTHEST**2 + 4 * NOISE_REFERENCE**2) / 29),
        (0.01, 0, NOISE_REFERENCE**2),
    ],
)
def test_noise_is_told_by_the_seen_points(off: float, shown: int, level: float) -> None:
    points = torch.zeros(1, names.COUNT, 3)
    points[..., 2] = 4.0
    cameras = Camera.from_focal(1000.0, torch.tensor([[1000.0, 1000.0]]))
    xy = cameras.project(points) + torch.tensor([off * 1000.0 / 4.0, 0.0])
    confidence = (torch.arange(names.COUNT) < shown).float()[None]
    keypoints = Keypoints(xy, confidence, torch.ones_like(confidence))
    found = noise_level(keypoints, cameras, points)
    torch.testing.assert_close(found, torch.tensor([level]).sqrt())


def test_the_radius_is_that_of_an_ellipsoid() -> None:
    covariance = torch.diag(torch.tensor([1.0, 4.0, 9.0])).expand(2, 3, 3).clone()
    covariance[1, 0, 0] = torch.nan
    found = squared_radius(covariance, torch.tensor([1.0, 2.0, 6.0]).expand(2, 3))
    assert float(found[0]) == pytest.approx(1 + 1 + 4) and found[1].isnan()


# ---- what a fit gives


@lru_cache(maxsize=1)
def fitted() -> FitResult:
    return quick().fit(seen(), camera(5, FLOAT))


def test_everybody_has_a_covariance_alone_and_in_company() -> None:
    covariance = fitted().joint_covariance
    assert covariance.shape == (5, JOINTS, 3, 3) and covariance.dtype is FLOAT
    torch.testing.assert_close(covariance, covariance.mT)
    others = [i for i in range(JOINTS) if names.POINT_NAMES[i] != "mid_hip"]
    assert (torch.linalg.eigvalsh(covariance[:, others].double()) > 0).all()
    for rows in ([2], [4, 0]):
        some = quick().fit(seen()[rows], camera(len(rows), FLOAT))
        assert torch.equal(some.joint_covariance, covariance[rows])


def test_depth_and_hidden_limbs_are_the_unsure_ones() -> None:
    variance = fitted().joint_covariance.diagonal(dim1=-2, dim2=-1)
    knee = names.POINT_INDEX["left_knee"]
    assert (variance[:, knee, 2] > variance[:, knee, 0]).all()
    arm = [names.POINT_INDEX[name] for name in ("left_elbow", "left_wrist")]
    hidden = [*arm, *range(names.LEFT_HAND.start, names.LEFT_HAND.stop)]
    confidence = seen().confidence.clone()
    confidence[:, hidden] = 0
    result = quick().fit(seen().replace(confidence=confidence), camera(5, FLOAT))
    unseen = result.joint_covariance.diagonal(dim1=-2, dim2=-1)
    assert (unseen[:, WRIST, :2] > 4 * variance[:, WRIST, :2]).all()


def test_nobody_and_the_hopeless_have_their_place() -> None:
    assert quick().fit(seen()[:0], camera(0, FLOAT)).joint_covariance.shape == (0, JOINTS, 3, 3)
    broken = seen()[:1].replace(xy=torch.full((1, names.COUNT, 2), torch.nan))
    unseen = seen()[:1].replace(confidence=torch.zeros(1, names.COUNT))
    result = quick().fit(Keypoints.cat([seen()[:1], broken, unseen]), camera(3, FLOAT))
    assert torch.equal(result.joint_covariance[0], fitted().joint_covariance[0])
    assert result.joint_covariance[1].isnan().all()
    # no joint of whom nothing was seen is farther off than bodies are large
    sd = result.joint_covariance[2].diagonal(dim1=-2, dim2=-1).sqrt()
    assert (sd < 3).all() and sd[WRIST].norm() > 0.5


def test_energies_of_another_unit_have_no_calibration() -> None:
    old = quick("smplify_x_2019").fit(seen()[:1], camera(1, FLOAT))
    assert old.joint_covariance.isnan().all()


def test_points_that_a_body_lacks_are_not_a_number() -> None:
    result = fit(seen()[:2], camera(2, FLOAT), embedded_body(FLOAT), preset("fast"))
    assert result.joint_covariance.isfinite().all()
    without_hands = preset("fast").stages[-1].model_copy(update={"parts": (Part.BODY,)})
    stages = (*preset("fast").stages[:-1], without_hands)
    config = preset("fast").model_copy(update={"stages": stages})
    few = Fitter.of(embedded_body(FLOAT), config).fit(seen()[:2], camera(2, FLOAT))
    known = few.joint_covariance.isfinite().flatten(-2).all(-1)
    assert known[:, names.BODY].all() and not known[:, names.BODY.stop :].any()


# ---- the card


def test_the_card_that_ships_has_a_radius_for_every_joint() -> None:
    card = load_joint_calibration()
    assert card.radius(0.68).shape == (JOINTS,)
    assert (card.radius(0.95) > card.radius(0.68)).all()
    torch.testing.assert_close(
        card.radius(0.68) ** 2, torch.full((JOINTS,), 3.506), atol=0.05, rtol=0
    )
    with pytest.raises(ValueError, match=r"share: expected one of .*0\.95, got 0\.99"):
        card.radius(0.99)
