"""People of one image fitted together: the shared problem, who is fitted with whom, and what comes
of it.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import pytest
import torch
from cases import DOUBLE, camera, decoder, embedded_body, noisy_keypoints, preset, random_state
from solver_problems import derivatives, parts

from smplifyx.body import skinning
from smplifyx.body.joints import JOINT_INDEX
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import Age, BodyModel
from smplifyx.camera import Camera
from smplifyx.collision.mesh.check import penetration_between
from smplifyx.config import with_free_focal
from smplifyx.features.variables import State
from smplifyx.fitting.fit import fit
from smplifyx.fitting.fitter import Fitter
from smplifyx.fitting.neighbours import groups, overlap, pairs, same_person
from smplifyx.fitting.quality import reprojection_px
from smplifyx.fitting.result import FitResult
from smplifyx.fitting.scene_fit import fit_together
from smplifyx.fitting.schedule import final_problem
from smplifyx.fitting.setup import FitSetup
from smplifyx.keypoints import Keypoints, names
from smplifyx.problem.couplings import Between
from smplifyx.problem.problem import Problem
from smplifyx.problem.spheres_between import spheres_between
from smplifyx.terms.collision import Collision
from smplifyx.terms.scene import WeightedTerm

FLOAT = torch.float32
Places = tuple[tuple[float, float, float], ...]
TWO: Places = ((0.0, 0.3, 3.0), (0.2, 0.3, 3.1))
ROW: Places = ((0.0, 0.3, 3.0), (0.35, 0.3, 3.02), (0.7, 0.3, 3.0))
APART: Places = ((0.0, 0.3, 3.0), (0.4, 0.3, 4.0))


@lru_cache(maxsize=4)
def body_of(age: Age = Age.ADULT, dtype: torch.dtype = FLOAT) -> BodyModel:
    return embedded_body(dtype) if age is Age.ADULT else load_body(None, age=age).to(dtype=dtype)


def standing(places: Places, seed: int = 0) -> State:
    """People who stand still, more or less."""
    count = len(places)
    state = random_state(count, seed=seed, spread=0.08, dtype=FLOAT)
    turn = state.global_orient * torch.tensor([0.3, 1.0, 0.3])
    return state.replace(
        transl=torch.tensor(places), global_orient=turn, focal=torch.zeros(count, 1)
    )


def seen(state: State, seed: int = 0) -> tuple[Keypoints, Camera]:
    cameras = camera(len(state.transl), FLOAT)
    params = decoder(FLOAT).params(state)
    return noisy_keypoints(cameras.project(skinning.points(body_of(), params)), 2.0, seed), cameras


@lru_cache(maxsize=16)
def alone(places: Places, seed: int = 0) -> list[FitResult]:
    """Everybody fitted without the others."""
    result = fit(*seen(standing(places, seed), seed), body_of(), preset())
    return [result[row] for row in range(len(places))]


def together(results: list[FitResult]) -> list[FitResult]:
    return fit_together(results, ["photo"] * len(results), [body_of()], preset())


def deepest(results: list[FitResult]) -> float:
    """Millimetres that the meshes lie in each other."""
    first, second = map(list, zip(*pairs(range(len(results)), [0] * len(results)), strict=True))
    meshes = torch.stack([result.vertices(body_of()) for result in results])
    found = penetration_between(meshes[first], meshes[second], (body_of(), body_of()))
    return 1000 * float(torch.maximum(*(contact.depth for contact in found)).max())


def body_px(result: FitResult) -> float:
    return float(reprojection_px(result.keypoints, result.points2d).body)


def same(a: FitResult, b: FitResult, atol: float = 0.0) -> bool:
    """Whether two bodies are the same to so many radians and metres."""
    differences = [
        (getattr(a.params, f.name) - getattr(b.params, f.name)).abs()
        for f in dataclasses.fields(type(a.params))
    ]
    return all(bool((d <= atol).all()) for d in differences) and a.provenance == b.provenance


# ---- what comes of it


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_people_come_apart_in_depth(seed: int) -> None:
    before = alone(TWO, seed)
    after = together(before)
    assert deepest(before) > 30 and deepest(after) < 8
    near, far = (float(result.params.transl[2]) for result in after)
    assert far - near > 0.15, "who stood in front stands in front"
    for old, new in zip(before, after, strict=True):
        assert (
            body_px(new) < body_px(old) + 1.0
            and abs(float(new.shape.stature - old.shape.stature)) < 0.08
        )
        assert int(new.steps) > int(old.steps) and int(new.status) == int(old.status)
        assert float(new.energy) == pytest.approx(
            sum(float(e) for e in new.energies.values()), rel=1e-5
        )
        assert float(new.hypothesis_energies[new.chosen]) == float(new.energy)
        assert float(new.energy) < float(old.energy) + 20
        assert torch.equal(new.joint_covariance, old.joint_covariance), "told before they parted"


def test_three_in_a_row_come_apart() -> None:
    before = alone(ROW, 2)
    after = together(before)
    assert deepest(before) > 60 and deepest(after) < 20
    assert all(body_px(new) < body_px(old) + 1.5 for old, new in zip(before, after, strict=True))


def test_an_arm_round_a_shoulder_stays_outside() -> None:
    state = standing(((0.0, 0.3, 3.0), (0.45, 0.3, 2.9)))
    pose, arm = state.body.clone(), 3 * (JOINT_INDEX["left_shoulder"] - 1)
    pose[0, arm : arm + 3] = torch.tensor([0.0, 0.1, 0.1])  # straight out, towards the other
    result = fit(*seen(state.replace(body=pose)), body_of(), preset())
    before = [result[0], result[1]]
    after = together(before)
    assert deepest(before) > 25 and deepest(after) < 0.5 * deepest(before)
    reach = (
        after[0].points3d[names.POINT_INDEX["left_wrist"], 0]
        - after[0].points3d[names.POINT_INDEX["neck"], 0]
    )
    assert float(reach) > 0.4, "the arm is still about the other's shoulders"
    assert all(body_px(new) < body_px(old) + 2.0 for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("places", [APART, TWO[:1]])
def test_who_touches_nobody_is_given_back_as_he_is(places: Places) -> None:
    before = alone(places)
    assert all(new is old for old, new in zip(before, together(before), strict=True))


def test_people_of_different_images_do_not_meet() -> None:
    before = alone(TWO)
    after = fit_together(before, ["a", "b"], [body_of()], preset())
    assert all(new is old for old, new in zip(before, after, strict=True))


def test_the_order_of_people_and_other_images_do_not_matter() -> None:
    row, two = alone(ROW, 2), alone(TWO, 1)
    images = ["row", "two", "row", "two", "row", "far", "far"]
    mixed = [row[2], two[1], row[0], two[0], row[1], *alone(APART)]
    found = fit_together(mixed, images, [body_of()], preset())
    expected = [*together(row), *together(two)]
    for place, new in zip((2, 4, 0, 3, 1), expected, strict=True):
        assert same(found[place], new, 1e-4) and torch.equal(
            found[place].keypoints.xy, new.keypoints.xy
        )


def test_an_adult_and_a_child_are_fitted_together() -> None:
    adult = alone(TWO)[0]
    keypoints, cameras = seen(standing(TWO))
    child = fit(keypoints[1:], cameras[1:], body_of(Age.CHILD), preset())[0]
    bodies = [body_of(Age.CHILD), body_of()]
    after = fit_together([child, adult], [0, 0], bodies, preset())
    assert [len(result.params.betas) for result in after] == [11, 10]
    assert [result.provenance.age for result in after] == ["child", "adult"]
    meshes = [result.vertices(body)[None] for result, body in zip(after, bodies, strict=True)]
    assert float(penetration_between(*meshes, tuple(bodies))[0].depth) < 8e-3


def test_people_detected_twice_are_not_held_apart() -> None:
    twice = [alone(TWO)[0]] * 2
    assert all(new is old for old, new in zip(twice, together(twice), strict=True))


@pytest.mark.parametrize("fault", ["focal", "cameras", "body"])
def test_what_cannot_be_fitted_together_is_told(fault: str) -> None:
    results = alone(TWO)
    config = with_free_focal(preset()) if fault == "focal" else preset()
    if fault == "cameras":
        results = [
            results[0],
            results[1].replace(camera=results[1].camera.zoomed(torch.tensor(1.1))),
        ]
    bodies = [] if fault == "body" else [body_of()]
    with pytest.raises(ValueError, match="cannot be fitted together"):
        fit_together(results, [0, 0], bodies, config)


# ---- who is fitted with whom


@pytest.mark.parametrize(
    ("depths", "expected"),
    [
        ({(0, 1): 0.02}, [[0, 1]]),
        ({(0, 1): -0.05}, []),
        ({(0, 1): 0.02, (1, 2): -0.05, (2, 3): -0.2}, [[0, 1, 2]]),
        ({(0, 1): 0.02, (2, 3): 0.01, (1, 2): -0.3}, [[0, 1], [2, 3]]),
        ({(0, 1): 0.01, (1, 2): 0.03, (2, 3): 0.02, (3, 4): 0.04}, [[1, 2], [3, 4]]),
        ({(4, 5): -0.01, (0, 1): 0.01}, [[0, 1]]),
    ],
)
def test_groups(depths: dict[tuple[int, int], float], expected: list[list[int]]) -> None:
    most = 2 if len(depths) == 4 else 8
    assert sorted(groups(depths, near=0.1, most=most)) == expected


def test_overlap_of_spheres() -> None:
    first = torch.tensor([[0.0, 0, 0, 0.1], [0, 1, 0, 0.2]])
    assert overlap(first, torch.tensor([[0.0, 0, 0.15, 0.1]])) == pytest.approx(0.05)
    assert overlap(first, torch.tensor([[0.0, 1, 0.45, 0.2]])) == pytest.approx(-0.05)
    assert overlap(first, torch.tensor([[5.0, 0, 0, 0.1]])) == pytest.approx(-4.7)


@pytest.mark.parametrize(
    ("shift", "hidden", "expected"),
    [(0.0, 0, True), (20.0, 15, True), (200.0, 0, False), (0.0, 24, False)],
)
def test_one_person_detected_twice(shift: float, hidden: int, expected: bool) -> None:
    first = alone(TWO)[0].keypoints
    confidence = first.confidence.clone()
    confidence[:hidden] = 0
    assert (
        same_person(first, first.replace(xy=first.xy + shift / 2**0.5, confidence=confidence))
        is expected
    )


# ---- the shared problem


@lru_cache(maxsize=4)
def shared(
    ages: tuple[Age, ...], count: int = 2, prior: str = "gmm", dtype: torch.dtype = DOUBLE
) -> Between:
    """Groups of people who stand in each other, all terms on."""
    members = [member(age, place, count, prior, dtype) for place, age in enumerate(ages)]
    return spheres_between(members, WeightedTerm("between", 0.7, Collision(0.01, 1e-3, most=96)))


def start_of(problem: Between) -> torch.Tensor:
    return problem.join([one.pack(one.state) for one in problem.members])


@lru_cache(maxsize=8)
def setup_of(age: Age, dtype: torch.dtype, prior: str) -> FitSetup:
    return FitSetup(body_of(age, dtype), preset().model_copy(update={"pose_prior": prior}))


def member(age: Age, place: int, count: int, prior: str, dtype: torch.dtype) -> Problem:
    """The last stage's problem of the people who stand at that place of each group."""
    own = setup_of(age, dtype, prior)
    state = random_state(count, seed=place, spread=0.1, dtype=dtype)
    kid_betas = own.body.shapedirs.shape[-1] - 10
    transl = torch.tensor([0.15 * place, 0.3, 3.0 + 0.05 * place], dtype=dtype)
    mean = own.decoder.prior.mean()
    state = state.replace(
        betas=torch.nn.functional.pad(state.betas, (0, kid_betas), value=0.3),
        transl=transl.expand(count, 3),
        body=mean + 0.1 * state.body[:, : len(mean)],
        focal=torch.zeros_like(state.focal),
    )
    cameras = camera(count, dtype)
    points3d = skinning.points(own.body, own.decoder.params(state))
    keypoints = noisy_keypoints(cameras.project(points3d), 3.0)
    return final_problem(Fitter(own).gather(keypoints, cameras), state)


