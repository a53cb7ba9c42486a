"""Evidence of any kind goes through a fit unopened: here one that the program does not know."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from cases import camera, decoder, noisy_keypoints, preset, random_state, setup
from jaxtyping import Float
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.body.model import BodyModel
from smplifyx.config import Part, StageConfig
from smplifyx.core.bundle import Bundle, static
from smplifyx.evidence.evidence import Evidence, SavedEvidence, by_kind, check_rows
from smplifyx.evidence.height import KnownHeight
from smplifyx.evidence.kinds import KINDS
from smplifyx.features.fold import PointSet, SurfacePoint
from smplifyx.features.points import POINTS
from smplifyx.fitting.fitter import Fitter
from smplifyx.fitting.result import FitResult
from smplifyx.fitting.stage_problem import StageProblem
from smplifyx.keypoints import Keypoints, names
from smplifyx.terms.reprojection import ObservedPoints
from smplifyx.terms.scene import Residual, Scene, WeightedTerm

FLOAT = torch.float32
COUNT = 5
PELVIS = PointSet.named("mid_hip")
SHARES = (0.2, 0.3, 0.5)


@lru_cache(maxsize=1)
def palm() -> SurfacePoint:
    """The point of the skin that is nearest to the left palm, within a triangle."""
    body = setup(FLOAT).body
    wrist = body.joint_template[20]
    centres = body.v_template[body.faces].mean(1)
    a, b, c = body.faces[(centres - wrist).norm(dim=-1).argmin()].tolist()
    return SurfacePoint((a, b, c), SHARES)


@dataclass(frozen=True)
class RaisedWrist(Bundle):
    """How high the skin of the left wrist is above the pelvis, metres: a kind of the user's own."""

    metres: Float[Tensor, "*batch"]

    def points(self, stage: StageConfig, body: BodyModel) -> PointSet:
        return dataclasses.replace(PELVIS, surface=(palm(),))

    def observe(self, stage: StageConfig, points: PointSet) -> SeenRaised:
        skin = len(points.canonical) + points.surface.index(palm())
        return SeenRaised(self.metres, points.canonical.index(*PELVIS.canonical), skin)

    def terms(self, stage: StageConfig, body: BodyModel) -> Sequence[WeightedTerm]:
        return (WeightedTerm("raised", 1.0, raised),)


@dataclass(frozen=True)
class SeenRaised(Bundle):
    """The same as a stage sees it: with where the points are."""

    metres: Float[Tensor, "*batch"]
    pelvis: int = static()
    skin: int = static()


def raised(scene: Scene) -> Residual:
    """In units of a centimetre; y points down."""
    seen: SeenRaised = scene.observed[SeenRaised]
    height = scene[POINTS][:, seen.pelvis, 1] - scene[POINTS][:, seen.skin, 1]
    return Residual((height - seen.metres)[:, None] / 0.01)


def height_of(result: FitResult) -> Tensor:
    """By the mesh."""
    corners = skinning.vertices(setup(FLOAT).body, result.params)[:, list(palm().vertices)]
    skin = (corners * torch.tensor(SHARES)[:, None]).sum(1)
    return result.points3d[:, PELVIS.canonical[0], 1] - skin[:, 1]


@lru_cache(maxsize=1)
def fitter() -> Fitter:
    """Of few steps."""
    config = preset("fast")
    stages = []
    for stage in config.stages:
        solver = stage.solver.model_copy(update={"max_steps": 6})
        stages.append(stage.model_copy(update={"solver": solver}))
    return Fitter.of(setup(FLOAT).body, config.model_copy(update={"stages": tuple(stages)}))


@lru_cache(maxsize=1)
def keypoints() -> Keypoints:
    truth = random_state(COUNT, seed=3, spread=0.15, dtype=FLOAT)
    points3d = skinning.points(setup(FLOAT).body, decoder(FLOAT).params(truth))
    return noisy_keypoints(camera(COUNT, FLOAT).project(points3d), noise=1.0)


def fitted(rows: Sequence[int], evidence: Sequence[Bundle]) -> FitResult:
    """Some of the people; evidence: of all of them."""
    own = [one[list(rows)] for one in evidence]
    return fitter().fit(keypoints()[list(rows)], camera(COUNT, FLOAT)[list(rows)], own)


@lru_cache(maxsize=1)
def plain() -> FitResult:
    return fitted(range(COUNT), ())


@lru_cache(maxsize=1)
def wanted() -> RaisedWrist:
    """Each person's own height and some centimetres on top."""
    return RaisedWrist(height_of(plain()) + torch.linspace(0.03, 0.08, COUNT))


@lru_cache(maxsize=1)
def guided() -> FitResult:
    return fitted(range(COUNT), (wanted(),))


