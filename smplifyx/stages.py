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
from .collision.carried import ball_model
from .config import Block, FitConfig, SolverConfig, SolverKind, StageConfig, without_collision
from .hypotheses import FLIPS, first_guess, mirrored, neutral_points
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
    valid: Bool[Tensor, "*batch"]  # still running
    steps: Int[Tensor, "*batch"]
    energy: Float[Tensor, "*batch"]  # of the last stage; inf where it did not run
    by_term: Float[Tensor, "*batch terms"]  # of the last stage, in the order of its terms; before it: none
    joints: Float[Tensor, "*batch joints 3"]  # from the pelvis, as the camera sees them

    def ranked(self) -> Race:
        """Best first."""
        order = self.energy.sort(dim=1, stable=True).indices
        rows = torch.arange(len(order), device=order.device)[:, None]
        return self.map(lambda t: t[rows, order])

    def distinct(self, radius: float) -> Race:
        """Of ranked hypotheses, those drop out whose joints lie on average within `radius` metres of a better one's."""
        if not radius:
            return self
        apart = (self.joints[:, :, None] - self.joints[:, None]).norm(dim=-1).mean(-1)
        near, valid = apart < radius, self.valid.clone()
        for later in range(1, valid.shape[1]):
            valid[:, later] &= ~(near[:, later, :later] & valid[:, :later]).any(-1)
        return self.replace(valid=valid, energy=torch.where(valid, self.energy, torch.inf)).ranked()


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
        if people.height is not None:
            seen = seen.replace(height=people.height)
        seen = seen.map(lambda t: t.repeat_interleave(hypotheses, 0)).replace(depth=state.transl[:, 2])
        row = state.transl.new_zeros(len(state.transl), dtype=torch.int64)
        if len(model.contour_at):
            row = skinning.contour_row(people.body, people.decoder.params(state))
        heights = people.height is not None
        terms = stage_terms(stage.weights, people.body, people.decoder, people.config, heights) + self.extra_terms
        balls = ball_model(people.body, points) if stage.weights.collision else None
        problem = Problem(model, people.decoder, terms, stage.free, state, seen, model.contour[row], balls)
        return problem if balls is None else problem.with_partners()


def gather(
    keypoints: Keypoints, camera: Camera, body: BodyModel, decoder: Decoder, config: FitConfig,
    height: Float[Tensor, " batch"] | None = None,
) -> People:  # fmt: skip
    """The people of a batch [batch], measured; height: metres, NaN where it is not known."""
    rest = neutral_points(decoder, body.sized(config.betas, config.expressions))
    scale = person_scale(keypoints, seen_confidence(keypoints, config.reprojection), rest)
    if height is not None and not height.isfinite().any():
        height = None
    return People(keypoints, camera, scale, body, decoder, config, height)


def run_stages(
    people: People, extra_terms: tuple[WeightedTerm, ...] = (), start: tuple[State, Tensor] | None = None
) -> Outcome:
    """Fits every person of the batch [batch] through all stages of their preset; rows are independent.

    `start`: where the hypotheses begin [batch, hypotheses] and which of them are tried; None: `first_guess`.
    """
    config, scale = people.config, people.scale
    problems = Problems(people, extra_terms)
    start, valid = start or first_guess(people)
    index = torch.arange(valid.shape[1], device=scale.device).expand_as(valid)
    none_yet = torch.zeros_like(valid, dtype=scale.dtype)
    race = Race(start, index, valid, torch.zeros_like(index), none_yet, none_yet[..., None], start.transl[..., None, :])
    energies = scale.new_full((len(scale), _hypotheses(config, valid.shape[1])), torch.inf)
    gap = torch.full_like(scale, torch.nan)
    made = valid.shape[1]
    for stage in config.stages:
        if stage.mirror:
            race, made = _with_mirrored(stage, race, problems, made)
        race, terms = _run(stage, race, problems)
        seen = torch.where(race.valid, race.energy, energies.gather(1, race.index))
        energies = energies.scatter(1, race.index, seen)
        race = race.distinct(stage.merge)
        gap = _gap(race, gap)
        race = race[:, : stage.keep]
    by_term = dict(zip(terms, race.by_term[:, 0].unbind(-1), strict=True))
    return Outcome(race.state[:, 0], by_term, energies, race.index[:, 0], gap, race.steps[:, 0])


def final_problem(people: People, state: State, extra_terms: tuple[WeightedTerm, ...] = ()) -> Problem:
    """The last stage's problem at `state` [batch], betas free in any case; without collision, which tells no shape."""
    last = without_collision(people.config).stages[-1]
    free = last.free if Block.BETAS in last.free else (*last.free, Block.BETAS)
    return Problems(people, extra_terms).of(last.model_copy(update={"free": free}), state, 1)


def _run(stage: StageConfig, race: Race, problems: Problems) -> tuple[Race, tuple[str, ...]]:
    """Minimises one stage for every hypothesis that runs; best first, and the names of the terms of the last stage."""
    shape = race.index.shape
    flat = race.state.map(lambda t: t.flatten(0, 1)).rebased()
    problem = problems.of(stage, flat, shape[1])
    x = problem.pack(flat)
    running = race.valid.flatten().nonzero()[:, 0]
    running_problem = problem.rows(running)
    solution = _solver(stage.solver).minimise(running_problem, x[running])
    view = running_problem.view(solution.x)
    joints = view.posed.place
    by_term = running_problem.energies_in(view.scene) if stage is problems.people.config.stages[-1] else {}
    energy = torch.where(solution.energy.isfinite(), solution.energy, torch.inf)

    def spread(values: Tensor, others: Tensor) -> Tensor:
        return others.index_copy(0, running, values).unflatten(0, shape)

    nothing = energy.new_full((len(x),), torch.inf)
    terms = torch.stack([*by_term.values()], -1) if by_term else energy.new_zeros(len(energy), 0)
    race = race.replace(
        state=problem.unpack(spread(solution.x, x).flatten(0, 1)).map(lambda t: t.unflatten(0, shape)),
        steps=race.steps + spread(solution.steps, torch.zeros_like(race.steps).flatten()),
        energy=spread(energy, nothing),
        by_term=spread(terms, terms.new_zeros(len(x), terms.shape[1])),
        joints=spread(joints - joints[:, :1], joints.new_zeros(len(x), *joints.shape[1:])),
    )
    return race.ranked(), tuple(by_term)


def _with_mirrored(stage: StageConfig, race: Race, problems: Problems, made: int) -> tuple[Race, int]:
    """Each hypothesis and its mirrored kin, numbered from `made` on; also the number of all made so far."""
    batch, count = race.index.shape
    flat = race.state.map(lambda t: t.flatten(0, 1)).rebased()
    options = mirrored(problems.of(stage, flat, count), flat)
    race = race.map(lambda t: t.repeat_interleave(1 + len(FLIPS), 1))
    number = made + torch.arange(count * len(FLIPS), device=race.index.device).view(count, len(FLIPS))
    first = race.index.view(batch, count, -1)[..., :1]
    index = torch.cat([first, number.expand(batch, -1, -1)], -1).flatten(1)
    state = options.map(lambda t: t.unflatten(0, (batch, count)).flatten(1, 2))
    return race.replace(state=state, index=index), made + number.numel()


def _hypotheses(config: FitConfig, at_first: int) -> int:
    """How many hypotheses the stages make of so many."""
    made = running = at_first
    for stage in config.stages:
        fresh = running * len(FLIPS) if stage.mirror else 0
        made, running = made + fresh, min(running + fresh, stage.keep)
    return made


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
