"""The term that holds spheres apart: its residuals, its Jacobian, and where it pushes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import DOUBLE, decoder, embedded_body, preset, random_state
from solver_problems import derivatives
from test_problem import only, people_of, problem_of, stage_of

from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.body.params import BodyParams
from smplifyx.collision.mesh.check import self_penetration
from smplifyx.collision.proxies.spheres import place, spheres_of
from smplifyx.config import Block, Weights, with_prior
from smplifyx.data.disentangle import disentangled
from smplifyx.features.fold import PointSet, fold
from smplifyx.features.jacobian_blocks import SphereBlock
from smplifyx.features.points import POINTS
from smplifyx.features.spheres import SPHERES, CandidatePairs, candidate_pairs, sphere_model
from smplifyx.fitting.setup import FitSetup
from smplifyx.fitting.stage_problem import StageProblem
from smplifyx.problem.problem import Problem
from smplifyx.solvers import LevenbergMarquardt
from smplifyx.terms.collision import Collision
from smplifyx.terms.scene import FeatureValues, Residual, Scene, Term, WeightedTerm

EACH_OTHER = torch.tensor([[0, 1], [1, 0]])
PELVIS, ELBOW, PALM = 8, 6, 34  # among the canonical points
THEMSELVES = torch.tensor([[0, 0], [1, 1]])
MOVING = (
    Block.GLOBAL_ORIENT,
    Block.BODY,
    Block.BETAS,
    Block.EXPRESSION,
    Block.LEFT_HAND,
    Block.RIGHT_HAND,
    Block.JAW,
)


def scene_of(spheres: torch.Tensor, candidates: torch.Tensor) -> Scene:
    """Spheres of people of whom nothing else is known; candidates [n, m] are those of everybody."""
    everybodys = candidates.expand(len(spheres), *candidates.shape)
    return scene_with(spheres, CandidatePairs(everybodys))


def scene_with(spheres: torch.Tensor, candidates: CandidatePairs) -> Scene:
    """The same with candidates of each person."""
    values = FeatureValues({SPHERES: spheres}.__getitem__)
    return Scene(values, observed={}, matches={SPHERES: candidates})


def folded_arms(count: int, free: tuple[Block, ...] = tuple(Block)) -> tuple[Problem, torch.Tensor]:
    """People whose arms go through their trunk: a problem of collision alone, and its x."""
    problem = problem_of(only("collision"), free=free, count=count)
    body = problem.state.body.clone()
    for joint, turn in (("left_shoulder", (0.3, -1.2, -0.4)), ("left_elbow", (0.0, -1.8, 0.0))):
        first = 3 * (JOINT_INDEX[joint] - 1)
        body[:, first : first + 3] += torch.tensor(turn, dtype=body.dtype)
    problem = problem.with_state(problem.state.replace(body=body)).with_matches()
    return problem, problem.pack(problem.state)


@pytest.mark.parametrize(
    ("gap", "clear", "depth"),
    [
        (0.5, 0.0, 0.0),
        (0.3, 0.0, 0.0),
        (0.299, 0.0, 0.001),
        (0.25, 0.0, 0.05),
        (0.01, 0.0, 0.29),
        (0.3, 0.002, 0.002),
    ],
)
def test_two_spheres_overlap_by_radii_minus_distance(
    gap: float, clear: float, depth: float
) -> None:
    spheres = torch.tensor([[[0.0, 0, 0, 0.1], [0, gap, 0, 0.2]]], dtype=DOUBLE)
    residual = Collision(0.01, clear)(scene_of(spheres, EACH_OTHER)).values
    expected = torch.full((1, 2), depth / 0.01, dtype=DOUBLE)
    torch.testing.assert_close(residual, expected, atol=1e-9, rtol=0)


def test_a_sphere_that_may_meet_none_never_counts() -> None:
    spheres = torch.zeros(1, 2, 4, dtype=DOUBLE) + 0.1
    assert not Collision(0.01, 0.1)(scene_of(spheres, THEMSELVES)).values.any()


def some_spheres(rows: int = 4, count: int = 30) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random spheres, half of the pairs held apart, and how deep each lies in each that it is held
    apart from.
    """
    generator = torch.Generator().manual_seed(0)
    spheres = torch.rand(rows, count, 4, generator=generator, dtype=DOUBLE)
    spheres = spheres * torch.tensor([1.0, 1.0, 1.0, 0.2]) + torch.tensor([0.0, 0.0, 0.0, 0.01])
    apart = torch.rand(count, count, generator=generator) < 0.5
    apart = (apart | apart.T) & ~torch.eye(count, dtype=torch.bool)
    distance = torch.cdist(spheres[..., :3], spheres[..., :3])
    depth = spheres[..., 3:] + spheres[..., None, :, 3] - distance
    return spheres, apart, torch.where(apart, depth, -torch.inf)


