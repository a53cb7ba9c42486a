"""The stages of a fit: hypotheses side by side, one problem per stage, the better ones go on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .body import skinning
from .body.fold import fold
from .body.model import BodyModel
from .bundle import Bundle
from .camera import Camera
from .config import FitConfig, SolverConfig, SolverKind, StageConfig
from .hypotheses import first_guess, neutral_state
from .keypoints import Keypoints
from .observation import observe, person_scale, seen_confidence, stage_points
from .people import People
from .problem import Problem, WeightedTerm
from .solvers import LBFGS, Adam, LevenbergMarquardt, Solver
from .state import Decoder, State
from .term_table import stage_terms


@dataclass(frozen=True)
class Outcome:
    """The best body of each person, and what became of the others."""

    state: State  # [batch]
    energies: dict[str, Float[Tensor, " batch"]]  # by term, of the last stage
    hypothesis_energies: Float[Tensor, "batch hypotheses"]  # of the last stage each ran in; inf: never tried
    chosen: Int[Tensor, " batch"]
    gap: Float[Tensor, " batch"]  # runner-up's energy minus the best's in the last stage that had both; nan: none
    steps: Int[Tensor, " batch"]  # of the solver, over all stages of the chosen hypothesis


@dataclass(frozen=True)
class Race(Bundle):
    """The hypotheses still running: leading axes [batch, hypotheses]."""

    state: State
    index: Int[Tensor, "*batch"]
    valid: Bool[Tensor, "*batch"]
    steps: Int[Tensor, "*batch"]
    energy: Float[Tensor, "*batch"]
    by_term: Float[Tensor, "*batch terms"]  # of the last stage, in the order of its terms

    def ranked(self) -> Race:
        """Best first."""
        order = self.energy.sort(dim=1, stable=True).indices
        rows = torch.arange(len(order), device=order.device)[:, None]
        return self.map(lambda t: t[rows, order])


@dataclass(frozen=True)
class Problems:
    """Makes the problem of each stage."""

    people: People
    extra_terms: tuple[WeightedTerm, ...]

    def of(self, stage: StageConfig, state: State, hypotheses: int) -> Problem:
        """The problem of a stage at `state` [batch x hypotheses], its face contour as the heads turn there."""
        people = self.people
        points = tuple(stage_points(stage, people.body.points.known))
        model = fold(people.body, points)
        seen = observe(people.keypoints, people.camera, people.config, stage, list(points), people.scale)
        seen = seen.map(lambda t: t.repeat_interleave(hypotheses, 0)).replace(depth=state.transl[:, 2])
        row = skinning.contour_row(people.body, people.decoder.params(state))
        terms = stage_terms(stage.weights, people.body, people.decoder, people.config) + self.extra_terms
        return Problem(model, people.decoder, terms, stage.free, state, seen, model.contour[row])


def run_stages(
    keypoints: Keypoints, camera: Camera, body: BodyModel, decoder: Decoder, config: FitConfig,
    extra_terms: tuple[WeightedTerm, ...] = (),
) -> Outcome:  # fmt: skip
    """Fits every person of the batch [batch] through all stages of `config`; rows are independent."""
    rest = skinning.points(body, decoder.params(neutral_state(decoder, body, config, (), keypoints.xy)))
    scale = person_scale(keypoints, seen_confidence(keypoints, config.reprojection), rest)
    people = People(keypoints, camera, scale, body, decoder, config)
    problems = Problems(people, extra_terms)
    start, valid = first_guess(people)
    index = torch.arange(valid.shape[1], device=scale.device).expand_as(valid)
    none_yet = torch.zeros_like(valid, dtype=scale.dtype)
    race = Race(start, index, valid, torch.zeros_like(index), none_yet, none_yet[..., None])
    energies = torch.full_like(race.energy, torch.inf)
    gap = torch.full_like(scale, torch.nan)
    for stage in config.stages:
        race, terms = _run(stage, race, problems)
        energies = energies.scatter(1, race.index, race.energy)
        gap = _gap(race, gap)
        race = race[:, : stage.keep]
    by_term = dict(zip(terms, race.by_term[:, 0].unbind(-1), strict=True))
    return Outcome(race.state[:, 0], by_term, energies, race.index[:, 0], gap, race.steps[:, 0])


def _run(stage: StageConfig, race: Race, problems: Problems) -> tuple[Race, tuple[str, ...]]:
    """Minimises one stage for every hypothesis; returns them best first, and the names of the stage's terms."""
    shape = race.index.shape
    flat = race.state.map(lambda t: t.flatten(0, 1)).rebased()
    problem = problems.of(stage, flat, shape[1])
    solution = _solver(stage.solver).minimise(problem, problem.pack(flat))
    by_term = problem.energies(solution.x)
    energy = torch.where(solution.energy.isfinite(), solution.energy, torch.inf).unflatten(0, shape)
    race = race.replace(
        state=problem.unpack(solution.x).map(lambda t: t.unflatten(0, shape)),
        steps=race.steps + solution.steps.unflatten(0, shape),
        energy=torch.where(race.valid, energy, torch.inf),
        by_term=torch.stack(list(by_term.values()), -1).unflatten(0, shape),
    )
    return race.ranked(), tuple(by_term)


def _solver(config: SolverConfig) -> Solver:
    table = {
        SolverKind.LEVENBERG_MARQUARDT: lambda: LevenbergMarquardt(
            max_steps=config.max_steps, tolerance=config.tolerance
        ),
        SolverKind.LBFGS: lambda: LBFGS(max_steps=config.max_steps, tolerance=config.tolerance),
        SolverKind.ADAM: lambda: Adam(max_steps=config.max_steps, lr=config.lr),
    }
    return table[config.kind]()


def _gap(race: Race, before: Tensor) -> Tensor:
    """Runner-up minus best where both ran this stage, else as it was."""
    if race.energy.shape[1] < 2:
        return before
    best, second = race.energy[:, 0], race.energy[:, 1]
    return torch.where(second.isfinite(), second - best, before)
