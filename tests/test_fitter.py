"""A fitter: bodies to begin with, reports of every stage, and the same answer as the short way."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

import pytest
import torch
from cases import camera, decoder, noisy_keypoints, preset, random_state, setup
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.body.params import BodyParams
from smplifyx.camera import Camera
from smplifyx.config import FitConfig
from smplifyx.core.bundle import Bundle
from smplifyx.evaluation.metrics import person_errors
from smplifyx.fitting import fitter as fitter_module
from smplifyx.fitting import schedule
from smplifyx.fitting.fit import fit
from smplifyx.fitting.fitter import Fitter
from smplifyx.fitting.result import FitResult
from smplifyx.fitting.watching import StageReport
from smplifyx.keypoints import Keypoints

FLOAT = torch.float32
COUNT = 5


def with_steps(config: FitConfig, most: int) -> FitConfig:
    """The preset with no more steps than that in each stage."""
    stages = []
    for stage in config.stages:
        solver = stage.solver.model_copy(update={"max_steps": min(stage.solver.max_steps, most)})
        stages.append(stage.model_copy(update={"solver": solver}))
    return config.model_copy(update={"stages": tuple(stages)})


@lru_cache(maxsize=4)
def quick(preset_name: str = "smplx") -> Fitter:
    """Few steps, all stages."""
    return Fitter.of(setup(FLOAT).body, with_steps(preset(preset_name), 4))


@lru_cache(maxsize=1)
def truth() -> BodyParams:
    state = random_state(COUNT, seed=3, spread=0.15, dtype=FLOAT)
    still = state.replace(focal=torch.zeros_like(state.focal))
    return decoder(FLOAT).params(still)


@lru_cache(maxsize=1)
def seen() -> Keypoints:
    points3d = skinning.points(setup(FLOAT).body, truth())
    return noisy_keypoints(camera(COUNT, FLOAT).project(points3d), noise=0.5)


def cameras() -> Camera:
    return camera(COUNT, FLOAT)


def same(first: Bundle, second: Bundle) -> bool:
    """Whether two bundles agree to the bit, tensor by tensor."""
    pairs = zip(tensors_of(first), tensors_of(second), strict=True)
    return all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs)


def tensors_of(bundle: Bundle) -> list[Tensor]:
    found: list[Tensor] = []

    def noted(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    bundle.map(noted)
    return found


# ---- bodies to begin with


def near_and_far() -> BodyParams:
    """[people, 2]: first a body that is turned and elsewhere; then one near the truth."""
    generator = torch.Generator().manual_seed(5)

    def shaken(tensor: Tensor) -> Tensor:
        return tensor + 0.03 * torch.randn(tensor.shape, generator=generator)

    near = truth().map(shaken)
    far = (
        truth()
        .map(torch.zeros_like)
        .replace(
            global_orient=truth().global_orient + torch.tensor([0.0, 2.0, 1.0]),
            transl=truth().transl + torch.tensor([1.0, 0.5, 3.0]),
        )
    )
    return BodyParams.stack([far, near], dim=1)


@lru_cache(maxsize=1)
def all_at_once() -> Fitter:
    """The last stage alone, few steps of it."""
    last = preset().model_copy(update={"stages": preset().stages[-1:]})
    return Fitter.of(setup(FLOAT).body, with_steps(last, 8))


def test_a_start_near_the_truth_leads_there_in_few_steps() -> None:
    found = all_at_once().fit(seen(), cameras(), start=near_and_far())
    assert found.hypothesis_energies.shape == (COUNT, 2)
    assert (found.chosen == 1).all() and (found.steps <= 8).all()
    off = person_errors(setup(FLOAT).body, found.params, truth()).pa_mpjpe  # millimetres
    assert float(off.median()) < 25 and (off < 50).all()
    # about as low as what the whole preset finds from its own guesses, in more steps
    whole = fit(seen(), cameras(), setup(FLOAT).body, preset())
    assert (found.energy < 1.5 * whole.energy).all() and (found.steps < whole.steps).all()


@pytest.mark.parametrize("best", [0, 1])
def test_the_best_of_the_starts_is_the_result(best: int) -> None:
    starts = near_and_far() if best else near_and_far()[:, [1, 0]]
    found = all_at_once().fit(seen(), cameras(), start=starts)
    assert (found.chosen == best).all()
    assert torch.equal(found.energy, found.hypothesis_energies.amin(1))
    assert torch.equal(found.gap, found.hypothesis_energies[:, 1 - best] - found.energy)


def test_one_start_each_is_enough_and_follows_its_person() -> None:
    starts, rows = near_and_far()[:, 1:], [3, 0]
    together = quick().fit(seen(), cameras(), start=starts)
    some = quick().fit(seen()[rows], cameras()[rows], start=starts[rows])
    assert same(some.params, together.params[rows])


def without_axis(bodies: BodyParams) -> BodyParams:
    return bodies[:, 1]


def of_fewer_betas(bodies: BodyParams) -> BodyParams:
    return bodies.replace(betas=bodies.betas[..., :5])


def of_more_expressions(bodies: BodyParams) -> BodyParams:
    return bodies.replace(expression=torch.nn.functional.pad(bodies.expression, (0, 3)))


def of_fewer_people(bodies: BodyParams) -> BodyParams:
    return bodies[:-1]


WRONG = {
    "one axis": (without_axis, r"expected bodies \[people, hypotheses"),
    "betas": (of_fewer_betas, "expected 10 betas, got 5"),
    "expressions": (of_more_expressions, "expected 10 expression, got 13"),
    "people": (of_fewer_people, f"{COUNT - 1} people, the batch has {COUNT}"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_start_that_does_not_fit_is_told(name: str) -> None:
    change, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        quick().fit(seen(), cameras(), start=change(near_and_far()))


# ---- reports


@pytest.fixture(params=[False, True], ids=["whole", "in parts"])
def in_parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the batch is cut into pieces, and these into cohorts that leave people behind."""
    if request.param:
        pieces = [slice(0, 4), slice(4, COUNT)]
        monkeypatch.setattr(fitter_module, "pieces", lambda count, device, threads: pieces)
        monkeypatch.setattr(schedule, "COHORT", 2)
        monkeypatch.setattr(schedule, "LEAVE", 6)
    return request.param