def test_kinds_say_what_they_can() -> None:
    assert isinstance(wanted(), Evidence) and not isinstance(wanted(), SavedEvidence)
    assert all(issubclass(kind, Bundle) for kind in KINDS)
    assert isinstance(KnownHeight(torch.zeros(1)), SavedEvidence)


def test_evidence_that_the_program_does_not_know_is_believed() -> None:
    off = (height_of(guided()) - wanted().metres).abs()
    before = (height_of(plain()) - wanted().metres).abs()
    assert (off < 0.3 * before).all()
    assert "raised" in guided().energies and "raised" not in plain().energies
    torch.testing.assert_close(guided().energies["raised"], (off / 0.01) ** 2, rtol=0.01, atol=1e-4)
    assert torch.equal(guided().evidence[RaisedWrist].metres, wanted().metres)


HEIGHTS = KnownHeight(torch.tensor([torch.nan, 1.6, torch.nan, 1.8, 1.75]))


@lru_cache(maxsize=1)
def of_known_height() -> FitResult:
    return fitted(range(COUNT), (wanted(), HEIGHTS))


@pytest.mark.parametrize("rows", [[0], [3, 1], [4, 3, 2, 1, 0], [2, 2]], ids=str)
def test_evidence_follows_its_people_in_any_order_and_company(rows: list[int]) -> None:
    some = fitted(rows, (wanted(), HEIGHTS))
    expected = of_known_height()[rows]
    for field in dataclasses.fields(some.params):
        found, known = getattr(some.params, field.name), getattr(expected.params, field.name)
        assert torch.equal(found, known), field.name
    for term in ("raised", "height"):
        assert torch.equal(some.energies[term], expected.energies[term])
    metres = some.evidence[RaisedWrist].metres
    assert torch.equal(metres, expected.evidence[RaisedWrist].metres)


def test_points_that_evidence_asks_for_are_no_keypoints_of_the_stage() -> None:
    """Evidence shows a finger to a stage of the body alone: its detection does not count."""

    @dataclass(frozen=True)
    class Finger(RaisedWrist):
        def points(self, stage: StageConfig, body: BodyModel) -> PointSet:
            return PointSet.named("left_index_4", "mid_hip")

    stage = fitter().setup.config.stages[0].model_copy(update={"parts": (Part.BODY,)})
    people = fitter().gather(keypoints(), camera(COUNT, FLOAT), (Finger(wanted().metres),))
    points = StageProblem.of(stage, people).points
    assert points.canonical == (*range(25), names.POINT_INDEX["left_index_4"])
    seen = people.seen.observe(stage, points)
    assert isinstance(seen, ObservedPoints)
    assert (seen.gain[:, :25] > 0).any() and not seen.gain[:, 25:].any()


def test_two_of_a_kind_are_told() -> None:
    with pytest.raises(ValueError, match="RaisedWrist"):
        fitted(range(COUNT), (wanted(), wanted()))
    with pytest.raises(ValueError, match="twice"):
        by_kind((wanted(), wanted()))


@pytest.mark.parametrize("count", [1, COUNT - 1, COUNT + 1])
def test_evidence_about_others_is_told(count: int) -> None:
    some = RaisedWrist(torch.zeros(count))
    with pytest.raises(ValueError, match=f"RaisedWrist is about .*{count}.* has {COUNT}"):
        fitter().fit(keypoints(), camera(COUNT, FLOAT), (some,))
    check_rows((some, some), count)


def test_a_result_keeps_in_its_file_the_kinds_that_have_a_place_there(tmp_path: Path) -> None:
    heights = KnownHeight(torch.full((1,), 1.7))
    one = fitted([0], (wanted(), KnownHeight(torch.full((COUNT,), 1.7))))[0]
    assert set(one.evidence) == {RaisedWrist, KnownHeight}
    one.save(tmp_path / "a.npz")
    loaded = FitResult.load(tmp_path / "a.npz")
    assert set(loaded.evidence) == {KnownHeight}
    assert torch.equal(loaded.evidence[KnownHeight].metres, heights.metres[0])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_file_that_lacks_a_kind_says_that_nothing_was_known(kind: type[SavedEvidence]) -> None:
    nothing = kind.from_arrays({})
    assert isinstance(nothing, kind) and isinstance(nothing, Bundle)
    owner = fitter().setup
    stage = owner.config.stages[-1]
    one = plain()[:1]
    people = fitter().gather(one.keypoints, one.camera, (nothing[None],))
    problem = StageProblem.of(stage, people).at(owner.decoder.state(one.params, one.latent))
    energies = problem.energies(problem.pack(problem.state))
    for term in nothing.terms(stage, owner.body):
        assert not energies[term.name].any()
