"""How many steps each solver needs in each stage of a preset, and what each stage and hypothesis
buys.

    python -m benchmarks.steps [--table solvers stages] [--preset smplx] [--people 64] [--seed 0] [--threads 1] \
        [--repeats 2] [--mocap FOLDER]

The generated people of `benchmarks.speed`. **solvers**: one row per person and stage, all solvers
from the same state, in which the earlier stages of the preset left it. The aim is the lowest energy
that any of them finds from there, plus 1 % or 0.1 %; they stop when they get there,
Levenberg-Marquardt after one more (needless) linearisation. Quantiles are over all rows, a dash
where the row never gets there; CPU time is the mean of the rows that do. **stages**: the whole
preset with something left out (`variants.py`), judged by the energy of its last stage, person by
person. CPU time is that of the process, all threads together.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmarks.quality import BATCH, read_generated
from benchmarks.speed import machine
from benchmarks.variants import fitted, line, table, variants
from smplifyx.body.loading.files import load_body
from smplifyx.config import load_preset
from smplifyx.fitting.batch import FitBatch
from smplifyx.fitting.fit import fit
from smplifyx.fitting.fitter import Fitter
from smplifyx.fitting.mirroring import mirrored
from smplifyx.fitting.schedule import run_stages
from smplifyx.fitting.setup import FitSetup
from smplifyx.fitting.stage_problem import StageProblem
from smplifyx.fitting.starts import first_guess
from smplifyx.problem.problem import Problem
from smplifyx.solvers import LBFGS, Adam, LevenbergMarquardt, Objective, Solver
from smplifyx.solvers.contract import Evaluation, evaluate
from smplifyx.solvers.linear_systems import Quadratic
from smplifyx.terms.reprojection import Curvature, Reprojection
from smplifyx.terms.scene import WeightedTerm

ABOVE = (0.01, 0.001)  # the best known energy


class Table(Enum):
    """What to measure."""

    SOLVERS = "solvers"
    STAGES = "stages"


@dataclass(frozen=True)
class Method:
    """A solver that goes on for long, and how the data term is linearised for it."""

    solver: Solver
    curvature: Curvature = Curvature.REWEIGHTED


METHODS = {
    **{
        f"LM, {curvature.value}": Method(LevenbergMarquardt(100, 1e-6), curvature)
        for curvature in Curvature
    },
    "L-BFGS": Method(LBFGS(400, 1e-6)),
    "Adam": Method(Adam(1000, 1e-6, lr=0.03)),
}


@dataclass(frozen=True)
class Goal:
    """An objective whose rows call themselves flat once their energy is at most `target`: there any
    solver stops.
    """

    objective: Objective
    target: Float[Tensor, " batch"]

    def energy(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """As the objective's."""
        return self.objective.energy(x)

    def gradient(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor]:
        """As the objective's; 0 at the goal."""
        energy, gradient = self.objective.gradient(x)
        return energy, _going_on(energy, self.target, gradient)

    def normal(self, x: Float[Tensor, "batch dim"]) -> tuple[Tensor, Quadratic]:
        """As the objective's; the gradient is 0 at the goal."""
        energy, quadratic = self.objective.normal(x)
        going_on = _going_on(energy, self.target, quadratic.gradient)
        return energy, quadratic.replace(gradient=going_on)

    def evaluate(self, x: Float[Tensor, "batch dim"]) -> Evaluation:
        """As the objective's; the gradient is 0 at the goal."""
        found = evaluate(self.objective, x)

        def linearised(index: Tensor | None) -> Quadratic:
            quadratic = found.linearised(index)
            energy, target = found.energy, self.target
            if index is not None:
                energy, target = energy[index], target[index]
            return quadratic.replace(gradient=_going_on(energy, target, quadratic.gradient))

        return Evaluation(found.energy, linearised)

    def rows(self, index: Int[Tensor, " kept"]) -> Goal:
        """The same for some rows."""
        return Goal(self.objective.rows(index), self.target[index])


def _going_on(energy: Tensor, target: Tensor, gradient: Tensor) -> Tensor:
    return torch.where((energy > target)[:, None], gradient, 0.0)


@dataclass(frozen=True)
class Reached:
    """What it took a method to come so near to the best known energy of each row [batch]; inf where
    it never does.
    """

    steps: Tensor
    evaluations: Tensor
    milliseconds: float  # of CPU per row that gets there

    @property
    def share(self) -> float:
        """Of the rows that get there."""
        return float(self.steps.isfinite().float().mean())


def entering(people: FitBatch, number: int) -> tuple[Problem, Tensor]:
    """The problem of that stage and x where the earlier ones left each person [batch].

    As long as every first guess is kept, person i is at the i-th of them (modulo their number),
    then at the best; where the stage tries mirrored limbs, at the i-th of these.
    """
    config, rows = people.setup.config, torch.arange(len(people))
    starts = first_guess(people)
    guesses = starts.tried.shape[1]
    own = starts[rows[:, None], (rows % guesses)[:, None]]  # [batch, 1]
    state = own.state[:, 0]
    if number:
        earlier = config.stages[:number]
        all_kept = all(stage.keep >= guesses for stage in earlier)
        shorter = FitSetup(people.setup.body, config.model_copy(update={"stages": earlier}))
        start = own if all_kept else None
        state = run_stages(people.replace(setup=shorter), start=start).state.rebased()
    maker = StageProblem.of(config.stages[number], people)
    if maker.stage.mirror:
        options = mirrored(maker.at(state), state)
        state = options[rows, rows % options.transl.shape[1]]
    problem = maker.at(state)
    return problem, problem.pack(state)