MIXES = [(Age.ADULT, Age.ADULT), (Age.CHILD, Age.ADULT), (Age.ADULT, Age.CHILD, Age.ADULT)]


@pytest.mark.parametrize("ages", MIXES)
@pytest.mark.parametrize("prior", ["gmm", "vposer"])
def test_the_closed_form_gradient_is_that_of_the_energy(ages: tuple[Age, ...], prior: str) -> None:
    problem = shared(ages, prior=prior)
    x = start_of(problem)
    energy, gradient, _ = derivatives(problem, x)
    expected_energy, expected = problem.gradient(x)
    assert (problem.link.energy(problem.views(x)) > 1).all()
    torch.testing.assert_close(energy, expected_energy, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        gradient, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max())
    )


def test_the_gradient_is_that_of_finite_differences() -> None:
    problem = shared(MIXES[0])
    x, gradient = start_of(problem), problem.gradient(start_of(problem))[1]
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    step = 1e-6
    slope = (problem.energy(x + step * direction) - problem.energy(x - step * direction)) / (
        2 * step
    )
    torch.testing.assert_close(slope, (gradient * direction).sum(-1), rtol=1e-5, atol=0)


def test_the_hessian_is_that_of_the_members_and_of_the_residuals_between() -> None:
    problem = shared(MIXES[2], count=1)
    x = start_of(problem)

    def between(x: torch.Tensor) -> torch.Tensor:
        return problem.link.residual(problem.views(x))[0]

    slope = torch.autograd.functional.jacobian(between, x)[:, 0]
    own = [
        derivatives(one, some)[2][0]
        for one, some in zip(problem.members, problem.split(x), strict=True)
    ]
    expected = 2 * slope.T @ slope + torch.block_diag(*own)
    torch.testing.assert_close(
        derivatives(problem, x)[2][0], expected, rtol=1e-6, atol=1e-9 * float(expected.abs().max())
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_group_is_the_same_to_the_last_bit_in_any_company(dtype: torch.dtype) -> None:
    problem = shared(MIXES[1], count=9, dtype=dtype)
    x, kept = start_of(problem), torch.tensor([4])
    alone_there = derivatives(problem.rows(kept), x[kept])
    assert all(
        torch.equal(a[kept], b) for a, b in zip(derivatives(problem, x), alone_there, strict=True)
    )
    found = parts(problem.evaluate(x).linearised(kept))
    assert all(torch.equal(a, b) for a, b in zip(found, alone_there[1:], strict=True))


def test_unknowns_come_back_from_params() -> None:
    state = standing(TWO).rebased()
    back = decoder(FLOAT).state(decoder(FLOAT).params(state), state.body)
    for name in ("orient", "transl", "body", "betas", "left_hand", "right_hand", "jaw"):
        torch.testing.assert_close(getattr(back, name), getattr(state, name), rtol=0, atol=2e-5)