def test_candidates_are_the_nearest_by_power_and_the_sphere_itself_where_there_are_too_few() -> (
    None
):
    spheres, apart, _ = some_spheres()
    lonely = torch.arange(len(apart)) >= 13
    apart[lonely], apart[:, lonely] = False, False
    found = candidate_pairs(spheres, apart, 12)
    own, others = found[..., 0], found[..., 1:]
    square = torch.cdist(spheres[..., :3], spheres[..., :3]).square()
    power = (square - (spheres[..., 3:] + spheres[..., None, :, 3]).square()).masked_fill(
        ~apart, torch.inf
    )
    expected = power.sort(-1).values[..., :12]
    nearest = expected[..., 0].sort(-1).values[..., :15]
    rows = torch.arange(4)[:, None]
    torch.testing.assert_close(power[rows, own].amin(-1), nearest)
    alone = others == own[..., None]
    torch.testing.assert_close(
        power[rows, own].gather(2, others).masked_fill(alone, torch.inf), expected[rows, own]
    )
    assert alone.any() and not alone.all()


def test_the_deepest_come_first_and_the_others_are_left_out() -> None:
    spheres, apart, depth = some_spheres()
    expected = depth.amax(-1).topk(7).values.clamp_min(0)
    candidates = CandidatePairs(candidate_pairs(spheres, apart, 30))
    residual = Collision(1.0, 0.0, most=7)(scene_with(spheres, candidates)).values
    torch.testing.assert_close(residual, expected)
    assert (expected > 0).any()


def test_concentric_spheres_give_no_slope_and_no_nan() -> None:
    spheres = torch.tensor([[[0.0, 0, 0, 0.1], [0, 0, 0, 0.2]]], dtype=DOUBLE)
    jacobian = Collision(0.01, 0.0)(scene_of(spheres, EACH_OTHER)).jacobian()
    block = jacobian.blocks[SPHERES]
    assert isinstance(block, SphereBlock) and block.pull.isfinite().all()


def test_spheres_on_bones_are_where_skinning_puts_them() -> None:
    problem, x = folded_arms(3)
    people = decoder().params(problem.unpack(x))
    expected, radii = place(spheres_of(embedded_body()), embedded_body(), people)
    found = problem.view(x).scene[SPHERES]
    torch.testing.assert_close(
        found[..., :3] + problem.state.transl[:, None], expected, atol=1e-9, rtol=0
    )
    torch.testing.assert_close(found[..., 3], radii, atol=1e-9, rtol=0)


def test_spheres_on_bones_that_move_no_point_go_with_the_bone_above() -> None:
    body = embedded_body()
    model = fold(body, PointSet(tuple(range(25))))
    few = sphere_model(body, model)
    assert len(few.rest) == len(spheres_of(body).radius) and few.rest.isfinite().all()
    assert few.bone.max() < len(model.joints) < 55