def linearised(problem: Problem, curvature: Curvature) -> Problem:
    """The same energy with another curvature of the data term."""

    def told(weighted: WeightedTerm) -> WeightedTerm:
        term = weighted.term
        changed = (
            dataclasses.replace(term, curvature=curvature)
            if isinstance(term, Reprojection)
            else term
        )
        return dataclasses.replace(weighted, term=changed)

    return dataclasses.replace(problem, terms=tuple(map(told, problem.terms)))


def compare_methods(
    problem: Problem, x: Tensor, methods: Mapping[str, Method]
) -> dict[str, tuple[Reached, ...]]:
    """What each method needs for each of `ABOVE` the best known energy, the lowest that any of them
    ends at.
    """
    problems = {name: linearised(problem, method.curvature) for name, method in methods.items()}
    ends = {
        name: method.solver.minimise(problems[name], x).energy for name, method in methods.items()
    }
    best = torch.stack([*ends.values()]).amin(0)
    targets = [best * (1 + above) for above in ABOVE]
    return {
        name: tuple(
            _to(target, ends[name] <= target, method.solver, problems[name], x)
            for target in targets
        )
        for name, method in methods.items()
    }


def _to(target: Tensor, gets_there: Tensor, solver: Solver, problem: Problem, x: Tensor) -> Reached:
    """What the solver needs for the rows that it brings to their target at all."""
    index = gets_there.nonzero()[:, 0]
    steps, evaluations = torch.full((2, len(x)), math.inf)
    if not len(index):
        return Reached(steps, evaluations, milliseconds=0.0)
    goal = Goal(problem.rows(index), target[index])
    start = time.process_time()
    solution = solver.minimise(goal, x[index])
    seconds = time.process_time() - start
    return Reached(
        steps=steps.index_copy(0, index, solution.steps.float()),
        evaluations=evaluations.index_copy(0, index, solution.evaluations.float()),
        milliseconds=1000 * seconds / len(index),
    )


def solvers_table(people: FitBatch) -> str:
    """Markdown: every stage and method."""
    head = ["stage", "unknowns", "method"]
    for above in ABOVE:
        head += [f"reach {above:.1%}", "steps", "p90", "evaluations", "CPU ms"]
    lines = [line(head), "|---" * len(head) + "|"]
    for number, stage in enumerate(people.setup.config.stages):
        problem, x = entering(people, number)
        for name, found in compare_methods(problem, x, METHODS).items():
            cells = [stage.name, str(x.shape[1]), name]
            for reached in found:
                cells += _cells(reached)
            lines.append(line(cells))
    return "\n".join(lines)


def _cells(found: Reached) -> list[str]:
    """Quantiles are over all rows: a dash where the quantile is a row that never gets there; no
    times of few rows.
    """
    values = [
        _quantile(found.steps, 0.5),
        _quantile(found.steps, 0.9),
        _quantile(found.evaluations, 0.5),
    ]
    shown = [f"{value:.0f}" if math.isfinite(value) else "–" for value in values]
    return [
        f"{found.share:.2f}",
        *shown,
        f"{found.milliseconds:.3g}" if found.share >= 0.5 else "–",
    ]


def _quantile(values: Tensor, share: float) -> float:
    return float(values.quantile(share, interpolation="higher"))


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Table, nargs="+", default=list(Table))
    parser.add_argument("--preset", default="smplx")
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--people", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--repeats", type=int, default=2, help="of all variants; of each the fastest counts"
    )
    return parser.parse_args()


def main() -> None:
    """Prints protocol and tables."""
    options = arguments()
    torch.set_num_threads(options.threads)
    body, config = load_body(None), load_preset(options.preset)
    people = read_generated(body, options.mocap, options.people, options.seed)
    protocol = argparse.Namespace(threads=options.threads, device="cpu")
    print(
        f"{machine(protocol)}\npreset {config.name}, {options.people} generated people, seed {options.seed}"
    )
    if Table.SOLVERS in options.table:
        with torch.no_grad():
            batch = Fitter.of(body, config).gather(people.keypoints, people.camera)
            print(solvers_table(batch), flush=True)
    if Table.STAGES in options.table:
        fit(people.keypoints[:BATCH], people.camera[:BATCH], body, config)  # warms up
        passes = [
            {name: fitted(one, config, people, body) for name, one in variants(config).items()}
            for _ in range(options.repeats)
        ]
        print(
            table(
                {
                    name: min((runs[name] for runs in passes), key=lambda run: run.milliseconds)
                    for name in passes[0]
                }
            )
        )


if __name__ == "__main__":
    main()
