"""Further cameras as evidence: rows of their own, exact slopes, and nobody else's bits."""

from __future__ import annotations

import torch
from cases import DOUBLE, camera, noisy_keypoints, random_state, setup

from smplifyx.body import skinning
from smplifyx.camera import Camera
from smplifyx.config import Part, StageConfig, Weights
from smplifyx.core import rotations
from smplifyx.depth_prior.bones import BONES
from smplifyx.evidence.bone_depth import BoneDepth
from smplifyx.evidence.evidence import Evidence
from smplifyx.evidence.keypoints2d import Keypoints2D, person_scale
from smplifyx.evidence.views import Views
from smplifyx.features.jacobian_blocks import PointBlock
from smplifyx.features.points import POINTS
from smplifyx.fitting.batch import FitBatch
from smplifyx.fitting.fitter import Fitter
from smplifyx.fitting.stage_problem import StageProblem
from smplifyx.keypoints import Keypoints
from smplifyx.problem.problem import Problem
from smplifyx.terms.reprojection_in_views import ObservedInViews, ReprojectionInViews
from smplifyx.terms.scene import FeatureValues, Scene

PEOPLE, VIEWS = 3, 2
STAGE = StageConfig(
    name="test",
    free=("global_orient", "transl", "body", "betas"),
    parts=(Part.BODY, Part.HANDS),
    weights=Weights(reprojection=1.0),
)


def turned_cameras(dtype: torch.dtype = DOUBLE) -> tuple[torch.Tensor, torch.Tensor]:
    """From a camera to two others that see the same place, 4 m ahead of it, from the sides."""
    axes = torch.tensor([[0.0, 1.2, 0.0], [0.1, -1.0, 0.2]], dtype=dtype)
    rotation = rotations.exp(axes)
    middle = torch.tensor([0.0, 0.0, 4.0], dtype=dtype)
    return rotation, middle - (rotation @ middle[:, None])[..., 0]


def views_of(points: torch.Tensor, noise: float = 0.0) -> Views:
    """What the two see of people whose points are there [people, 137, 3]."""
    rotation, translation = turned_cameras(points.dtype)
    own = rotation.expand(len(points), -1, -1, -1).contiguous()
    shift = translation.expand(len(points), -1, -1).contiguous()
    cameras = camera(1, points.dtype).map(lambda t: t.expand(len(points), VIEWS, *t.shape[1:]))
    moved = (own[:, :, None] * points[:, None, :, None]).sum(-1) + shift[:, :, None]
    seen = noisy_keypoints(cameras.project(moved).flatten(0, 1), noise)
    keypoints = seen.map(lambda t: t.unflatten(0, (len(points), VIEWS)))
    here = torch.eye(4, dtype=points.dtype).repeat(len(points), 1, 1)
    own_setup = setup(points.dtype)
    views = Views(keypoints, cameras, own, shift, here)
    return views.measured_against(own_setup.neutral_points, own_setup.config.reprojection)


def people(dtype: torch.dtype = DOUBLE, noise: float = 0.0) -> tuple[FitBatch, torch.Tensor]:
    """People with true points, seen by three cameras; and the state they are in, as a batch."""
    own_setup = setup(dtype)
    state = random_state(PEOPLE, dtype=dtype, spread=0.1)
    points = skinning.points(own_setup.body, own_setup.decoder.params(state))
    of_reference = camera(PEOPLE, dtype)
    keypoints = noisy_keypoints(of_reference.project(points), noise)
    scale = person_scale(keypoints, keypoints.confidence, own_setup.neutral_points)
    seen = Keypoints2D(keypoints, of_reference, scale, own_setup.config.reprojection)
    return FitBatch(seen, {Views: views_of(points, noise)}, own_setup), state


def problem(noise: float = 0.0) -> Problem:
    batch, state = people(noise=noise)
    return StageProblem.of(STAGE, batch).at(state)


def test_views_are_evidence_with_a_row_for_each_camera_and_point() -> None:
    batch, _ = people()
    views = batch.others[Views]
    assert isinstance(views, Evidence)
    points = views.points(STAGE, setup().body)
    assert len(points.canonical) == 67
    observed = views.observe(STAGE, points)
    assert observed.seen.gain.shape == (PEOPLE, VIEWS, 67)
    assert (observed.seen.unit > 0).all()


def test_at_the_truth_nothing_is_left() -> None:
    at = problem()
    energies = at.energies(at.pack(at.state))
    assert float(energies["views"].max()) < 1e-6
    moved = at.state.replace(transl=at.state.transl + 0.1)
    assert float(at.energies(at.pack(moved))["views"].min()) > 10


def test_the_term_has_the_weight_of_the_own_camera() -> None:
    batch, _ = people()
    views, body = batch.others[Views], setup().body
    (term,) = views.terms(STAGE.model_copy(update={"weights": Weights(reprojection=3.0)}), body)
    assert (term.name, term.weight) == ("views", 3.0)
    silent = STAGE.model_copy(update={"weights": Weights(reprojection=0.0)})
    assert views.terms(silent, body) == ()