@pytest.mark.parametrize("block", [None, *MOVING])
def test_the_closed_form_gradient_is_that_of_the_energy(block: Block | None) -> None:
    problem, x = folded_arms(3, free=tuple(Block) if block is None else (block,))
    energy, gradient, hessian = derivatives(problem, x)
    expected_energy, expected = problem.gradient(x)
    assert (energy > 0).all()
    torch.testing.assert_close(energy, expected_energy, rtol=1e-9, atol=0)
    torch.testing.assert_close(
        gradient, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()) + 1e-9
    )
    bare = dataclasses.replace(
        problem, terms=tuple(dataclasses.replace(t, term=_bare(t)) for t in problem.terms)
    )
    torch.testing.assert_close(
        hessian, derivatives(bare, x)[2], rtol=1e-6, atol=1e-6 * float(hessian.abs().max()) + 1e-9
    )


def _bare(weighted: WeightedTerm) -> Term:
    return lambda scene: Residual(weighted.term(scene).values)


def test_a_row_is_the_same_to_the_last_bit_in_any_company() -> None:
    problem, x = folded_arms(9)
    kept = torch.tensor([4])
    together, alone = (
        derivatives(problem, x),
        derivatives(problem.rows(kept).with_matches(), x[kept]),
    )
    assert all(torch.equal(a[kept], b) for a, b in zip(together, alone, strict=True))


def test_spheres_that_no_stage_holds_apart_cost_nothing() -> None:
    assert not problem_of(only("shape")).people.matches
    assert problem_of(only("collision")).people.matches.keys() == {SPHERES}


def reaching(palm: tuple[float, ...], elbow: tuple[float, ...]) -> BodyParams:
    """Somebody whose left arm comes to these places, metres from the pelvis: x to the left, y up, z
    forward.
    """
    places = torch.tensor([palm, elbow], dtype=DOUBLE)

    def there(scene: Scene) -> Residual:
        from_pelvis = scene[POINTS][:, [PALM, ELBOW]] - scene[POINTS][:, [PELVIS]]
        return Residual((from_pelvis - places).flatten(1))

    weights = Weights(reprojection=0.0, keypoints3d=0.0, pose_prior=0.3, limits=1.0)
    natural = stage_of(weights, free=(Block.BODY,))
    state = random_state(1, seed=1)
    # One Gaussian: which component of a mixture holds the arm would be another matter.
    usual = FitSetup(embedded_body(), with_prior(preset(), "gaussian"))
    start = state.map(torch.zeros_like).replace(
        orient=torch.eye(3, dtype=DOUBLE)[None],
        transl=state.transl,
        body=usual.decoder.prior.mean()[None].to(DOUBLE),
    )
    pull = WeightedTerm("there", 100.0, there)
    people = people_of(count=1).replace(setup=usual)
    pulled = StageProblem.of(natural, people, (pull,)).at(start)
    solution = LevenbergMarquardt(max_steps=60).minimise(pulled, pulled.pack(start))
    return usual.decoder.params(pulled.unpack(solution.x))


@pytest.mark.parametrize(
    ("palm", "elbow", "side"),
    [
        ((0.05, 0.15, 0.06), (0.25, 0.22, 0.12), (0.6, 0.0, 0.8)),
        ((0.05, 0.12, -0.05), (0.28, 0.22, -0.16), (0.0, 0.0, -1.0)),
    ],
    ids=["belly", "back"],
)
def test_a_hand_inside_the_trunk_comes_out_on_the_nearer_side(palm, elbow, side) -> None:
    people = reaching(palm, elbow)
    parted = disentangled(embedded_body(), people)
    before, after = _depth(people), _depth(parted)
    assert before > 0.025 and after < 0.15 * before
    assert (_palm(parted) - _palm(people)) @ torch.tensor(side, dtype=DOUBLE) > 0.02


def _palm(people: BodyParams) -> torch.Tensor:
    """The middle finger's root, from the pelvis."""
    points = skinning.points(embedded_body(), people)
    return points[0, PALM] - points[0, PELVIS]


def _depth(people: BodyParams) -> float:
    return float(
        self_penetration(skinning.vertices(embedded_body(), people), embedded_body()).depth
    )
