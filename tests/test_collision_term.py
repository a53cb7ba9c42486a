"""The term that holds spheres apart: its rows, its slopes through the chain, and where it pushes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import DOUBLE, embedded_body, preset
from solver_problems import derivatives
from test_problem import only, problem_of

from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.body.params import BodyParams
from smplifyx.camera import Camera
from smplifyx.collision.mesh.check import self_contact
from smplifyx.collision.proxies.spheres import place, spheres_of
from smplifyx.config import Block, Weights
from smplifyx.data.disentangle import solid
from smplifyx.features.fold import fold
from smplifyx.features.spheres import candidate_pairs, sphere_model
from smplifyx.problem.problem import WeightedTerm
from smplifyx.problem.stage_terms import stage_terms
from smplifyx.solvers import LevenbergMarquardt
from smplifyx.terms.collision import Collision
from smplifyx.terms.scene import Observation, Rows, Scene

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
    """Spheres that nobody has seen; partners [n, m] of all rows."""
    row, points = torch.zeros(len(spheres)), torch.zeros(len(spheres), 1)
    camera = Camera(torch.eye(3).expand(len(spheres), 3, 3), torch.ones(len(spheres), 2))
    target = points[..., None].expand(-1, 1, 2)
    candidates = candidates.expand(len(spheres), *candidates.shape)
    return Scene(
        {"spheres": spheres}, Observation(camera, target, *[points] * 3, row, row, candidates)
    )


def folded(count: int) -> tuple:
    """A problem of people whose arms go through their trunk, the collision term alone."""
    problem = problem_of(only("collision"), count=count)
    state = problem.state
    body = state.body.clone()
    for joint, turn in (("left_shoulder", (0.3, -1.2, -0.4)), ("left_elbow", (0.0, -1.8, 0.0))):
        first = 3 * (JOINT_INDEX[joint] - 1)
        body[:, first : first + 3] += torch.tensor(turn, dtype=body.dtype)
    problem = dataclasses.replace(problem, state=state.replace(body=body)).with_candidates()
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
def test_two_balls_overlap_by_radii_minus_distance(gap: float, clear: float, depth: float) -> None:
    spheres = torch.tensor([[[0.0, 0, 0, 0.1], [0, gap, 0, 0.2]]], dtype=DOUBLE)
    rows = Collision(0.01, clear)(scene_of(spheres, EACH_OTHER)).residual
    torch.testing.assert_close(
        rows, torch.full((1, 2), depth / 0.01, dtype=DOUBLE), atol=1e-9, rtol=0
    )


def test_a_ball_without_partner_never_counts() -> None:
    spheres = torch.zeros(1, 2, 4, dtype=DOUBLE) + 0.1
    assert not Collision(0.01, 0.1)(scene_of(spheres, THEMSELVES)).residual.any()


def some_balls(rows: int = 4, count: int = 30) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
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


def test_partners_are_the_nearest_by_power_and_the_ball_itself_where_there_are_too_few() -> None:
    spheres, apart, _ = some_balls()
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
    spheres, apart, depth = some_balls()
    expected = depth.amax(-1).topk(7).values.clamp_min(0)
    seen = scene_of(spheres, EACH_OTHER).observation.replace(
        candidates=candidate_pairs(spheres, apart, 30)
    )
    rows = Collision(1.0, 0.0, most=7)(Scene({"spheres": spheres}, seen)).residual
    torch.testing.assert_close(rows, expected)
    assert (expected > 0).any()


def test_concentric_balls_give_no_slope_and_no_nan() -> None:
    spheres = torch.tensor([[[0.0, 0, 0, 0.1], [0, 0, 0, 0.2]]], dtype=DOUBLE)
    slopes = Collision(0.01, 0.0)(scene_of(spheres, EACH_OTHER)).slopes()
    assert slopes.wrt["spheres"].pull.isfinite().all()


def test_balls_on_bones_are_where_skinning_puts_them() -> None:
    problem, x = folded(3)
    expected, radii = place(
        spheres_of(embedded_body()), embedded_body(), problem.decoder.params(problem.unpack(x))
    )
    found = problem.view(x).scene["spheres"]
    torch.testing.assert_close(
        found[..., :3] + problem.state.transl[:, None], expected, atol=1e-9, rtol=0
    )
    torch.testing.assert_close(found[..., 3], radii, atol=1e-9, rtol=0)


def test_bones_that_move_no_point_carry_balls_with_the_bone_above() -> None:
    body = embedded_body()
    few = sphere_model(body, tuple(range(25)))
    assert len(few.rest) == len(spheres_of(body).radius) and few.rest.isfinite().all()
    assert few.bone.max() < len(fold(body, tuple(range(25))).joints) < 55


@pytest.mark.parametrize("block", [None, *MOVING])
def test_the_closed_form_gradient_is_that_of_the_energy(block: Block | None) -> None:
    problem, _ = folded(3)
    problem = dataclasses.replace(problem, free=problem.free if block is None else (block,))
    x = problem.pack(problem.state)
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


def _bare(weighted: WeightedTerm):
    return lambda scene: Rows(weighted.term(scene).residual)


def test_a_row_is_the_same_to_the_last_bit_in_any_company() -> None:
    problem, x = folded(9)
    kept = torch.tensor([4])
    together, alone = derivatives(problem, x), derivatives(problem.rows(kept).with_candidates(), x[kept])
    assert all(torch.equal(a[kept], b) for a, b in zip(together, alone, strict=True))


def test_balls_that_no_stage_holds_apart_cost_nothing() -> None:
    assert problem_of(only("shape")).spheres is None


def reaching(palm: tuple[float, ...], elbow: tuple[float, ...]) -> BodyParams:
    """Somebody whose left arm comes to these places, metres from the pelvis: x to the left, y up, z
    forward.
    """
    problem = problem_of(only("collision"), free=(Block.BODY,), count=1)
    start = problem.state.map(torch.zeros_like).replace(
        orient=torch.eye(3, dtype=DOUBLE)[None], transl=problem.state.transl,
        body=problem.decoder.prior.mean()[None].to(DOUBLE),
    )  # fmt: skip
    places = torch.tensor([palm, elbow], dtype=DOUBLE)

    def there(scene: Scene) -> Rows:
        return Rows(
            (scene["points"][:, [PALM, ELBOW]] - scene["points"][:, [PELVIS]] - places).flatten(1)
        )

    natural = Weights(reprojection=0.0, pose_prior=0.3, limits=1.0)
    terms = stage_terms(natural, embedded_body(), problem.decoder, preset())
    pulled = dataclasses.replace(
        problem, state=start, terms=(*terms, WeightedTerm("there", 100.0, there)), spheres=None
    )
    solution = LevenbergMarquardt(max_steps=60).minimise(pulled, pulled.pack(start))
    return problem.decoder.params(pulled.unpack(solution.x))


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
    parted = solid(embedded_body(), people)
    before, after = _depth(people), _depth(parted)
    assert before > 0.025 and after < 0.15 * before
    assert (_palm(parted) - _palm(people)) @ torch.tensor(side, dtype=DOUBLE) > 0.02


def _palm(people: BodyParams) -> torch.Tensor:
    """The middle finger's root, from the pelvis."""
    points = skinning.points(embedded_body(), people)
    return points[0, PALM] - points[0, PELVIS]


def _depth(people: BodyParams) -> float:
    return float(self_contact(skinning.vertices(embedded_body(), people), embedded_body()).depth)
