"""The stages of a fit: hypotheses side by side, one problem per stage, the better ones go on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..body.model import BodyModel
from ..camera import Camera
from ..config import Block, FitConfig, without_collision
from ..evidence.keypoints2d import person_scale, seen_confidence
from ..keypoints import Keypoints
from ..problem.problem import Problem, WeightedTerm
from ..problem.variables import Decoder, State
from .batch import FitBatch
from .hypotheses import Hypotheses
from .stage_runner import StageProblems, StageRunner
from .starts import FLIPS, first_guess, neutral_points

# people who pass through the stages together, and rows that a stage may leave behind: on a CPU
COHORT, LEAVE = 128, 32
COHORT_GPU, LEAVE_GPU = 2**14, 2**10


@dataclass(frozen=True)
class Outcome:
    """The best body of each person, and what became of the others."""

    state: State  # [batch]
    energies: dict[str, Float[Tensor, " batch"]]  # by term, of the last stage
    # of the last stage each ran in; inf: never tried
    hypothesis_energies: Float[Tensor, "batch hypotheses"]
    chosen: Int[Tensor, " batch"]
    # runner-up's energy minus the best's in the last stage that had both; nan: none
    gap: Float[Tensor, " batch"]
    steps: Int[Tensor, " batch"]  # of the solver, over all stages of the chosen hypothesis


def gather(
    keypoints: Keypoints,
    camera: Camera,
    body: BodyModel,
    decoder: Decoder,
    config: FitConfig,
    height: Float[Tensor, " batch"] | None = None,
) -> FitBatch:
    """The people of a batch [batch], measured; height: metres, NaN where it is not known."""
    rest = neutral_points(decoder, body.sized(config.betas, config.expressions))
    scale = person_scale(keypoints, seen_confidence(keypoints, config.reprojection), rest)
    if height is not None and not height.isfinite().any():
        height = None
    return FitBatch(keypoints, camera, scale, body, decoder, config, height)


def run_stages(
    people: FitBatch,
    extra_terms: tuple[WeightedTerm, ...] = (),
    start: tuple[State, Tensor] | None = None,
) -> Outcome:
    """Fits every person of the batch [batch] through all stages of their preset; rows are
    independent.

    People pass through the stages in cohorts. As soon as a stage is done with nearly all of a
    cohort these go on, and the last few stay and run beside the next cohort: nobody waits for a
    hard case. `start`: where the hypotheses begin [batch, hypotheses] and which of them are tried;
    None: `first_guess`.
    """
    like, config = people.scale, people.config
    size, leave = (COHORT, LEAVE) if like.device.type == "cpu" else (COHORT_GPU, LEAVE_GPU)
    cohorts = torch.arange(len(like), device=like.device).split(size)
    races = _races(people, cohorts, start)
    first = next(races)
    made = _made(config, first.index.shape[1])
    problems, last = StageProblems(people, extra_terms), config.stages[-1]
    runners = [
        StageRunner(problems, *each, each[0] is last)
        for each in zip(config.stages, made[:-1], strict=True)
    ]
    energies, gap = (
        like.new_full((len(like), made[-1]), torch.inf),
        torch.full_like(like, torch.nan),
    )
    ends = []
    for cohort, race in zip(cohorts, itertools.chain([first], races), strict=True):
        for station in runners:
            race = station.run(race, 0 if cohort is cohorts[-1] else leave)
            if not len(race.person):  # all of them stay behind for now
                break
            at = race.person, race.index
            energies[at] = torch.where(race.valid, race.energy, energies[at])
            race = race.distinct(station.stage.merge)
            found, who = race.gap(), race.person[:, 0]
            gap[who] = torch.where(found.isnan(), gap[who], found)
            race = race[:, : station.stage.keep]
        else:
            ends.append(race[:, 0])
    end = Hypotheses.cat(ends)
    end = end[torch.argsort(end.person)]
    by_term = dict(zip(runners[-1].terms, end.by_term.unbind(-1), strict=True))
    return Outcome(end.state, by_term, energies, end.index, gap, end.steps)


def _races(
    people: FitBatch, cohorts: tuple[Tensor, ...], start: tuple[State, Tensor] | None
) -> Iterator[Hypotheses]:
    """Each cohort at the start, when it is asked for."""
    for rows in cohorts:
        state, valid = (
            first_guess(people[rows]) if start is None else (start[0][rows], start[1][rows])
        )
        yield Hypotheses.begun(state, valid, rows)


def final_problem(
    people: FitBatch, state: State, extra_terms: tuple[WeightedTerm, ...] = ()
) -> Problem:
    """The last stage's problem at `state` [batch], betas free in any case; without collision, which
    tells no shape.
    """
    last = without_collision(people.config).stages[-1]
    free = last.free if Block.BETAS in last.free else (*last.free, Block.BETAS)
    return StageProblems(people, extra_terms).of(last.model_copy(update={"free": free}), state, 1)


def _made(config: FitConfig, at_first: int) -> list[int]:
    """How many hypotheses each person has had before each stage, and in the end."""
    made, running = [at_first], at_first
    for stage in config.stages:
        fresh = running * len(FLIPS) if stage.mirror else 0
        made.append(made[-1] + fresh)
        running = min(running + fresh, stage.keep)
    return made
