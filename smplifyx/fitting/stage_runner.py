"""A stage on everybody's way: people come in cohorts, those whom it is done with go on, the others
stay a while.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from ..body import skinning
from ..config import SolverConfig, SolverKind, StageConfig
from ..evidence.keypoints2d import observe, stage_points
from ..features.fold import fold
from ..features.spheres import sphere_model
from ..problem.problem import Problem, WeightedTerm
from ..problem.stage_terms import stage_terms
from ..problem.variables import State
from ..solvers import LBFGS, Adam, LevenbergMarquardt
from ..solvers.rows import RowState, Run, Stepwise, run_some
from .batch import FitBatch
from .hypotheses import Hypotheses
from .starts import FLIPS, mirrored


@dataclass(frozen=True)
class StageProblems:
    """Makes the problem of each stage."""

    people: FitBatch
    extra_terms: tuple[WeightedTerm, ...]

    def some(self, rows: Int[Tensor, " kept"]) -> StageProblems:
        """Those of some of the people."""
        return dataclasses.replace(self, people=self.people[rows])

    def of(self, stage: StageConfig, state: State, hypotheses: int) -> Problem:
        """The problem of a stage at `state` [batch x hypotheses], its face contour as the heads
        turn there.
        """
        people = self.people
        points = tuple(stage_points(stage, people.body.points.known))
        model = fold(people.body, points)
        seen = observe(
            people.keypoints, people.camera, people.config, stage, list(points), people.scale
        )
        if people.height is not None:
            seen = seen.replace(height=people.height)
        seen = seen.map(lambda t: t.repeat_interleave(hypotheses, 0)).replace(
            depth=state.transl[:, 2]
        )
        row = state.transl.new_zeros(len(state.transl), dtype=torch.int64)
        if len(model.contour_at):
            row = skinning.contour_row(people.body, people.decoder.params(state))
        heights = people.height is not None
        terms = (
            stage_terms(stage.weights, people.body, people.decoder, people.config, heights)
            + self.extra_terms
        )
        spheres = sphere_model(people.body, points) if stage.weights.collision else None
        problem = Problem(
            model, people.decoder, terms, stage.free, state, seen, model.contour[row], spheres
        )
        return problem if spheres is None else problem.with_candidates()


@dataclass(frozen=True)
class LeftBehind:
    """People whom a stage is not done with, and the rows of theirs that still run."""

    race: Hypotheses
    at: Int[Tensor, " rows"]  # where in the flat race the rows stand
    problem: Problem  # of the rows
    state: RowState


class StageRunner:
    """One stage, and those it is not done with: they stay behind and go on beside whoever comes
    next.

    made: how many hypotheses each person has had before it; last: whether it is the last stage,
    which tells terms.
    """

    def __init__(self, problems: StageProblems, stage: StageConfig, made: int, last: bool) -> None:
        self._problems, self.stage, self._made, self._last = problems, stage, made, last
        self._behind: LeftBehind | None = None
        self.terms: tuple[str, ...] = ()  # those of `Hypotheses.by_term`, once it has run

    def run(self, race: Hypotheses, leave: int) -> Hypotheses:
        """Minimises the stage for those who come and those behind, until no more than `leave` rows
        of all still run.

        Gives those who are through, the hypotheses of each best first.
        """
        race, problem = self._entering(race)
        at = race.valid.flatten().nonzero()[:, 0]
        problem, before = problem.rows(at), self._behind
        x, state = problem.pack(problem.state), None
        if before is not None:
            at, state = torch.cat([before.at, before.race.valid.numel() + at]), before.state
            race, problem = Hypotheses.cat([before.race, race]), before.problem.joined(problem)
        run = run_some(_solver(self.stage.solver), problem, x, state, leave)
        return self._through(self._with(race, problem, at, run), problem, at, run).ranked()

    def _entering(self, race: Hypotheses) -> tuple[Hypotheses, Problem]:
        """Those who come as the stage begins, mirrored where it says so, and the problem of all
        their hypotheses.
        """
        flat, problem = self._begun(race)
        if self.stage.mirror:
            race = _with_mirrored(race, mirrored(problem, flat), self._made)
            flat, problem = self._begun(race)
        self.terms = tuple(dict.fromkeys(term.name for term in problem.terms)) if self._last else ()
        unknown = torch.full_like(race.energy, torch.inf)
        return race.replace(
            state=flat.map(lambda t: t.unflatten(0, unknown.shape)),
            energy=unknown,
            by_term=unknown[..., None].expand(*unknown.shape, len(self.terms)),
            joints=unknown[..., None, None].expand(*unknown.shape, len(problem.model.joints), 3),
        ), problem

    def _begun(self, race: Hypotheses) -> tuple[State, Problem]:
        """The flat state and its problem."""
        flat = race.state.map(lambda t: t.flatten(0, 1)).rebased()
        return flat, self._problems.some(race.person[:, 0]).of(
            self.stage, flat, race.person.shape[1]
        )

    def _with(self, race: Hypotheses, problem: Problem, at: Tensor, run: Run) -> Hypotheses:
        """The race with what the solver found for the rows that are done; at: where the problem's
        rows stand in it.
        """
        solution, problem, at = run.solution, problem.rows(run.done), at[run.done]
        view, shape = problem.view(solution.x), race.valid.shape
        flat, joints = race.map(lambda t: t.flatten(0, 1)), view.posed.place
        before = flat[at]
        by_term = (
            torch.stack([*problem.energies_in(view.scene).values()], -1)
            if self._last
            else before.by_term
        )
        done = before.replace(
            state=problem.unpack(solution.x),
            steps=before.steps + solution.steps,
            by_term=by_term,
            energy=torch.where(solution.energy.isfinite(), solution.energy, torch.inf),
            joints=joints - joints[:, :1],
        )
        return flat.put(at, done).map(lambda t: t.unflatten(0, shape))

    def _through(self, race: Hypotheses, problem: Problem, at: Tensor, run: Run) -> Hypotheses:
        """Those none of whose rows run any more; the others stay behind."""
        self._behind = None
        if not len(run.left):
            return race
        order = torch.argsort(at[run.left])
        left, running = run.left[order], torch.zeros_like(race.valid)
        running.view(-1)[at[left]] = True
        stay = running.any(1)
        where = running[stay].flatten().nonzero()[:, 0]
        self._behind = LeftBehind(race[stay], where, problem.rows(left), run.state[order])
        return race[~stay]


def _with_mirrored(race: Hypotheses, options: State, made: int) -> Hypotheses:
    """Each hypothesis and its mirrored kin, numbered from `made` on; options: all of them [batch x
    hypotheses, kin].
    """
    batch, count = race.index.shape
    race = race.map(lambda t: t.repeat_interleave(1 + len(FLIPS), 1))
    number = made + torch.arange(count * len(FLIPS), device=race.index.device).view(
        count, len(FLIPS)
    )
    first = race.index.view(batch, count, -1)[..., :1]
    index = torch.cat([first, number.expand(batch, -1, -1)], -1).flatten(1)
    state = options.map(lambda t: t.unflatten(0, (batch, count)).flatten(1, 2))
    return race.replace(state=state, index=index)


def _solver(config: SolverConfig) -> Stepwise:
    table = {
        SolverKind.LEVENBERG_MARQUARDT: lambda: LevenbergMarquardt(
            max_steps=config.max_steps, tolerance=config.tolerance
        ),
        SolverKind.LBFGS: lambda: LBFGS(max_steps=config.max_steps, tolerance=config.tolerance),
        SolverKind.ADAM: lambda: Adam(max_steps=config.max_steps, lr=config.lr),
    }
    return table[config.kind]()
