"""The benchmark of steps: its goals stop a solver in time, its starts are those of the fit, its
variants vary.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import pytest
import torch
from cases import embedded_body, preset
from mocap_data import random_poses
from solver_problems import CASES, derivatives, parts

from benchmarks import steps, variants
from smplifyx.config import StageConfig
from smplifyx.data.synthetic import GeneratedPeople, generate_people
from smplifyx.fitting.batch import FitBatch
from smplifyx.fitting.fit import fit
from smplifyx.fitting.fitter import Fitter
from smplifyx.terms.reprojection import Curvature

FLOAT = torch.float32


@lru_cache(maxsize=1)
def generated() -> GeneratedPeople:
    return generate_people(embedded_body(FLOAT), random_poses(3), 3, seed=2)


def people(name: str) -> FitBatch:
    fitter = Fitter.of(embedded_body(FLOAT), preset(name))
    return fitter.gather(generated().keypoints, generated().camera)


@pytest.mark.parametrize("name", steps.METHODS)
def test_a_solver_stops_at_its_goal_and_no_sooner(name):
    case, solver = CASES["quadratic 1e1"], steps.METHODS[name].solver
    target = 1e-3 * case.objective().energy(case.start)
    found = solver.minimise(steps.Goal(case.objective(), target), case.start)
    assert (found.energy <= target).all() and (found.steps > 0).all()
    for row, count in enumerate(found.steps.tolist()):
        shorter = dataclasses.replace(solver, max_steps=max(count - 1, 0))
        assert shorter.minimise(case.objective(), case.start).energy[row] > target[row]


def test_rows_that_start_at_their_goal_take_no_step():
    case = CASES["quadratic 1e1"]
    goal = steps.Goal(case.objective(), 2 * case.objective().energy(case.start))
    assert not any(
        method.solver.minimise(goal, case.start).steps.any() for method in steps.METHODS.values()
    )


def test_a_goal_goes_on_from_the_energy_as_its_objective_does():
    with torch.no_grad():
        problem, x = steps.entering(people("fast"), 0)
        goal = steps.Goal(problem, problem.energy(x) * torch.tensor([0.5, 2.0, 0.5]))
        whole, found = derivatives(goal, x), goal.evaluate(x)
        assert (
            torch.equal(whole[0], found.energy)
            and not whole[1][1].any()
            and whole[1][[0, 2]].any(-1).all()
        )
        for index in (None, torch.tensor([1, 2])):
            expected = whole[1:] if index is None else [part[index] for part in whole[1:]]
            assert all(
                torch.equal(a, b)
                for a, b in zip(parts(found.linearised(index)), expected, strict=True)
            )


def test_a_linearisation_changes_the_curvature_alone():
    with torch.no_grad():
        problem, x = steps.entering(people("fast"), len(preset("fast").stages) - 1)
        energy, gradient, hessian = derivatives(problem, x)
        for curvature in (Curvature.CORRECTED, Curvature.ROWS):
            other = derivatives(steps.linearised(problem, curvature), x)
            torch.testing.assert_close(other[0], energy, rtol=0, atol=0)
            torch.testing.assert_close(
                other[1], gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max())
            )
            assert (other[2] - hessian).abs().max() > 1e-2 * hessian.abs().max()


def test_the_last_stage_from_where_it_begins_is_the_fit():
    config = preset("fast")
    whole = fit(generated().keypoints, generated().camera, embedded_body(FLOAT), config)
    with torch.no_grad():
        problem, x = steps.entering(people("fast"), len(config.stages) - 1)
        last = config.stages[-1].solver
        solver = steps.LevenbergMarquardt(max_steps=last.max_steps, tolerance=last.tolerance)
        torch.testing.assert_close(
            solver.minimise(problem, x).energy, whole.energy, rtol=1e-3, atol=0
        )


def test_every_stage_begins_somewhere_and_the_mirrored_one_with_mirrored_limbs():
    config = preset("smplx")
    at = [stage.mirror for stage in config.stages].index(True)
    with torch.no_grad():
        before, mirrored = (
            steps.entering(people("smplx"), number)[0].state for number in (at - 1, at)
        )
        first = steps.entering(people("smplx"), 0)[0].state
    assert not torch.equal(first.orient[0], first.orient[1])  # each person at another start
    turned = (mirrored.body - before.body).unflatten(-1, (21, 3)).abs().amax((0, -1))
    assert turned.max() > 0.3


def test_a_comparison_counts_what_is_needed():
    with torch.no_grad():
        problem, x = steps.entering(people("fast"), 0)
        methods = {name: steps.METHODS[name] for name in ("LM, reweighted", "L-BFGS")}
        found = steps.compare_methods(problem, x, methods)
    near, nearer = found["LM, reweighted"]
    assert (
        near.share == 1
        and (near.steps <= nearer.steps).all()
        and (near.steps < near.evaluations).all()
    )
    assert (near.steps < found["L-BFGS"][0].steps).all()


def test_rows_that_never_get_there_show_as_dashes():
    never = torch.tensor([3.0, 5.0, torch.inf])
    assert steps._cells(steps.Reached(never, never, 2.0)) == ["0.67", "5", "–", "5", "2"]


def test_a_stage_left_out_leaves_its_number_of_hypotheses():
    config = preset("smplx")
    for at, stage in enumerate(config.stages):
        less = variants.without(config, stage.name).stages
        assert [one.name for one in less] == [one.name for one in config.stages if one is not stage]
        if at:
            assert less[at - 1].keep <= stage.keep


def test_variants_differ_and_leave_one_hypothesis_at_last():
    found = variants.variants(preset("smplx"))
    assert len({one.model_dump_json() for one in found.values()}) == len(found) >= 12

    def last(stages: tuple[StageConfig, ...]) -> int:
        return stages[-2].keep

    assert all(last(one.stages) == 1 for one in found.values())


def test_the_table_compares_person_by_person():
    energy, error = torch.tensor([10.0, 20.0, 30.0]), torch.tensor([20.0, 30.0, 40.0])
    default = variants.Fitted(energy, error, 5.0, 10.0)
    other = variants.Fitted(energy * torch.tensor([1.1, 1.0, 0.9]), error + 1, 6.0, 5.0)
    rows = [
        row.split("|")[1:-1]
        for row in variants.table({"default": default, "other": other}).splitlines()
    ]
    assert {len(row) for row in rows} == {len(rows[0])}
    assert rows[2][2:4] == ["0.000", "0.000"] and rows[3][2:4] == ["0.333", "0.333"]
    assert rows[3][6] == "+1.00 ± 0.00" and rows[3][-1] == "0.50"
