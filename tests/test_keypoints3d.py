"""Points of a body in space as evidence: what a stage sees of them, and a fit from nothing else."""

from __future__ import annotations

import dataclasses

import torch
from cases import DOUBLE, decoder, setup
from test_fold import problem_with

from smplifyx.body import skinning
from smplifyx.config import StageConfig, Weights
from smplifyx.evidence.evidence import Evidence
from smplifyx.evidence.keypoints3d import Keypoints3D
from smplifyx.features.fold import PointSet, SurfacePoint
from smplifyx.features.points import POINTS

SKIN = (SurfacePoint((1, 2, 3), (0.2, 0.3, 0.5)), SurfacePoint((5, 5, 5), (1.0, 0.0, 0.0)))
OF = PointSet((4, 7), SKIN)
STAGE = StageConfig(name="test", free=("transl",))


def told() -> Keypoints3D:
    """Two people; nobody knows the first point of the second."""
    places = torch.arange(24, dtype=DOUBLE).view(2, 4, 3)
    places[1, 0] = torch.nan
    return Keypoints3D(places, torch.tensor([[0.5, 1, 2, torch.inf]] * 2).to(DOUBLE), OF)


def test_a_stage_sees_its_own_points_in_its_own_order() -> None:
    assert isinstance(told(), Evidence)
    order = PointSet((0, 7, 4), (*reversed(SKIN), SurfacePoint((8, 8, 8), (1.0, 0.0, 0.0))))
    seen = told().observe(STAGE, order)
    assert seen.gain.tolist() == [[0, 1, 2, 0, 0.5, 0], [0, 1, 0, 0, 0.5, 0]]
    assert seen.places[0, 1].tolist() == told().places[0, 1].tolist()
    assert seen.places.isfinite().all()


def test_a_stage_that_does_not_weigh_them_folds_no_points() -> None:
    silent = STAGE.model_copy(update={"weights": Weights(keypoints3d=0.0)})
    assert told().points(STAGE, setup().body) == OF
    assert told().points(silent, setup().body) == PointSet()
    assert told().terms(silent, setup().body) == ()


def test_points_without_correctives_are_those_of_a_body_without() -> None:
    body = setup().body
    most_corrected = int(body.posedirs.abs().sum((1, 2)).argmax())
    point = SurfacePoint((most_corrected,) * 3, (1.0, 0.0, 0.0))
    points = PointSet(surface=(point, dataclasses.replace(point, corrected=False)))
    problem = problem_with(points)
    folded = problem.view(problem.pack(problem.state)).scene[POINTS]
    params = decoder().params(problem.state)
    plain = dataclasses.replace(body, posedirs=torch.zeros_like(body.posedirs))
    of_meshes = [skinning.vertices(one, params)[:, most_corrected] for one in (body, plain)]
    assert (of_meshes[0] - of_meshes[1]).abs().max() > 1e-3
    torch.testing.assert_close(folded, torch.stack(of_meshes, 1), rtol=0, atol=1e-6)
