"""People on their way through the stages: cohorts, those left behind, and steps that a GPU can take
on its own.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import pytest
import torch
from cases import camera, decoder, noisy_keypoints, preset, random_state, setup
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from smplifyx.body import skinning
from smplifyx.config import FitConfig, with_prior
from smplifyx.core.bundle import Bundle
from smplifyx.fitting import schedule
from smplifyx.fitting.batch import FitBatch
from smplifyx.fitting.fitter import Fitter
from smplifyx.fitting.hypotheses import Hypotheses
from smplifyx.fitting.schedule import run_stages
from smplifyx.fitting.stage_problem import StageProblem
from smplifyx.fitting.stage_runner import StageRunner
from smplifyx.fitting.starts import first_guess
from smplifyx.keypoints import Keypoints
from smplifyx.solvers import LevenbergMarquardt, rows

SINGLE = torch.float32
COUNT = 10


@lru_cache(maxsize=1)
def seen() -> Keypoints:
    """People seen with noise, one of them nowhere at all."""
    truth = random_state(COUNT, seed=3, spread=0.15, dtype=SINGLE)
    points3d = skinning.points(setup(SINGLE).body, decoder(SINGLE).params(truth))
    keypoints = noisy_keypoints(camera(COUNT, SINGLE).project(points3d), noise=1.0)
    return keypoints.replace(xy=keypoints.xy.index_fill(0, torch.tensor([4]), torch.nan))


def people(config: FitConfig) -> FitBatch:
    fitter = Fitter.of(setup(SINGLE).body, config)
    return fitter.gather(seen(), camera(COUNT, SINGLE))


@pytest.mark.parametrize("name", ["smplx", "smplify_x_2019"])
def test_people_left_behind_change_nobody_to_the_last_bit(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = preset(name)
    if name == "smplify_x_2019":  # for its hypotheses that are not tried; few steps will do
        short = (
            s.model_copy(update={"solver": s.solver.model_copy(update={"max_steps": 5})})
            for s in config.stages
        )
        config = config.model_copy(update={"stages": tuple(short)})
    together = run_stages(people(config))
    sizes, run = [], StageRunner.run

    def watched(self: StageRunner, coming: Hypotheses, leave: int) -> Hypotheses:
        through = run(self, coming, leave)
        sizes.append((len(coming.person), len(through.person)))
        return through

    monkeypatch.setattr(schedule, "COHORT", 4)
    monkeypatch.setattr(schedule, "LEAVE", 3)
    monkeypatch.setattr(rows, "SLOT", 16)
    monkeypatch.setattr(StageRunner, "run", watched)
    by_cohorts = run_stages(people(config))
    assert any(out < come for come, out in sizes) and any(out > come for come, out in sizes)
    for field in dataclasses.fields(together):
        old, new = getattr(together, field.name), getattr(by_cohorts, field.name)
        for a, b in zip(tensors_of(old), tensors_of(new), strict=True):
            assert torch.equal(a.nan_to_num(nan=-1.0), b.nan_to_num(nan=-1.0)), field.name


def tensors_of(value: Tensor | dict[str, Tensor] | Bundle) -> list[Tensor]:
    """All that a field of an outcome holds."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        return list(value.values())
    return [getattr(value, field.name) for field in dataclasses.fields(value)]


def test_a_joined_problem_is_that_of_both() -> None:
    of = people(preset())
    start = first_guess(of).state[:, 0].rebased()
    problem = StageProblem.of(of.setup.config.stages[-1], of).at(start)
    some, others = torch.tensor([7, 1]), torch.tensor([0, 3, 8])
    joined = problem.rows(some).joined(problem.rows(others))
    alone = problem.rows(torch.cat([some, others]))
    x = alone.pack(alone.state)
    assert all(torch.equal(a, b) for a, b in zip(joined.normal(x), alone.normal(x), strict=True))


STEPS = [("smplx", "gmm", stage.name) for stage in preset().stages]
STEPS += [("smplx", prior, "everything") for prior in ("vposer", "flow", "gaussian", "none")]


@pytest.mark.parametrize(
    ("name", "prior", "stage_name"), STEPS, ids=["-".join(step) for step in STEPS]
)
def test_a_step_is_one_graph_without_a_look_from_the_host(
    name: str, prior: str, stage_name: str
) -> None:
    """As a GPU takes it: traced with tensors that have no values, so any question about one ends
    the trace.

    Nor does it bring constants from the host, which a CUDA graph could not hold.
    """
    config = with_prior(preset(name), prior, prior)
    stage = next(stage for stage in config.stages if stage.name == stage_name)
    of = people(config)
    of = of[torch.tensor([0, 1, 2, 3])]
    flat = first_guess(of).state[:, 0].rebased()
    problem = StageProblem.of(stage, of).at(flat)
    solver = LevenbergMarquardt(
        max_steps=stage.solver.max_steps, tolerance=stage.solver.tolerance, looks=8
    )
    state = solver.start(problem, problem.pack(flat))
    names = [f.name for f in dataclasses.fields(state)]

    def step(*values: Tensor) -> list[Tensor]:
        before = type(state)(*values)
        after = rows._kept(before, solver.advance(problem, before))
        return [getattr(after, name) for name in names]

    def run(step: object, values: list[Tensor], times: int) -> list[Tensor]:
        for _ in range(times):
            values = step(*values)
        return values

    values = [getattr(state, name) for name in names]
    with torch.no_grad():
        step(*values)  # constants are worked out once
        graph = make_fx(step, tracing_mode="fake", _allow_non_fake_inputs=True)(*values)
        brought = [node for node in graph.graph.nodes if "lift_fresh" in str(node.target)]
        assert not brought
        ends = [dict(zip(names, run(each, values, 5), strict=True)) for each in (step, graph)]
    assert (ends[0]["energy"] < state.energy).any()
    for name in names:
        assert torch.equal(ends[0][name], ends[1][name]), name