def test_the_slopes_along_the_points_are_exact() -> None:
    batch, state = people(noise=20.0)
    views = batch.others[Views]
    own = setup()
    where = views.points(STAGE, own.body)
    observed = views.observe(STAGE, where)
    points = skinning.points(own.body, own.decoder.params(state))[:, list(where.canonical)]

    def energy(at: torch.Tensor) -> torch.Tensor:
        return ReprojectionInViews()(scene_at(at, observed)).values.square().sum()

    points = points.requires_grad_()
    (expected,) = torch.autograd.grad(energy(points), points)
    linear = ReprojectionInViews()(scene_at(points.detach(), observed)).jacobian()
    block = linear.blocks[POINTS]
    assert isinstance(block, PointBlock)
    of_points = linear.values.unflatten(1, (points.shape[1], 2 * VIEWS))
    found = 2 * (block.slope * of_points[..., None]).sum(-2)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))


def scene_at(points: torch.Tensor, observed: ObservedInViews) -> Scene:
    values = FeatureValues({POINTS: points}.__getitem__)
    return Scene(values, {ObservedInViews: observed}, matches={})


def test_the_gradient_of_the_whole_problem_is_exact() -> None:
    at = problem(noise=10.0)
    x = at.pack(at.state)
    _, expected = at.gradient(x)
    _, linear = at.normal(x)
    scale = float(expected.abs().max())
    torch.testing.assert_close(linear.gradient, expected, rtol=1e-6, atol=1e-6 * scale)


def test_a_view_that_has_not_seen_somebody_says_nothing() -> None:
    batch, state = people(noise=5.0)
    views = batch.others[Views]
    confidence = views.keypoints.confidence.clone()
    confidence[0, 1] = 0
    blind = views.replace(keypoints=views.keypoints.replace(confidence=confidence))
    gain = blind.observe(STAGE, views.points(STAGE, setup().body)).seen.gain
    assert float(gain[0, 1].max()) == 0 and float(gain[1:].max()) > 0
    first = ("keypoints", "camera", "rotation", "translation", "scale")
    alone = views.replace(**{name: getattr(views, name)[:, :1] for name in first})
    energies = []
    for one in (blind, alone):
        at = StageProblem.of(STAGE, _with(batch, one)).at(state)
        energies.append(at.energies(at.pack(at.state))["views"][0])
    torch.testing.assert_close(energies[0], energies[1])


def _with(batch: FitBatch, views: Views) -> FitBatch:
    return batch.replace(others={Views: views})


def test_a_person_gets_the_same_bits_alone_and_in_company() -> None:
    batch, _ = people(torch.float32, noise=2.0)
    fitter = Fitter(setup(torch.float32))
    views = batch.others[Views]

    def fitted(rows: slice) -> torch.Tensor:
        result = fitter.fit(batch.keypoints[rows], batch.camera[rows], [views[rows]])
        return result.points3d

    together = fitted(slice(None))
    for person in range(PEOPLE):
        own = slice(person, person + 1)
        assert torch.equal(fitted(own), together[own])


def test_further_cameras_tell_how_deep_a_person_is() -> None:
    batch, state = people(torch.float32, noise=2.0)
    fitter = Fitter(setup(torch.float32))
    own = setup(torch.float32)
    truth = skinning.points(own.body, own.decoder.params(state))[:, :25]

    def error(evidence: list[Views]) -> float:
        found = fitter.fit(batch.keypoints, batch.camera, evidence).points3d[:, :25]
        return float((found - truth).norm(dim=-1).nanmean())

    assert error([batch.others[Views]]) < 0.015 < error([])


def test_keypoints_of_nobody_are_unseen() -> None:
    """Bundles of nobody pass through as those of people do."""
    batch, _ = people(torch.float32)
    nobody = batch.others[Views][:0]
    assert isinstance(nobody.keypoints, Keypoints) and isinstance(nobody.camera, Camera)
    result = Fitter(setup(torch.float32)).fit(batch.keypoints[:0], batch.camera[:0], [nobody])
    assert len(result.status) == 0 and "views" in result.energies


def test_bones_that_two_cameras_see_are_not_guessed() -> None:
    batch, _ = people()
    views = batch.others[Views]
    one = torch.ones_like(batch.keypoints.confidence)
    assert views.measured(one)[:, :25].all()
    blind = views.keypoints.confidence.index_fill(-1, torch.tensor([4]), 0.0)
    measured = views.replace(keypoints=views.keypoints.replace(confidence=blind)).measured(one)
    assert not measured[:, 4].any()
    share = torch.zeros(PEOPLE, len(BONES), dtype=DOUBLE)
    told = BoneDepth(share, torch.ones_like(share)).without(measured)
    guessed = [bone for bone, ends in enumerate(BONES) if 4 in ends]
    assert told.sd[0].isfinite().nonzero().flatten().tolist() == guessed
