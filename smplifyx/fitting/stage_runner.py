"""A stage on everybody's way: people come in cohorts, those whom it is done with go on, the others
stay a while.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from ..config import SolverConfig, SolverKind
from ..features.variables import State
from ..problem.problem import Problem
from ..solvers import LBFGS, Adam, LevenbergMarquardt
from ..solvers.rows import RowState, Run, Stepwise, run_some
from .alternatives import body_from_hips
from .hypotheses import Hypotheses
from .mirroring import FLIPS, mirrored
from .stage_problem import StageProblem


@dataclass(frozen=True)
class LeftBehind:
    """People whom a stage is not done with, and the rows of theirs that still run."""

    hypotheses: Hypotheses
    at: Int[Tensor, " rows"]  # where in the flat hypotheses [people x hypotheses] the rows stand
    problem: Problem  # of the rows
    solver_state: RowState


class StageRunner:
    """One stage, and those it is not done with: they stay behind and go on beside whoever comes
    next.
    """

    def __init__(self, maker: StageProblem, made: int, by_term: bool) -> None:
        """made: how many hypotheses each person has had before this stage; by_term: whether
        energies by term are kept.
        """
        self._maker, self._made, self._by_term = maker, made, by_term
        self._behind: LeftBehind | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of `Hypotheses.by_term`, where these are kept."""
        return self._maker.names if self._by_term else ()

    @property
    def waiting(self) -> int:
        """How many people the stage is not done with."""
        return 0 if self._behind is None else len(self._behind.hypotheses.person)

    def run(self, coming: Hypotheses, leave: int) -> Hypotheses:
        """Minimises the stage for those who come and those behind, until at most `leave` rows of
        all still run.

        Gives those who are through, the hypotheses of each best first.
        """
        everybody, problem = self._entering(coming)
        at = everybody.valid.flatten().nonzero()[:, 0]
        problem = problem.rows(at)
        x = problem.pack(problem.state)
        solver_state = None
        if self._behind is not None:
            # Those behind stand first: the solver goes on with them where it was.
            before = self._behind
            solver_state = before.solver_state
            at = torch.cat([before.at, before.hypotheses.valid.numel() + at])
            everybody = Hypotheses.cat([before.hypotheses, everybody])
            problem = before.problem.joined(problem)
        solver = _solver(self._maker.stage.solver)
        run = run_some(solver, problem, x, solver_state, leave)
        everybody = self._with_solutions(everybody, problem, at, run)
        return self._through(everybody, problem, at, run).ranked()

    def _entering(self, coming: Hypotheses) -> tuple[Hypotheses, Problem]:
        """Those who come as the stage begins, mirrored where it says so, and the problem of all
        their hypotheses.
        """
        flat, problem = self._begun(coming)
        if self._maker.stage.mirror:
            coming = _with_mirrored(coming, mirrored(problem, flat), self._made)
            flat, problem = self._begun(coming)
        unknown = torch.full_like(coming.energy, torch.inf)
        shape, terms = unknown.shape, len(self.terms)
        joints = len(problem.folded.model.joints)
        entering = coming.replace(
            state=flat.map(lambda t: t.unflatten(0, shape)),
            energy=unknown,
            by_term=unknown[..., None].expand(*shape, terms),
            joints=unknown[..., None, None].expand(*shape, joints, 3),
            points=torch.full_like(coming.points, torch.nan),
        )
        return entering, problem

    def _begun(self, coming: Hypotheses) -> tuple[State, Problem]:
        """The state of all hypotheses side by side [people x hypotheses], and its problem."""
        flat = coming.state.map(lambda t: t.flatten(0, 1)).rebased()
        maker = self._maker.rows(coming.person[:, 0])
        return flat, maker.at(flat, coming.person.shape[1])

    def _with_solutions(
        self, everybody: Hypotheses, problem: Problem, at: Int[Tensor, " rows"], run: Run
    ) -> Hypotheses:
        """Everybody, with what the solver found for the rows that are done; at: where the problem's
        rows stand.
        """
        solution = run.solution
        done, done_at = problem.rows(run.done), at[run.done]
        view = done.view(solution.x)
        shape = everybody.valid.shape
        flat = everybody.map(lambda t: t.flatten(0, 1))
        before = flat[done_at]
        by_term = before.by_term
        if self._by_term:
            by_term = torch.stack([*done.energies_in(view.scene).values()], -1)
        joints = view.pose.bones.place
        found = before.replace(
            state=done.unpack(solution.x),
            steps=before.steps + solution.steps,
            by_term=by_term,
            energy=torch.where(solution.energy.isfinite(), solution.energy, torch.inf),
            joints=joints - joints[:, :1],
            points=body_from_hips(view.pose.bones.points, self._maker.points),
        )
        return flat.put(done_at, found).map(lambda t: t.unflatten(0, shape))

    def _through(
        self, everybody: Hypotheses, problem: Problem, at: Int[Tensor, " rows"], run: Run
    ) -> Hypotheses:
        """Those none of whose rows run any more; the others stay behind."""
        self._behind = None
        if not len(run.left):
            return everybody
        # Rows stay in the order in which they stand among everybody: places are counted from it
        # again.
        order = torch.argsort(at[run.left])
        left = run.left[order]
        running = torch.zeros_like(everybody.valid)
        running.view(-1)[at[left]] = True
        stay = running.any(1)
        where = running[stay].flatten().nonzero()[:, 0]
        self._behind = LeftBehind(everybody[stay], where, problem.rows(left), run.state[order])
        return everybody[~stay]


def _with_mirrored(coming: Hypotheses, options: State, made: int) -> Hypotheses:
    """Each hypothesis and its mirrored kin, numbered from `made` on; options: all of them [people x
    hypotheses, kin].
    """
    batch, count = coming.index.shape
    kin = len(FLIPS)
    # Each hypothesis keeps its number, its kin get fresh ones, the same for every person.
    own = coming.index[..., None]  # [batch, count, 1]
    fresh = made + torch.arange(count * kin, device=own.device).view(count, kin)
    index = torch.cat([own, fresh.expand(batch, -1, -1)], -1)

    state = options.map(lambda t: t.unflatten(0, (batch, count)).flatten(1, 2))
    widened = coming.map(lambda t: t.repeat_interleave(1 + kin, 1))
    return widened.replace(state=state, index=index.flatten(1))


def _solver(config: SolverConfig) -> Stepwise:
    match config.kind:
        case SolverKind.LEVENBERG_MARQUARDT:
            return LevenbergMarquardt(max_steps=config.max_steps, tolerance=config.tolerance)
        case SolverKind.LBFGS:
            return LBFGS(max_steps=config.max_steps, tolerance=config.tolerance)
        case SolverKind.ADAM:
            return Adam(max_steps=config.max_steps, lr=config.lr)
