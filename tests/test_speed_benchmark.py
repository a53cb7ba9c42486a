"""The speed benchmark: its baseline minimises the 2019 energy, its judge is the energy of a fit,
its table adds up.
"""

from __future__ import annotations

import argparse
import dataclasses
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from cases import embedded_body, preset
from mocap_data import random_poses

from benchmarks import baseline, speed
from benchmarks.judge import common_energy
from smplifyx.config import FitConfig, Part
from smplifyx.data.synthetic import GeneratedPeople, generate_people
from smplifyx.fitting.fit import fit

FLOAT = torch.float32


@lru_cache(maxsize=1)
def people() -> GeneratedPeople:
    return generate_people(embedded_body(FLOAT), random_poses(3), 3, seed=2)


def up_to(config: FitConfig, stages: int, parts: tuple[Part, ...] | None = None) -> FitConfig:
    """The preset cut off after some stages; `parts` replaces what the last one reads."""
    kept = config.stages[:stages]
    last = kept[-1] if parts is None else kept[-1].model_copy(update={"parts": parts})
    return config.model_copy(update={"stages": (*kept[:-1], last)})


def person(index: int) -> baseline._Person:
    prior = baseline.load_prior("gaussian")
    spread = torch.linalg.inv(prior.whitening).T
    rows = slice(index, index + 1)
    return baseline._Person(
        people().keypoints[rows], people().camera[rows], embedded_body(FLOAT), prior.mean(), spread
    )


@pytest.mark.parametrize("stage", range(5))
def test_the_baseline_minimises_the_energy_of_the_2019_preset(stage):
    generator = torch.Generator().manual_seed(stage)
    x = {
        name: value.detach() + 0.1 * torch.randn(value.shape, generator=generator)
        for name, value in baseline._unknowns(embedded_body(FLOAT)).items()
    }
    x["transl"] = x["transl"] + people().truth.transl[:1]
    one = person(0)
    with torch.no_grad():
        found = baseline._energy(one, x, baseline.STAGES[stage])
        config = up_to(preset("smplify_x_2019"), stage + 2)  # the camera comes first
        params = baseline._params(one, x)
    expected = common_energy(one.keypoints, one.camera, params, embedded_body(FLOAT), config)
    assert float(found) == pytest.approx(float(expected), rel=1e-4)


def test_the_baseline_comes_nearer_stage_by_stage(monkeypatch):
    monkeypatch.setattr(baseline, "OUTER", 2)
    monkeypatch.setattr(baseline, "INNER", 10)
    monkeypatch.setattr(baseline, "STAGES", baseline.STAGES[-2:])
    monkeypatch.setattr(baseline, "NARROW", 0.0)
    one = person(1)
    found = baseline.fit_person(one.keypoints, one.camera, one.body)
    energies = [
        float(common_energy(one.keypoints, one.camera, params, one.body, preset("smplx")))
        for _, params in found.trail
    ]
    assert len(energies) == 3 and energies == sorted(energies, reverse=True)
    assert 3 < found.evaluations and 0 < found.trail[0][0] < found.trail[-1][0] <= found.seconds


def test_a_narrow_person_is_tried_from_behind_too(monkeypatch):
    monkeypatch.setattr(baseline, "OUTER", 1)
    monkeypatch.setattr(baseline, "INNER", 1)
    monkeypatch.setattr(baseline, "STAGES", baseline.STAGES[-1:])
    one, evaluations = person(0), []
    for narrow in (0.0, 1e9):
        monkeypatch.setattr(baseline, "NARROW", narrow)
        found = baseline.fit_person(one.keypoints, one.camera, one.body)
        evaluations.append(found.evaluations)
        assert len(found.trail) == 2
    assert evaluations[1] > evaluations[0]


def test_the_judge_agrees_with_the_fit():
    """Without the face contour, which a fit looks up once per stage and the judge at the bodies it
    is given.
    """
    body, config = (
        embedded_body(FLOAT),
        up_to(preset("fast"), 4, (Part.BODY, Part.HANDS, Part.FACE)),
    )
    result = fit(people().keypoints, people().camera, body, config)
    judged = common_energy(people().keypoints, result.camera, result.params, body, config)
    torch.testing.assert_close(judged, result.energy, rtol=1e-3, atol=1e-3)


def test_the_judge_prefers_the_fit_to_a_shifted_one():
    body, config = embedded_body(FLOAT), preset("fast")
    result = fit(people().keypoints, people().camera, body, config)
    shifted = result.params.replace(transl=result.params.transl + 0.05)
    energies = [
        common_energy(people().keypoints, result.camera, p, body, config)
        for p in (result.params, shifted)
    ]
    assert (energies[0] < energies[1]).all()


def options(**changed: object) -> argparse.Namespace:
    given = {"threads": 1, "device": "cpu", "repeats": 1, "baseline_people": 2, "presets": ["fast"], "batches": [1, 64],
             "people": 100, "processes": [0]}  # fmt: skip
    return argparse.Namespace(**(given | changed))


def test_small_batches_fit_fewer_people():
    wanted = speed.setups(options())
    assert [(s.name, s.batch, s.count) for s in wanted] == [
        (speed.PLAIN, 1, 2),
        ("fast", 1, 16),
        ("fast", 64, 100),
    ]


def test_a_large_batch_holds_people_several_times_and_may_be_fitted_in_processes():
    _, *wanted = speed.setups(options(batches=[64, 256], processes=[0, 2]))
    assert [(s.title, s.batch, s.count) for s in wanted] == [
        ("fast", 64, 100), ("fast", 256, 256), ("fast, 2 processes", 64, 100), ("fast, 2 processes", 256, 256)
    ]  # fmt: skip


def test_every_whole_body_preset_is_measured():
    assert {"smplx", "fast", "smplify_x_2019"} <= set(speed.whole_body_presets())
    assert "smpl" not in speed.whole_body_presets()


@pytest.fixture(scope="module")
def runs() -> list[speed.Run]:
    """A preset as measured, and the same passed off as a baseline that took ten times as long."""
    setup = speed.Setup("fast", 2, 3, torch.get_num_threads(), "cpu", 1)
    run = speed.measure(setup, people())
    plain = dataclasses.replace(setup, name=speed.PLAIN, batch=1)
    return [dataclasses.replace(run, setup=plain, seconds=10 * run.seconds), run]


def test_a_run_is_scored_on_its_people(runs):
    body = embedded_body(FLOAT)
    score = speed.score(runs[1], people(), body, shared=1)
    alone = fit(people().keypoints[:1], people().camera[:1], body, preset("fast"))
    first = common_energy(people().keypoints[:1], alone.camera, alone.params, body, preset("smplx"))
    assert score.energy == pytest.approx(float(first), rel=1e-4)
    assert score.energy_all != score.energy and runs[1].memory >= runs[1].before > 0


def test_the_table_tells_the_ratio(runs):
    scores = [speed.score(run, people(), embedded_body(FLOAT), 1) for run in runs]
    head, _, first, second = speed.table(runs, scores).splitlines()
    assert head.count("|") == first.count("|") == second.count("|")
    assert first.split("|")[5] == "1" and second.split("|")[5] == "10"


def test_the_figure_is_drawn(runs, tmp_path: Path):
    pytest.importorskip("matplotlib", reason="the figure needs matplotlib")
    scores = [speed.score(run, people(), embedded_body(FLOAT), 1) for run in runs]
    speed.draw(runs, scores, [(1.0, 100.0), (2.0, 50.0)], tmp_path / "new" / "speed.png")
    assert (tmp_path / "new" / "speed.png").stat().st_size > 10_000
