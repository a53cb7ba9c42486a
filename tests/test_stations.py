"""People on their way through the stages: cohorts, those left behind, and steps that a GPU can take
on its own.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import pytest
import torch
from cases import camera, decoder, embedded_body, noisy_keypoints, preset, random_state
from solver_problems import derivatives, parts
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from smplifyx.body import skinning
from smplifyx.config import FitConfig, with_prior
from smplifyx.fitting import schedule
from smplifyx.fitting.batch import FitBatch
from smplifyx.fitting.fit import prepare
from smplifyx.fitting.schedule import run_stages
from smplifyx.fitting.stage_runner import StageProblems, StageRunner
from smplifyx.fitting.starts import first_guess
from smplifyx.keypoints import Keypoints
from smplifyx.solvers import LevenbergMarquardt, rows
from smplifyx.solvers.linear_systems import Dense

SINGLE = torch.float32
COUNT = 10


@lru_cache(maxsize=1)
def seen() -> Keypoints:
    """People seen with noise, one of them nowhere at all."""
    truth = random_state(COUNT, seed=3, spread=0.15, dtype=SINGLE)
    points = camera(COUNT, SINGLE).project(
        skinning.points(embedded_body(SINGLE), decoder(SINGLE).params(truth))
    )
    keypoints = noisy_keypoints(points, noise=1.0)
    return keypoints.replace(xy=keypoints.xy.index_fill(0, torch.tensor([4]), torch.nan))


def people(config: FitConfig) -> FitBatch:
    return prepare(seen(), camera(COUNT, SINGLE), embedded_body(SINGLE), config, None)


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

    def watched(self: StageRunner, race: schedule.Hypotheses, leave: int) -> schedule.Hypotheses:
        through = run(self, race, leave)
        sizes.append((len(race.person), len(through.person)))
        return through

    monkeypatch.setattr(schedule, "COHORT", 4)
    monkeypatch.setattr(schedule, "LEAVE", 3)
    monkeypatch.setattr(rows, "SLOT", 16)
    monkeypatch.setattr(StageRunner, "run", watched)
    by_cohorts = run_stages(people(config))
    assert any(out < come for come, out in sizes) and any(out > come for come, out in sizes)
    for field in dataclasses.fields(together):
        old, new = getattr(together, field.name), getattr(by_cohorts, field.name)
        pairs = (
            [(old, new)]
            if isinstance(old, Tensor)
            else [(old[k], new[k]) for k in old]
            if isinstance(old, dict)
            else [(getattr(old, f.name), getattr(new, f.name)) for f in dataclasses.fields(old)]
        )
        assert all(torch.equal(a.nan_to_num(nan=-1.0), b.nan_to_num(nan=-1.0)) for a, b in pairs), (
            field.name
        )


def test_a_joined_problem_is_that_of_both() -> None:
    of = people(preset())
    start, _ = first_guess(of)
    problem = StageProblems(of, ()).of(of.config.stages[-1], start[:, 0].rebased(), 1)
    some, others = torch.tensor([7, 1]), torch.tensor([0, 3, 8])
    joined = problem.rows(some).joined(problem.rows(others))
    alone = problem.rows(torch.cat([some, others]))
    x = alone.pack(alone.state)
    assert all(torch.equal(a, b) for a, b in zip(derivatives(joined, x), derivatives(alone, x), strict=True))


STEPS = [("smplx", "gmm", stage.name) for stage in preset().stages]
STEPS += [("smplx", prior, "everything") for prior in ("vposer", "flow", "gaussian", "none")]


@pytest.mark.parametrize(("name", "prior", "stage_name"), STEPS, ids="-".join)
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
    start, _ = first_guess(of)
    flat = start[:, 0].rebased()
    problem = StageProblems(of, ()).of(stage, flat, 1)
    solver = LevenbergMarquardt(
        max_steps=stage.solver.max_steps, tolerance=stage.solver.tolerance, looks=8
    )
    state = solver.start(problem, problem.pack(flat))
    own = [f.name for f in dataclasses.fields(state) if f.name != "quadratic"]
    names = [*own, "gradient", "hessian"]  # a graph takes tensors, no bundles

    def tensors(state: rows.RowState) -> list[Tensor]:
        return [*(getattr(state, name) for name in own), *parts(state.quadratic)]

    def step(*values: Tensor) -> list[Tensor]:
        known = dict(zip(own, values[:-2], strict=True))
        before = type(state)(**known, quadratic=Dense(*values[-2:]))
        return tensors(rows._kept(before, solver.advance(problem, before)))

    def run(step: object, values: list[Tensor], times: int) -> list[Tensor]:
        for _ in range(times):
            values = step(*values)
        return values

    values = tensors(state)
    with torch.no_grad():
        step(*values)  # constants are worked out once
        graph = make_fx(step, tracing_mode="fake", _allow_non_fake_inputs=True)(*values)
        brought = [node for node in graph.graph.nodes if "lift_fresh" in str(node.target)]
        assert not brought
        ends = [dict(zip(names, run(each, values, 5), strict=True)) for each in (step, graph)]
    assert (ends[0]["energy"] < state.energy).any()
    for name in names:
        assert torch.equal(ends[0][name], ends[1][name]), name
