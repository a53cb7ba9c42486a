"""Every term's Jacobian, the chain rule to the unknowns, and the problem as a value."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import DOUBLE, camera, decoder, noisy_keypoints, preset, random_state, setup
from solver_problems import derivatives, parts

from smplifyx.body import skinning
from smplifyx.config import Block, Part, StageConfig, Weights
from smplifyx.depth_prior.bones import BONES
from smplifyx.evidence.bone_depth import BoneDepth
from smplifyx.evidence.height import KnownHeight
from smplifyx.evidence.keypoints2d import Keypoints2D
from smplifyx.evidence.keypoints3d import Keypoints3D
from smplifyx.evidence.pose_estimate import PoseEstimate
from smplifyx.features.feature import FoldedBody
from smplifyx.features.fold import PointSet, SurfacePoint
from smplifyx.features.jacobian_blocks import DenseBlock
from smplifyx.features.joint_angles import BODY_POSE
from smplifyx.features.points import POINTS
from smplifyx.features.unknowns import BODY
from smplifyx.fitting.batch import FitBatch
from smplifyx.fitting.stage_problem import StageProblem
from smplifyx.pose_priors import load_prior
from smplifyx.pose_priors.contract import PosePrior, is_piecewise
from smplifyx.problem.chain_rule import jacobian_by_autograd
from smplifyx.problem.problem import Problem
from smplifyx.problem.stage_terms import PriorTerms, stage_terms
from smplifyx.terms.regularisers import Limits
from smplifyx.terms.scene import Jacobian, Residual, Scene, WeightedTerm

ALL_PARTS = (Part.BODY, Part.HANDS, Part.FACE, Part.CONTOUR)
EVERY_WEIGHT = Weights(
    reprojection=1.0, pose_prior=0.7, limits=2.0, bending=0.5, shape=1.5, expression=0.9, hand_prior=0.6, hand_size=0.4,
    hand_limits=1.1, jaw=(5.0, 20.0, 10.0), eyes=0.8, upright=1.3, depth=3.0, focal=1.2, collision=0.9,
    bone_depth=0.8, pose_estimate=0.6, keypoints3d=0.02,
)  # fmt: skip
TERMS = [name for name in Weights.model_fields]


def people_of(
    count: int = 3,
    preset_name: str = "smplx",
    dtype: torch.dtype = DOUBLE,
    height: float = 1.85,
) -> FitBatch:
    """People seen somewhere else than `random_state(count, seed=1)` has them, all of one height."""
    truth = random_state(count, seed=2, spread=0.2, dtype=dtype)
    cameras = camera(count, dtype)
    points3d = skinning.points(setup(dtype).body, decoder(dtype).params(truth))
    seen = noisy_keypoints(cameras.project(points3d), noise=5.0)
    scale = torch.full((count,), 350.0, dtype=dtype)
    data = preset(preset_name).reprojection
    known = KnownHeight(torch.full_like(scale, height))
    # each bone is told to lie deeper than it does, by a little or by much
    share = torch.linspace(-0.1, 0.3, len(BONES), dtype=dtype).expand(count, -1)
    told = BoneDepth(share, torch.full_like(share, 0.07))
    seen_so = Keypoints2D(seen, cameras, scale, data)
    estimate = estimate_of(points3d, dtype)
    known_so = {KnownHeight: known, PoseEstimate: estimate, Keypoints3D: places_of(points3d)}
    return FitBatch(seen_so, known_so, setup(dtype), {BoneDepth: told})


def estimate_of(points3d: torch.Tensor, dtype: torch.dtype) -> PoseEstimate:
    """What is off by little for some bones and joints, by much for others, and not told of some."""
    count = len(points3d)
    rotation = torch.linspace(-0.5, 0.6, 63, dtype=dtype).view(21, 3).expand(count, -1, -1).clone()
    rotation[:, 4] = torch.nan
    sd = torch.linspace(0.03, 0.2, 44, dtype=dtype)[:, None].expand(count, -1, 3).clone()
    sd[:, 7] = torch.nan
    turn_sd = torch.linspace(0.1, 0.5, 21, dtype=dtype).expand(count, -1)
    return PoseEstimate(points3d + 0.01 * points3d.flip(1), sd, rotation, turn_sd)


def places_of(points3d: torch.Tensor) -> Keypoints3D:
    """Of two canonical points and two of the skin, one of them without correctives; one is not known."""
    skin = tuple(
        SurfacePoint((9, 4000, 9000), (0.2, 0.3, 0.5), corrected) for corrected in (True, False)
    )
    places = points3d[:, [4, 7, 0, 8]].clone()
    places[0, 1] = torch.nan
    sd = torch.tensor([0.01, 0.02, 0.03, 0.04]).to(places).expand(len(places), -1)
    return Keypoints3D(places, sd, PointSet((7, 4), skin))


def stage_of(weights: Weights, free: tuple[Block, ...] = tuple(Block)) -> StageConfig:
    """A stage that looks at every point."""
    return StageConfig(name="test", free=free, parts=ALL_PARTS, weights=weights)


def problem_of(
    weights: Weights,
    free: tuple[Block, ...] = tuple(Block),
    count: int = 3,
    preset_name: str = "smplx",
    dtype: torch.dtype = DOUBLE,
) -> Problem:
    """A problem whose people are seen somewhere else than they are."""
    people = people_of(count, preset_name, dtype)
    state = random_state(count, seed=1, dtype=dtype)
    # fingers that are bent beyond their limits
    state = state.replace(left_hand=4 * state.left_hand, right_hand=4 * state.right_hand)
    return StageProblem.of(stage_of(weights, free), people).at(state)


def only(name: str) -> Weights:
    """One weight alone."""
    off = {field: 0.0 for field in TERMS} | {"jaw": (0.0, 0.0, 0.0)}
    return Weights(**(off | {name: getattr(EVERY_WEIGHT, name)}))


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("preset_name", ["smplx", "smplify_x_2019"])
def test_the_closed_form_gradient_is_that_of_the_energy(name, preset_name):
    problem = problem_of(only(name), preset_name=preset_name)
    x = problem.pack(problem.state)
    energy, gradient, _ = derivatives(problem, x)
    expected_energy, expected = problem.gradient(x)
    torch.testing.assert_close(energy, expected_energy, rtol=1e-12, atol=0)
    assert expected.abs().max() > 1e-3 or name == "depth"
    torch.testing.assert_close(
        gradient, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max())
    )


@pytest.mark.parametrize("block", list(Block))
def test_every_block_alone_has_the_right_gradient(block):
    problem = problem_of(EVERY_WEIGHT, free=(block,))
    x = problem.pack(problem.state)
    _, gradient, _ = derivatives(problem, x)
    _, expected = problem.gradient(x)
    torch.testing.assert_close(
        gradient, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max())
    )


@pytest.mark.parametrize("name", ["reprojection", "limits", "bending", "pose_prior"])
def test_a_prior_of_dense_velocity_has_the_right_gradient(name):
    """The latent of an auto-encoder turns all joints at once."""
    stage, people = stage_of(only(name), free=(Block.TRANSL, Block.BODY)), people_of()
    problem = StageProblem.of(stage, people).at(random_state(3, seed=1))
    prior = load_prior("vposer").to(dtype=DOUBLE)
    latent = 0.5 * torch.randn(
        3, prior.latent_dim, generator=torch.Generator().manual_seed(0), dtype=DOUBLE
    )
    dense = dataclasses.replace(decoder(), prior=prior)
    body, model = setup().body, problem.folded.model
    terms = stage_terms(stage, PriorTerms.of(body, dense), people.evidence)
    if name == "limits":  # narrower than anybody's, so that many rows are outside
        narrow = torch.full((63,), 0.05, dtype=DOUBLE)
        limits = Limits(BODY_POSE, tuple(range(63)), -narrow, narrow, narrow)
        terms = (WeightedTerm(name, 2.0, limits),)
    problem = dataclasses.replace(
        problem.with_state(problem.state.replace(body=latent)),
        terms=terms,
        folded=FoldedBody(body, dense, model, stage.free),
    )
    x = problem.pack(problem.state)
    _, gradient, _ = derivatives(problem, x)
    _, expected = problem.gradient(x)
    assert not problem.folded.decoder.jointwise and expected.abs().max() > 1e-3
    torch.testing.assert_close(
        gradient, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max())
    )
    few = derivatives(problem.rows(torch.tensor([1])), x[1:2])
    assert all(
        torch.equal(alone[0], together[1])
        for alone, together in zip(few, derivatives(problem, x), strict=True)
    )


@pytest.mark.parametrize("name", TERMS)
def test_closed_forms_and_autograd_give_the_same_curvature(name):
    """Where residuals are not reweighted, the Jacobian is the plain derivative of the residual."""
    problem = problem_of(only(name))
    bare = dataclasses.replace(problem, terms=tuple(_without_jacobian(t) for t in problem.terms))
    x = problem.pack(problem.state)
    energy, gradient, hessian = derivatives(problem, x)
    by_autograd = derivatives(bare, x)
    torch.testing.assert_close(energy, by_autograd[0])
    torch.testing.assert_close(
        gradient, by_autograd[1], rtol=1e-6, atol=1e-6 * float(gradient.abs().max())
    )
    # reweighted: same gradient, a curvature of their own
    if name not in ("reprojection", "upright", "bone_depth", "pose_estimate"):
        torch.testing.assert_close(
            hessian, by_autograd[2], rtol=1e-6, atol=1e-6 * float(hessian.abs().max())
        )


def _without_jacobian(weighted: WeightedTerm) -> WeightedTerm:
    return dataclasses.replace(weighted, term=lambda scene: Residual(weighted.term(scene).values))


def test_the_reweighted_curvature_is_positive_and_bounds_the_true_one():
    problem = problem_of(only("reprojection"))
    x = problem.pack(problem.state)
    hessian = derivatives(problem, x)[2]
    assert torch.linalg.eigvalsh(hessian).min() > -1e-6 * hessian.abs().max()


def test_a_user_term_needs_nothing_but_its_residual():
    """Both wrists at the same height: a term of one line, by autograd next to the closed forms."""
    problem = problem_of(EVERY_WEIGHT)
    level = WeightedTerm(
        "level_wrists",
        3.0,
        lambda scene: Residual(scene[POINTS][:, 4:5, 1] - scene[POINTS][:, 7:8, 1]),
    )
    problem = dataclasses.replace(problem, terms=(*problem.terms, level))
    x = problem.pack(problem.state)
    _, gradient, _ = derivatives(problem, x)
    _, expected = problem.gradient(x)
    torch.testing.assert_close(
        gradient, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max())
    )
    assert set(jacobian_by_autograd(level.term, problem.view(x).scene).blocks) == {POINTS}


def test_energy_is_the_square_sum_of_the_residual_and_of_the_terms():
    problem = problem_of(EVERY_WEIGHT)
    x = problem.pack(problem.state)
    energy = problem.energy(x)
    torch.testing.assert_close(energy, problem.residual(x).square().sum(-1))
    torch.testing.assert_close(energy, sum(problem.energies(x).values()))


def test_pack_and_unpack_are_inverse_and_rows_are_independent():
    problem = problem_of(EVERY_WEIGHT)
    x = problem.pack(problem.state)
    again = problem.unpack(x)
    assert torch.equal(again.betas, problem.state.betas) and torch.equal(
        again.orient, problem.state.orient
    )
    kept = torch.tensor([2, 0])
    torch.testing.assert_close(
        problem.rows(kept).energy(x[kept]), problem.energy(x)[kept], rtol=0, atol=0
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_a_row_is_the_same_to_the_last_bit_in_any_company(dtype, count):
    problem = problem_of(EVERY_WEIGHT, count=13, dtype=dtype)
    x = problem.pack(problem.state)
    kept = torch.arange(13).flip(0)[:count]
    together = [value[kept] for value in derivatives(problem, x)]
    alone = derivatives(problem.rows(kept), x[kept])
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))


@pytest.mark.parametrize("preset_name", ["smplx", "smplify_x_2019"])
@pytest.mark.parametrize("kept", [[2], [4, 0, 3]])
def test_derivatives_that_go_on_from_an_evaluation_have_the_bits_of_those_from_scratch(
    preset_name, kept
):
    problem, kept = problem_of(EVERY_WEIGHT, count=5, preset_name=preset_name), torch.tensor(kept)
    x = problem.pack(problem.state)
    found, expected = problem.evaluate(x), derivatives(problem, x)
    assert torch.equal(found.energy, problem.energy(x)) and torch.equal(found.energy, expected[0])
    assert all(
        torch.equal(a, b) for a, b in zip(parts(found.linearised(None)), expected[1:], strict=True)
    )
    some = derivatives(problem.rows(kept), x[kept])[1:]
    assert all(torch.equal(a, b) for a, b in zip(parts(found.linearised(kept)), some, strict=True))


def test_a_height_that_nobody_knows_is_left_out_of_the_work_but_not_of_the_names():
    stage, state = stage_of(only("height")), random_state(3, seed=1)
    nobody = people_of(height=torch.nan)
    quiet = StageProblem.of(stage, nobody).at(state)
    somebody = StageProblem.of(stage, people_of())
    problem = dataclasses.replace(somebody, people=nobody).at(state)
    x = problem.pack(problem.state)
    assert quiet.residual(x).shape[1] < problem.residual(x).shape[1]
    assert list(quiet.energies(x)) == list(problem.energies(x)) == ["height"]
    assert all(
        torch.equal(a, b)
        for a, b in zip(derivatives(quiet, x), derivatives(problem, x), strict=True)
    )


def test_a_prior_in_pieces_bends_the_energy_as_its_jacobian_says():
    problem = problem_of(only("pose_prior"), count=6)
    prior, x = problem.folded.decoder.prior, problem.pack(problem.state)
    assert is_piecewise(prior)
    written_out = dataclasses.replace(
        problem.terms[0], term=lambda scene: _by_jacobian(prior, scene)
    )
    expected = derivatives(dataclasses.replace(problem, terms=(written_out,)), x)
    for found, value in zip(derivatives(problem, x), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-12, atol=1e-9)


def _by_jacobian(prior: PosePrior, scene: Scene) -> Residual:
    latent = scene[BODY]
    residual = prior.residual(latent)
    dense = DenseBlock(prior.jacobian(latent))
    return Residual(residual, lambda: Jacobian(residual, {BODY: dense}))


def test_terms_are_summed_in_the_order_of_their_weights() -> None:
    """Sums round: a known height that came first would end the same fits elsewhere."""
    names = [term.name for term in StageProblem.of(preset().stages[-1], people_of()).terms]
    assert names[0] == "reprojection" and names[-1] == "collision"
    assert names.index("shape") < names.index("height") < names.index("expression")
