"""Solver x problem with a known minimum, and what every solver promises about rows, budgets and
failures.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import scipy.optimize
import torch
from solver_problems import CASES, Case, derivatives, parts
from torch import Tensor

from smplifyx.solvers import (
    LBFGS,
    Adam,
    LevenbergMarquardt,
    Objective,
    ResidualObjective,
    Solution,
    Solver,
    Status,
    line_search,
    rows,
)
from smplifyx.solvers.contract import Evaluation, evaluate
from smplifyx.solvers.linear_systems import Dense

SOLVERS = {
    "lm": LevenbergMarquardt(max_steps=300, tolerance=1e-10),
    "lbfgs": LBFGS(max_steps=500, tolerance=1e-10),
    "adam": Adam(max_steps=3000, lr=0.1),
}
FIELDS = ("x", "energy", "status", "steps", "evaluations")
each_solver = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
each_case = pytest.mark.parametrize(
    "case", CASES.values(), ids=[name.replace(" ", "-") for name in CASES]
)


@dataclass(frozen=True)
class Watched:
    """An objective that can be spoilt: chosen rows give NaN at once, or from the n-th call on;
    gradients can lie.
    """

    inner: Objective
    spoilt: Tensor
    healthy_calls: int = 0
    sign: float = 1.0
    calls: list = field(default_factory=list)

    def energy(self, x: Tensor) -> Tensor:
        return self._spoil(x, self.inner.energy(x))[0]

    def gradient(self, x: Tensor) -> tuple[Tensor, ...]:
        energy, gradient = self.inner.gradient(x)
        return self._spoil(x, energy, self.sign * gradient)

    def normal(self, x: Tensor) -> tuple[Tensor, Dense]:
        energy, gradient, hessian = derivatives(self.inner, x)
        energy, gradient, hessian = self._spoil(x, energy, self.sign * gradient, hessian)
        return energy, Dense(gradient, hessian)

    def rows(self, index: Tensor) -> Watched:
        return dataclasses.replace(self, inner=self.inner.rows(index), spoilt=self.spoilt[index])

    def _spoil(self, x: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
        self.calls.append(x.clone())
        if len(self.calls) <= self.healthy_calls:
            return parts
        return tuple(
            torch.where(self.spoilt.view(-1, *[1] * (p.dim() - 1)), math.nan, p) for p in parts
        )


def spoil(case: Case, bad: list[int], dtype: torch.dtype, **settings: float) -> Watched:
    mask = torch.zeros(len(case.start), dtype=torch.bool)
    mask[bad] = True
    return Watched(case.objective(dtype), mask, **settings)


def statuses(solution: object) -> list[str]:
    return [Status(value).name for value in solution.status.tolist()]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
@each_case
@each_solver
def test_known_minimum(solver: Solver, case: Case, dtype: torch.dtype) -> None:
    solution = solver.minimise(case.objective(dtype), case.start.to(dtype))
    assert solution.x.dtype == dtype
    assert (solution.x - case.minimum).abs().max() <= case.near * (
        1 if dtype == torch.float64 else 3
    )
    assert torch.equal(solution.energy, case.objective(dtype).energy(solution.x))
    assert torch.equal(solution.converged, solution.status == Status.CONVERGED)
    second_order = not isinstance(solver, Adam)
    assert not second_order or dtype == torch.float32 or solution.converged.all()


@pytest.mark.parametrize("name", ["camera pose", "rosenbrock", "robust line", "quadratic 1e5"])
@each_solver
def test_batch_equals_single_runs_to_the_bit(solver: Solver, name: str) -> None:
    case, dtype, solver = CASES[name], torch.float32, dataclasses.replace(solver, max_steps=200)
    start = case.start.to(dtype)
    together = solver.minimise(case.objective(dtype), start)
    order = torch.arange(len(start) - 1, -1, -1)
    backwards = solver.minimise(case.objective(dtype).rows(order), start[order])
    for row in range(len(start)):
        alone = solver.minimise(case.objective(dtype).rows(torch.tensor([row])), start[[row]])
        for f in FIELDS:
            assert torch.equal(getattr(alone, f)[0], getattr(together, f)[row]), (f, row)
            assert torch.equal(getattr(alone, f)[0], getattr(backwards[order], f)[row]), (f, row)


@pytest.mark.parametrize("healthy_calls", [0, 4, 7], ids=["at-start", "mid-way", "later"])
@each_solver
def test_poisoned_rows_leave_the_others_alone(solver: Solver, healthy_calls: int) -> None:
    case, bad, dtype = CASES["camera pose"], [0, 4], torch.float32
    start = case.start.to(dtype)
    clean = solver.minimise(case.objective(dtype), start)
    solution = solver.minimise(spoil(case, bad, dtype, healthy_calls=healthy_calls), start)
    others = [row for row in range(len(start)) if row not in bad]
    for f in FIELDS:
        assert torch.equal(getattr(solution, f)[others], getattr(clean, f)[others]), f
    assert [statuses(solution)[row] for row in bad] == ["FAILED"] * 2
    assert solution.x.isfinite().all()
    assert torch.equal(solution.x[bad], start[bad]) == (healthy_calls == 0)


@each_solver
def test_a_start_that_is_not_finite_fails_alone(solver: Solver) -> None:
    case = CASES["beale"]
    start = case.start.clone()
    start[1, 0] = math.inf
    solution = solver.minimise(case.objective(), start)
    clean = solver.minimise(case.objective(), case.start)
    assert statuses(solution)[1] == "FAILED" and solution.steps[1] == 0
    assert torch.equal(solution.x[[0, 2]], clean.x[[0, 2]]) and torch.equal(solution.x[1], start[1])


@each_solver
def test_energy_that_is_not_finite_beyond_an_edge_is_only_a_rejected_step(solver: Solver) -> None:
    def residual(x: Tensor, _: None) -> Tensor:
        return (x.log() + x).sum(-1, keepdim=True)  # NaN for x < 0; zero at 0.567

    solution = solver.minimise(
        ResidualObjective(residual), torch.full((1, 1), 5.0, dtype=torch.float64)
    )
    assert solution.x.item() == pytest.approx(0.5671433, abs=1e-4)


@each_case
@each_solver
def test_rows_that_start_at_the_minimum_stay(solver: Solver, case: Case) -> None:
    best = SOLVERS["lm"].minimise(case.objective(), case.start)
    start = torch.where(best.energy[:, None] < 1e-9, case.minimum.expand_as(best.x), best.x)
    again = solver.minimise(case.objective(), start)
    assert (again.x - start).abs().max() <= 1e-6 and again.converged.all()
    assert again.steps.max() <= 1


@pytest.mark.parametrize("budget", [0, 1, 3])
@each_solver
def test_budget(solver: Solver, budget: int) -> None:
    case = CASES["rosenbrock"]
    solution = dataclasses.replace(solver, max_steps=budget).minimise(case.objective(), case.start)
    assert solution.steps.tolist() == [budget] * len(case.start)
    assert statuses(solution) == ["STEP_LIMIT"] * len(case.start)
    assert (solution.energy <= case.objective().energy(case.start)).all()


@each_solver
def test_a_gradient_of_the_wrong_sign_stalls(solver: Solver) -> None:
    case = CASES["beale"]
    liar = spoil(case, [], torch.float64, sign=-1.0)
    solution = solver.minimise(liar, case.start)
    assert statuses(solution) == ["STALLED"] * len(case.start)
    assert torch.equal(solution.x, case.start) and len(liar.calls) < 500


@each_solver
def test_evaluations_are_counted_and_finished_rows_leave(solver: Solver) -> None:
    case = CASES["rosenbrock"]
    start = torch.cat([case.start[:1], torch.ones(63, 2, dtype=torch.float64)])
    data = torch.zeros(64, 1, dtype=torch.float64)
    objective = Watched(ResidualObjective(case.residual, data), data[:, 0] > 0)
    solution = solver.minimise(objective, start)
    assert solution.evaluations[0] == len(objective.calls)
    assert solution.evaluations[1:].tolist() == [1] * 63
    assert all(len(x) == 1 for x in objective.calls[1:])


@pytest.mark.parametrize("limit", [0.05, (0.05, 0.3)], ids=["one", "each"])
def test_levenberg_marquardt_keeps_steps_short(limit: float | tuple[float, ...]) -> None:
    _check_moves(LevenbergMarquardt(max_steps=100, max_step=limit), torch.tensor(limit))


def test_lbfgs_keeps_steps_short() -> None:
    _check_moves(LBFGS(max_steps=100, max_step=0.05), torch.tensor(0.05))


def _check_moves(solver: Solver, limit: Tensor) -> None:
    case = CASES["beale"]
    path = torch.stack([_after(solver, case, k).x for k in range(30)])
    assert (path.diff(dim=0).abs() <= limit * (1 + 1e-9)).all()
    assert (path.diff(dim=0).abs() / limit).max() > 0.99  # the limit does bind
    assert (solver.minimise(case.objective(), case.start).x - case.minimum).abs().max() < 1e-3


def _after(solver: Solver, case: Case, steps: int) -> object:
    return dataclasses.replace(solver, max_steps=steps).minimise(case.objective(), case.start)


@pytest.mark.parametrize("name", ["rosenbrock", "beale", "camera pose", "powell singular"])
def test_lbfgs_steps_satisfy_strong_wolfe(name: str) -> None:
    case, solver = CASES[name], LBFGS(tolerance=0, gradient_tolerance=1e-7)
    before, checked = _after(solver, case, 0), 0
    for k in range(1, 25):
        after = _after(solver, case, k)
        (e0, g0), (e1, g1) = (case.objective().gradient(s.x) for s in (before, after))
        step = after.x - before.x
        slope0, slope1 = (g0 * step).sum(-1), (g1 * step).sum(-1)
        moved = (after.steps == k) & (e0 > 1e-20)
        assert (e1 <= e0 + solver.c1 * slope0 * (1 - 1e-6))[moved].all()
        assert (slope1.abs() <= solver.c2 * slope0.abs() * (1 + 1e-6))[moved].all()
        before, checked = after, checked + int(moved.sum())
    assert checked >= 20


SHAPES = (  # energy along a line and its slope; the last is only finite for t < 2
    (lambda t: (t - 3) ** 2, lambda t: 2 * (t - 3)),
    (lambda t: (t - 300) ** 2 / 1e3, lambda t: 2 * (t - 300) / 1e3),
    (lambda t: (t - 1e-3) ** 2, lambda t: 2 * (t - 1e-3)),
    # More & Thuente 1994, function 1
    (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
    (lambda t: (3 * t).cos() - 0.2 * t, lambda t: -3 * (3 * t).sin() - 0.2),
    (lambda t: -t - 0.1 * (2 - t).log(), lambda t: -1 + 0.1 / (2 - t)),
)


@pytest.mark.parametrize("c2", [0.9, 0.1, 1e-3])
@pytest.mark.parametrize("first", [1e-3, 1.0, 1.9, 1e3])
def test_line_searches_of_many_shapes_side_by_side(c2: float, first: float) -> None:
    rules = line_search.Rules(c2=c2, max_trials=60)

    def look(t: Tensor) -> line_search.Point:
        energy = torch.stack([e(v) for (e, _), v in zip(SHAPES, t, strict=True)])
        slope = torch.stack([s(v) for (_, s), v in zip(SHAPES, t, strict=True)])
        return line_search.Point(t, energy, slope, slope[:, None])

    start = look(torch.full((len(SHAPES),), 1e-12, dtype=torch.float64))
    start = start.replace(t=torch.zeros_like(start.t))
    search = line_search.begin(
        start, torch.full_like(start.t, first), torch.full_like(start.t, math.inf)
    )
    found: dict[int, line_search.Point] = {}
    for _ in range(60):
        search = line_search.advance(search, look(search.t), rules)
        for row in (search.verdict == line_search.SearchVerdict.ACCEPTED).nonzero()[:, 0].tolist():
            found.setdefault(row, search.low[row])
    assert len(found) == len(SHAPES)
    for row, low in found.items():
        assert low.energy <= start.energy[row] + rules.c1 * low.t * start.slope[row]
        assert low.slope.abs() <= c2 * start.slope[row].abs()


def _in_numpy(case: Case, row: int) -> object:
    objective = case.objective().rows(torch.tensor([row]))

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        energy, gradient = objective.gradient(torch.from_numpy(x)[None])
        return energy.item(), gradient[0].numpy()

    return scipy.optimize.minimize(
        evaluate,
        case.start[row].numpy(),
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 1e-14, "gtol": 1e-9},
    )


@pytest.mark.parametrize("name", ["beale", "robust line", "camera pose", "rosenbrock"])
@pytest.mark.parametrize("kind", ["lm", "lbfgs"])
def test_agrees_with_scipy(kind: str, name: str) -> None:
    case = CASES[name]
    ours = SOLVERS[kind].minimise(case.objective(), case.start)
    for row in range(len(case.start)):
        theirs = _in_numpy(case, row)
        assert np.allclose(ours.x[row].numpy(), theirs.x, atol=1e-4)
        assert kind == "lm" or ours.evaluations[row] <= 1.5 * theirs.nfev + 5


@pytest.mark.parametrize("name", ["beale", "camera pose"])
def test_residual_objective_conventions(name: str) -> None:
    case = CASES[name]
    objective = case.objective()
    energy, gradient, hessian = derivatives(objective, case.start)
    rows = case.residual(case.start, case.data)
    jacobian = torch.stack(
        [
            torch.autograd.functional.jacobian(lambda x, d=d: case.residual(x[None], d[None])[0], x)
            for x, d in zip(case.start, case.data, strict=True)
        ]
    )
    assert torch.allclose(energy, (rows**2).sum(-1)) and torch.allclose(
        energy, objective.energy(case.start)
    )
    assert torch.allclose(gradient, 2 * torch.einsum("brd,br->bd", jacobian, rows))
    assert torch.allclose(gradient, objective.gradient(case.start)[1])
    assert torch.allclose(hessian, 2 * jacobian.mT @ jacobian)


@dataclass(frozen=True)
class Shared(Watched):
    """The same, with derivatives that go on from the energy's evaluation; `asked` lists for how
    many rows.
    """

    asked: list = field(default_factory=list)

    def evaluate(self, x: Tensor) -> Evaluation:
        self.calls.append(x.clone())
        energy, quadratic = self.inner.normal(x)

        def linearised(index: Tensor | None) -> Dense:
            self.asked.append(len(x) if index is None else len(index))
            return quadratic if index is None else quadratic[index]

        return Evaluation(energy, linearised)


@pytest.mark.parametrize("looks", [1, 4])
@pytest.mark.parametrize("name", ["camera pose", "rosenbrock", "robust line"])
def test_an_evaluation_is_shared_and_changes_no_bit(name: str, looks: int) -> None:
    case, solver = CASES[name], dataclasses.replace(SOLVERS["lm"], max_steps=60, looks=looks)
    plain, nobody = case.objective(torch.float32), torch.zeros(len(case.start), dtype=torch.bool)
    shared = Shared(plain, nobody)
    apart, together = (
        solver.minimise(objective, case.start.float()) for objective in (plain, shared)
    )
    for f in FIELDS:
        assert torch.equal(getattr(apart, f), getattr(together, f)), f
    tried = len(shared.calls) - 1  # but for the start, each point is evaluated once
    assert tried == together.steps.max() if looks == 1 else tried >= together.steps.max()
    assert (
        len(case.start) == 1
        or looks > 1
        or any(0 < count < len(case.start) for count in shared.asked)
    )


def test_derivatives_of_some_rows_are_those_of_all() -> None:
    case = CASES["camera pose"]
    found, kept = evaluate(case.objective(), case.start), torch.tensor([4, 1])
    energy, gradient, hessian = derivatives(case.objective(), case.start)
    assert torch.equal(found.energy, energy)
    for index in (None, kept):
        rows = slice(None) if index is None else index
        assert all(
            torch.equal(a, b[rows])
            for a, b in zip(parts(found.linearised(index)), (gradient, hessian), strict=True)
        )


@pytest.mark.parametrize("name", ["camera pose", "rosenbrock"])
@pytest.mark.parametrize("slot", [1, 3])
@each_solver
def test_rows_that_wait_for_a_place_end_at_the_same_bits(
    solver: Solver, slot: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, solver = CASES[name], dataclasses.replace(solver, max_steps=60)
    start = torch.cat([case.start, case.start + 0.01]).float()
    objective = case.objective(torch.float32).rows(torch.arange(len(start)) % len(case.start))
    together = solver.minimise(objective, start)
    monkeypatch.setattr(rows, "SLOT", slot)
    watched = Watched(objective, torch.zeros(len(start), dtype=torch.bool))
    in_turn = solver.minimise(watched, start)
    assert max(len(x) for x in watched.calls) == slot < len(start)
    for f in FIELDS:
        assert torch.equal(getattr(in_turn, f), getattr(together, f)), f


@each_solver
def test_rows_left_behind_go_on_in_new_company_to_the_same_bits(solver: Solver) -> None:
    case, solver = CASES["camera pose"], dataclasses.replace(solver, max_steps=1000, tolerance=1e-4)
    start, half = case.start.float(), len(case.start) // 2
    objective, number = case.objective(torch.float32), torch.arange(len(case.start))
    with torch.no_grad():
        first = rows.run_some(solver, objective.rows(number[:half]), start[:half], leave=3)
        assert 0 < len(first.left) <= 3 and len(first.done) + len(first.left) == half
        both = torch.cat([first.left, number[half:]])
        second = rows.run_some(solver, objective.rows(both), start[half:], first.state)
    assert not len(second.left)
    ends = torch.cat([first.done, both[second.done]])
    found = Solution.cat([first.solution, second.solution])[torch.argsort(ends)]
    assert torch.equal(ends.sort().values, number)
    together = solver.minimise(objective, start)
    for f in FIELDS:
        assert torch.equal(getattr(found, f), getattr(together, f)), f


@pytest.mark.parametrize("name", ["camera pose", "rosenbrock", "robust line"])
def test_looking_seldom_changes_no_bit(name: str) -> None:
    """The path a GPU takes: nothing of a step depends on which rows are done, and the host looks
    now and then.
    """
    case = CASES[name]
    start = case.start.float()
    often, seldom = (
        dataclasses.replace(SOLVERS["lm"], max_steps=50, looks=looks).minimise(
            case.objective(torch.float32), start
        )
        for looks in (1, 4)
    )
    for f in FIELDS:
        assert torch.equal(getattr(often, f), getattr(seldom, f)), f


@each_solver
def test_nobody_to_fit(solver: Solver) -> None:
    case = CASES["beale"]
    solution = solver.minimise(case.objective().rows(torch.arange(0)), case.start[:0])
    assert solution.x.shape == (0, 2) and solution.status.shape == (0,)
