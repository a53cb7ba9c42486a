"""Every term's slopes, the chain to the unknowns, and the problem as a value."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import DOUBLE, camera, decoder, embedded_body, noisy_keypoints, preset, random_state
from solver_problems import derivatives, parts

from smplifyx.body import skinning
from smplifyx.config import Block, Part, StageConfig, Weights
from smplifyx.evidence.keypoints2d import observe, stage_points
from smplifyx.features.fold import fold
from smplifyx.features.spheres import sphere_model
from smplifyx.fitting.fit import decoder_of
from smplifyx.pose_priors import load_prior
from smplifyx.pose_priors.contract import Piecewise
from smplifyx.problem.jacobian import jacobian_by_autograd
from smplifyx.problem.problem import Problem, WeightedTerm
from smplifyx.problem.stage_terms import stage_terms
from smplifyx.terms.regularisers import Limits
from smplifyx.terms.scene import Rows, Slopes

ALL_PARTS = (Part.BODY, Part.HANDS, Part.FACE, Part.CONTOUR)
EVERY_WEIGHT = Weights(
    reprojection=1.0, pose_prior=0.7, limits=2.0, bending=0.5, shape=1.5, expression=0.9, hand_prior=0.6, hand_size=0.4,
    hand_limits=1.1, jaw=(5.0, 20.0, 10.0), eyes=0.8, upright=1.3, depth=3.0, focal=1.2, collision=0.9,
)  # fmt: skip
TERMS = [name for name in Weights.model_fields]


def problem_of(
    weights: Weights,
    free: tuple[Block, ...] = tuple(Block),
    count: int = 3,
    preset_name: str = "smplx",
):
    """A problem whose people are seen somewhere else than they are."""
    body, config = embedded_body(), preset(preset_name)
    state, truth = random_state(count, seed=1), random_state(count, seed=2, spread=0.2)
    stage = StageConfig(name="test", free=free, parts=ALL_PARTS, weights=weights)
    cameras = camera(count)
    seen = noisy_keypoints(
        cameras.project(skinning.points(body, decoder().params(truth))), noise=5.0
    )
    points = stage_points(stage, body.points.known)
    scale = torch.full((count,), 350.0, dtype=DOUBLE)
    observation = observe(seen, cameras, config, stage, points, scale).replace(
        height=torch.full_like(scale, 1.85)
    )
    model = fold(body, tuple(points))
    row = skinning.contour_row(body, decoder().params(state))
    terms = stage_terms(weights, body, decoder(), config)
    spheres = sphere_model(body, tuple(points)) if weights.collision else None
    problem = Problem(
        model, decoder(), terms, free, state, observation, model.contour[row], spheres
    )
    return problem.with_candidates() if weights.collision else problem


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
    problem = problem_of(only(name))
    prior = load_prior("vposer").to(dtype=DOUBLE)
    latent = 0.5 * torch.randn(
        3, prior.latent_dim, generator=torch.Generator().manual_seed(0), dtype=DOUBLE
    )
    terms = stage_terms(
        only(name), embedded_body(), dataclasses.replace(problem.decoder, prior=prior), preset()
    )
    if name == "limits":  # narrower than anybody's, so that many rows are outside
        narrow = torch.full((63,), 0.05, dtype=DOUBLE)
        terms = (
            WeightedTerm(name, 2.0, Limits("body_pose", torch.arange(63), -narrow, narrow, narrow)),
        )
    problem = dataclasses.replace(
        problem, terms=terms, decoder=dataclasses.replace(problem.decoder, prior=prior),
        free=(Block.TRANSL, Block.BODY), state=problem.state.replace(body=latent),
    )  # fmt: skip
    x = problem.pack(problem.state)
    _, gradient, _ = derivatives(problem, x)
    _, expected = problem.gradient(x)
    assert not problem.decoder.jointwise and expected.abs().max() > 1e-3
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
    """Where the rows are not reweighted, the slopes are plain derivatives of the residual."""
    problem = problem_of(only(name))
    bare = dataclasses.replace(problem, terms=tuple(_without_slopes(t) for t in problem.terms))
    x = problem.pack(problem.state)
    energy, gradient, hessian = derivatives(problem, x)
    by_autograd = derivatives(bare, x)
    torch.testing.assert_close(energy, by_autograd[0])
    torch.testing.assert_close(
        gradient, by_autograd[1], rtol=1e-6, atol=1e-6 * float(gradient.abs().max())
    )
    # reweighted rows: same gradient, a curvature of their own
    if name not in ("reprojection", "upright"):
        torch.testing.assert_close(
            hessian, by_autograd[2], rtol=1e-6, atol=1e-6 * float(hessian.abs().max())
        )


def _without_slopes(weighted: WeightedTerm) -> WeightedTerm:
    return dataclasses.replace(weighted, term=lambda scene: Rows(weighted.term(scene).residual))


def test_the_reweighted_curvature_is_positive_and_bounds_the_true_one():
    problem = problem_of(only("reprojection"))
    x = problem.pack(problem.state)
    hessian = derivatives(problem, x)[2]
    assert torch.linalg.eigvalsh(hessian).min() > -1e-6 * hessian.abs().max()


def test_a_user_term_needs_nothing_but_its_residual():
    """Both wrists at the same height: a term of one line, its slopes by autograd, beside the closed
    forms.
    """
    problem = problem_of(EVERY_WEIGHT)
    level = WeightedTerm(
        "level_wrists",
        3.0,
        lambda scene: Rows(scene["points"][:, 4:5, 1] - scene["points"][:, 7:8, 1]),
    )
    problem = dataclasses.replace(problem, terms=(*problem.terms, level))
    x = problem.pack(problem.state)
    _, gradient, _ = derivatives(problem, x)
    _, expected = problem.gradient(x)
    torch.testing.assert_close(
        gradient, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max())
    )
    assert set(jacobian_by_autograd(level.term, problem.view(x).scene).wrt) == {"points"}


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
    problem = problem_of(EVERY_WEIGHT, count=13)
    problem = dataclasses.replace(
        problem, model=problem.model.to("cpu", dtype), state=problem.state.to(dtype=dtype),
        observation=problem.observation.to(dtype=dtype), contour=problem.contour.to(dtype=dtype),
        decoder=decoder(dtype), terms=stage_terms(EVERY_WEIGHT, embedded_body(dtype), decoder(dtype), preset()),
        spheres=sphere_model(embedded_body(dtype), tuple(range(137))),
    )  # fmt: skip
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
    assert all(torch.equal(a, b) for a, b in zip(parts(found.linearised(None)), expected[1:], strict=True))
    some = derivatives(problem.rows(kept), x[kept])[1:]
    assert all(torch.equal(a, b) for a, b in zip(parts(found.linearised(kept)), some, strict=True))


def test_a_height_that_nobody_knows_is_left_out_of_the_work_but_not_of_the_names():
    problem = problem_of(only("height"))
    unknown = problem.observation.replace(
        height=torch.full_like(problem.observation.height, torch.nan)
    )
    problem = dataclasses.replace(problem, observation=unknown)
    config = preset()
    terms = stage_terms(only("height"), embedded_body(), decoder(), config, heights=False)
    quiet, x = dataclasses.replace(problem, terms=terms), problem.pack(problem.state)
    assert list(quiet.energies(x)) == list(problem.energies(x)) == ["height"]
    assert all(torch.equal(a, b) for a, b in zip(derivatives(quiet, x), derivatives(problem, x), strict=True))


def test_a_prior_in_pieces_bends_the_energy_as_its_jacobian_says():
    problem = problem_of(only("pose_prior"), count=6)
    prior, x = problem.decoder.prior, problem.pack(problem.state)
    assert isinstance(prior, Piecewise)
    written_out = dataclasses.replace(
        problem.terms[0], term=lambda scene: _by_jacobian(prior, scene["body"])
    )
    expected = derivatives(dataclasses.replace(problem, terms=(written_out,)), x)
    for found, value in zip(derivatives(problem, x), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-12, atol=1e-9)


def _by_jacobian(prior, latent):
    rows = prior.residual(latent)
    return Rows(rows, lambda: Slopes(rows, {"body": prior.jacobian(latent)}))


def test_what_every_batch_asks_for_is_made_once():
    config, body = preset(), embedded_body()
    assert decoder_of(body, config) is decoder_of(body, preset())
    terms = (
        stage_terms(EVERY_WEIGHT, body, decoder_of(body, config), c) for c in (config, preset())
    )
    assert next(terms) is next(terms)
    other = config.model_copy(update={"hand_components": 6})
    assert len(decoder_of(body, other).left_hand.sds) == 6
