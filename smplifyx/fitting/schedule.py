"""The stages of a fit: hypotheses side by side, one problem per stage, the better ones go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..config import Block, FitConfig, without_collision
from ..core.bundle import Bundle
from ..features.variables import State
from ..problem.problem import Problem
from ..terms.scene import WeightedTerm
from .alternatives import Alternatives
from .batch import FitBatch
from .hypotheses import Hypotheses
from .mirroring import FLIPS
from .stage_problem import StageProblem
from .stage_runner import StageRunner
from .starts import Starts, first_guess
from .watching import StageReport, Watch

# People who pass through the stages together, and rows that a stage may leave behind.
COHORT, LEAVE = 128, 32  # on a CPU
COHORT_GPU, LEAVE_GPU = 2**14, 2**10


@dataclass(frozen=True)
class StagesOutcome:
    """The best body of each person, and what became of the others."""

    state: State  # [batch]
    energies: dict[str, Float[Tensor, " batch"]]  # by term, of the last stage
    # of the last stage each ran in; inf: never tried
    hypothesis_energies: Float[Tensor, "batch hypotheses"]
    chosen: Int[Tensor, " batch"]
    # runner-up's energy minus the best's in the last stage that had both; nan: none
    gap: Float[Tensor, " batch"]
    steps: Int[Tensor, " batch"]  # of the solver, over all stages of the chosen hypothesis
    alternatives: Alternatives  # [batch]: what else the evidence may mean


@dataclass(frozen=True)
class Survivors(Bundle):
    """The bodies of each person that all stages have kept, and what became of the others."""

    hypotheses: Hypotheses  # [batch, kept], best first
    energies: Float[Tensor, "batch made"]  # as `StagesOutcome.hypothesis_energies`
    gap: Float[Tensor, " batch"]  # as there
    alternatives: Alternatives  # [batch]


def run_stages(
    people: FitBatch,
    extra_terms: tuple[WeightedTerm, ...] = (),
    start: Starts | None = None,
    watch: Watch | None = None,
) -> StagesOutcome:
    """Fits every person of the batch [batch] through all stages of their preset; rows are
    independent. The best body of each is the outcome.
    """
    survivors = survivors_of(people, extra_terms, start, watch)
    best = survivors.hypotheses[:, 0]
    names = StageProblem.of(people.setup.config.stages[-1], people, extra_terms).names
    by_term = dict(zip(names, best.by_term.unbind(-1), strict=True))
    return StagesOutcome(
        best.state,
        by_term,
        survivors.energies,
        best.index,
        survivors.gap,
        best.steps,
        survivors.alternatives,
    )


def survivors_of(
    people: FitBatch,
    extra_terms: tuple[WeightedTerm, ...] = (),
    start: Starts | None = None,
    watch: Watch | None = None,
) -> Survivors:
    """Everybody of the batch [batch] through all stages of their preset; rows are independent.

    People pass through the stages in cohorts. As soon as a stage is done with nearly all of a
    cohort these go on, and the last few stay and run beside the next cohort: nobody waits for a
    hard case. start: where the hypotheses begin; None: as the preset guesses. watch: told of each
    stage; rows are those of this batch.
    """
    like, stages = people.scale, people.setup.config.stages
    on_cpu = like.device.type == "cpu"
    cohort_size, leave = (COHORT, LEAVE) if on_cpu else (COHORT_GPU, LEAVE_GPU)
    cohorts = torch.arange(len(like), device=like.device).split(cohort_size)
    first = _begin(people, cohorts[0], start)
    made = _hypotheses_made(people.setup.config, first.index.shape[1])
    runners = []
    for stage, made_before in zip(stages, made[:-1], strict=True):
        by_term = watch is not None or stage is stages[-1]
        maker = StageProblem.of(stage, people, extra_terms)
        runners.append(StageRunner(maker, made_before, by_term))

    energies = like.new_full((len(like), made[-1]), torch.inf)
    gap = torch.full_like(like, torch.nan)
    alternatives = Alternatives.none(like, made[-1])
    ends = []
    for rows, coming in zip(cohorts, _cohorts(people, cohorts, start, first), strict=True):
        is_last = rows is cohorts[-1]
        for runner, stage in zip(runners, stages, strict=True):
            through = runner.run(coming, leave=0 if is_last else leave)
            if not len(through.person):  # all of them stay behind for now
                break
            if watch is not None:
                watch(_report(people, stage.name, runner, through))
            at = through.person, through.index
            energies[at] = torch.where(through.valid, through.energy, energies[at])
            different = through.distinct(stage.merge)
            alternatives = alternatives.seen(different)
            found, who = different.gap(), different.person[:, 0]
            gap[who] = torch.where(found.isnan(), gap[who], found)
            coming = different[:, : stage.keep]
        else:
            ends.append(coming)

    end = Hypotheses.cat(ends)
    end = end[torch.argsort(end.person[:, 0])]
    return Survivors(end, energies, gap, alternatives)


def final_stage(people: FitBatch, extra_terms: tuple[WeightedTerm, ...] = ()) -> StageProblem:
    """The last stage, betas free in any case; without collision, which tells no shape."""
    last = without_collision(people.setup.config).stages[-1]
    free = last.free if Block.BETAS in last.free else (*last.free, Block.BETAS)
    return StageProblem.of(last.model_copy(update={"free": free}), people, extra_terms)


def final_problem(
    people: FitBatch, state: State, extra_terms: tuple[WeightedTerm, ...] = ()
) -> Problem:
    """The problem of `final_stage` at `state` [batch]."""
    return final_stage(people, extra_terms).at(state)


def _begin(people: FitBatch, rows: Int[Tensor, " cohort"], start: Starts | None) -> Hypotheses:
    """A cohort before the first stage."""
    starts = first_guess(people[rows]) if start is None else start[rows]
    return Hypotheses.begun(starts.state, starts.tried, rows)


def _cohorts(
    people: FitBatch, cohorts: tuple[Tensor, ...], start: Starts | None, first: Hypotheses
) -> Iterator[Hypotheses]:
    """Each cohort at the start, made when it is asked for; the first is there already."""
    yield first
    for rows in cohorts[1:]:
        yield _begin(people, rows, start)


def _hypotheses_made(config: FitConfig, at_first: int) -> list[int]:
    """How many hypotheses each person has had before each stage, and in the end."""
    made, running = [at_first], at_first
    for stage in config.stages:
        fresh = running * len(FLIPS) if stage.mirror else 0
        made.append(made[-1] + fresh)
        running = min(running + fresh, stage.keep)
    return made


def _report(people: FitBatch, stage: str, runner: StageRunner, through: Hypotheses) -> StageReport:
    best = through[:, 0]
    by_term = dict(zip(runner.terms, best.by_term.unbind(-1), strict=True))
    bodies = people.setup.decoder.params(best.state)
    return StageReport(stage, best.person, bodies, best.energy, by_term, best.steps, runner.waiting)