def watched() -> tuple[FitResult, dict[str, list[StageReport]]]:
    """A fit, and its reports by stage."""
    reports: dict[str, list[StageReport]] = defaultdict(list)

    def watch(report: StageReport) -> None:
        reports[report.stage].append(report)

    return quick().fit(seen(), cameras(), watch=watch), reports


def test_every_stage_reports_everybody_once(in_parts: bool) -> None:
    result, reports = watched()
    assert list(reports) == [stage.name for stage in quick().setup.config.stages]
    for stage, told in reports.items():
        people = torch.cat([report.person for report in told])
        assert sorted(people.tolist()) == list(range(COUNT)), stage
        assert all(len(report.energy) == len(report.person) for report in told)
        assert all(len(report.bodies.transl) == len(report.person) for report in told)
    last = list(reports.values())[-1]
    assert (len(last) > 1) == in_parts and last[-1].running == 0
    for report in last:
        assert same(report.bodies, result.params[report.person])
        assert torch.equal(report.energy, result.energy[report.person])
        assert torch.equal(report.steps, result.steps[report.person])


def test_energies_by_term_add_up_in_every_report(in_parts: bool) -> None:
    _, reports = watched()
    for told in reports.values():
        for report in told:
            total = torch.stack([*report.by_term.values()]).sum(0)
            torch.testing.assert_close(total, report.energy, rtol=1e-5, atol=1e-5)
    assert "reprojection" in reports[quick().setup.config.stages[0].name][0].by_term


def test_who_watches_changes_no_bit(in_parts: bool) -> None:
    result, _ = watched()
    assert same(result, quick().fit(seen(), cameras()))


def test_what_a_watch_raises_reaches_the_caller(in_parts: bool) -> None:
    def watch(report: StageReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick().fit(seen(), cameras(), watch=watch)


# ---- the short way


@pytest.mark.parametrize("name", ["smplx", "fast"])
def test_a_fitter_gives_what_fit_gives_to_the_bit_however_often(name: str) -> None:
    own = quick(name)
    first = own.fit(seen(), cameras())
    short = fit(seen(), cameras(), setup(FLOAT).body, own.setup.config)
    # `fit` adds the known heights of people, of which there are none here
    heightless = short.replace(
        energies={term: e for term, e in short.energies.items() if term != "height"}, evidence={}
    )
    assert short.energies.keys() - first.energies.keys() == {"height"}
    assert not short.energies["height"].any()
    assert same(first, heightless)
    assert same(first, own.fit(seen(), cameras()))


def test_one_camera_per_person() -> None:
    with pytest.raises(ValueError, match="one camera per person"):
        quick().fit(seen(), cameras()[:3])
    with pytest.raises(ValueError, match="one camera per person"):
        quick().fit(seen()[0], cameras()[0])


def test_a_presets_focal_length_takes_the_place_of_the_cameras() -> None:
    config = quick().setup.config.model_copy(update={"focal_px": 5000.0})
    people = Fitter.of(setup(FLOAT).body, config).gather(seen(), cameras())
    assert people.camera.focal.unique().tolist() == [5000.0]
