"""Points of a body chosen by name or anywhere on its skin, folded to what moves them."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import DOUBLE, random_state, setup
from test_problem import people_of, stage_of
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.config import Block, Weights
from smplifyx.features.feature import FoldedBody
from smplifyx.features.fold import PointSet, SurfacePoint, fold
from smplifyx.features.jacobian_blocks import DenseBlock, PointBlock
from smplifyx.features.points import POINTS
from smplifyx.fitting.stage_problem import StageProblem
from smplifyx.keypoints import names
from smplifyx.problem.problem import Problem
from smplifyx.terms.scene import Jacobian, Residual, Scene, WeightedTerm

SHARES = (0.2, 0.3, 0.5)


def on_the_skin(count: int) -> tuple[SurfacePoint, ...]:
    """Points inside of triangles all over the body."""
    faces = setup().body.faces
    chosen = faces[torch.linspace(0, len(faces) - 1, count).long()]
    return tuple(SurfacePoint((a, b, c), SHARES) for a, b, c in chosen.tolist())


SETS = {
    "skin alone": PointSet(surface=on_the_skin(12)),
    "wrists and skin": dataclasses.replace(
        PointSet.named("left_wrist", "right_wrist"), surface=on_the_skin(9)
    ),
    "all parts and skin": PointSet(tuple(range(names.COUNT)), on_the_skin(5)),
}


def problem_with(points: PointSet) -> Problem:
    """People of random pose and shape, with these points folded and everything free; no terms."""
    stage = stage_of(Weights(reprojection=0.0))
    empty = StageProblem.of(stage, people_of())
    return dataclasses.replace(empty, points=points, terms=()).at(random_state(3, seed=1))


def test_points_are_chosen_by_name() -> None:
    points = PointSet.named("nose", "left_pupil")
    assert points.canonical == (names.POINT_INDEX["nose"], names.POINT_INDEX["left_pupil"])
    assert len(points) == 2 and len(SETS["wrists and skin"]) == 11
    assert PointSet.named("nose") == PointSet((0,)) and hash(PointSet.named("nose"))
    with pytest.raises(KeyError, match="third_knee"):
        PointSet.named("third_knee")


def test_all_points_of_a_body_are_known() -> None:
    body = setup().body
    assert PointSet.known(body).canonical == tuple(body.points.known.nonzero().flatten().tolist())


@pytest.mark.parametrize("name", SETS)
def test_points_on_the_skin_are_where_skinning_puts_them(name: str) -> None:
    problem, points = problem_with(SETS[name]), SETS[name]
    x = problem.pack(problem.state)
    params = problem.folded.decoder.params(problem.state)
    vertices = skinning.vertices(setup().body, params)
    corners = vertices[:, [list(point.vertices) for point in points.surface]]  # [batch, s, 3, 3]
    expected = (corners * torch.tensor(SHARES, dtype=DOUBLE)[:, None]).sum(-2)
    found = problem.view(x).scene[POINTS][:, len(points.canonical) :]
    # posedirs below the floor are dropped
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_points_on_the_skin_do_not_move_the_others() -> None:
    canonical = tuple(range(names.COUNT))
    alone = problem_with(PointSet(canonical))
    with_skin = problem_with(PointSet(canonical, on_the_skin(4)))
    x = alone.pack(alone.state)
    found = with_skin.view(x).scene[POINTS][:, : names.COUNT]
    torch.testing.assert_close(found, alone.view(x).scene[POINTS], rtol=0, atol=1e-12)


@dataclasses.dataclass(frozen=True)
class Towards:
    """Each point pulled to a place of its own, metres.

    stated: how it states its Jacobian: point by point, as one matrix, or not at all.
    """

    places: Tensor  # [p, 3]
    stated: type | None

    def __call__(self, scene: Scene) -> Residual:
        error = scene[POINTS] - self.places
        values = error.flatten(1)
        if self.stated is None:
            return Residual(values)
        one = torch.eye(3, dtype=values.dtype).expand(*error.shape, 3)
        block: PointBlock | DenseBlock = PointBlock(one)
        if self.stated is DenseBlock:
            block = DenseBlock(torch.eye(values.shape[1], dtype=values.dtype).expand(3, -1, -1))
        return Residual(values, lambda: Jacobian(values, {POINTS: block}))


@pytest.mark.parametrize("name", SETS)
def test_how_points_on_the_skin_move_agrees_with_autograd(name: str) -> None:
    problem = problem_with(SETS[name])
    x = problem.pack(problem.state)
    generator = torch.Generator().manual_seed(0)
    places = torch.randn(len(SETS[name]), 3, generator=generator, dtype=DOUBLE)
    hessians = []
    for stated in (PointBlock, DenseBlock, None):
        term = WeightedTerm("towards", 1.3, Towards(places, stated))
        pulled = dataclasses.replace(problem, terms=(term,))
        energy, quadratic = pulled.normal(x)
        expected_energy, expected = pulled.gradient(x)
        tolerance = 1e-6 * float(expected.abs().max())
        torch.testing.assert_close(energy, expected_energy, rtol=1e-12, atol=0)
        torch.testing.assert_close(quadratic.gradient, expected, rtol=1e-6, atol=tolerance)
        hessians.append(quadratic.hessian)
    for other in hessians[1:]:
        torch.testing.assert_close(other, hessians[0], rtol=1e-9, atol=1e-9)


BROKEN = {
    "of no body": (SurfacePoint((0, 1, 10**6), SHARES), "vertices"),
    "before the first": (SurfacePoint((0, -1, 2), SHARES), "vertices"),
    "of too much": (SurfacePoint((0, 1, 2), (0.5, 0.5, 0.5)), "sum of 1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_point_that_is_none_is_told(name: str) -> None:
    point, message = BROKEN[name]
    with pytest.raises(ValueError, match=message):
        fold(setup().body, PointSet(surface=(point,)))


def test_only_what_is_free_moves_points() -> None:
    body, decoder = setup().body, setup().decoder
    model = fold(body, SETS["skin alone"])
    whole = problem_with(SETS["skin alone"])
    term = WeightedTerm("towards", 1.0, Towards(torch.zeros(12, 3, dtype=DOUBLE), PointBlock))
    for block in Block:
        few = dataclasses.replace(
            whole, folded=FoldedBody(body, decoder, model, (block,)), terms=(term,)
        )
        x = few.pack(few.state)
        gradient = few.normal(x)[1].gradient
        if not few.energy(
            x.detach().requires_grad_()
        ).requires_grad:  # it moves none of these points
            assert not gradient.any()
            continue
        _, expected = few.gradient(x)
        torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-6)
