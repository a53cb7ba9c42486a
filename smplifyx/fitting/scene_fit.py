"""The people of one image fitted together, at the end: nobody passes through anybody, so who stands
in front is told.

Everybody is fitted alone first (`fit`). Those whose bodies then overlap go on in a common problem:
the energies of the last stage of each, and residuals that hold the spheres of one apart from
another's. See docs/collision.md.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..body.model import BodyModel
from ..collision.proxies.sphere_pairs import CLEAR
from ..config import Block, FitConfig, StageConfig, as_preset
from ..core.threads import one_thread_per_operation, side_by_side
from ..features.spheres import SPHERES
from ..features.variables import State
from ..problem.couplings import Between
from ..problem.problem import Problem
from ..problem.spheres_between import spheres_between
from ..problem.stage_terms import COLLISION_SPREAD
from ..problem.view import View
from ..solvers import LevenbergMarquardt, Solution
from ..terms.collision import Collision
from ..terms.scene import WeightedTerm
from .alternatives import Alternatives
from .batch import FitBatch
from .fitter import Fitter, result_of
from .neighbours import Pair, groups, overlap, pairs, same_person
from .result import FitResult, FitStatus, Provenance
from .schedule import StagesOutcome
from .setup import setup_of
from .stage_problem import StageProblem

NEAR = 0.10  # metres: people this near to those who overlap are fitted with them
MOST = 8  # people in a group
# depth tells little in the image: bodies part there first
RIGID = (Block.GLOBAL_ORIENT, Block.TRANSL)
# What is free in each round, (): all that the last stage has; and the softness of the residuals
# between people.
ROUNDS = ((RIGID, 4.0), ((), 4.0), ((), 1.0))
RESIDUALS_EACH = 64  # between people, for each of a group
SOLVER = LevenbergMarquardt(max_steps=30, tolerance=1e-5)
SIDE_BY_SIDE = 32  # people whose groups are solved in one batch


@dataclass(frozen=True)
class SameBody:
    """Those who are fitted with one body: `numbers` among all results."""

    numbers: tuple[int, ...]
    results: FitResult  # [batch]
    people: FitBatch
    state: State

    def __getitem__(self, rows: list[int]) -> SameBody:
        """Some of them."""
        return SameBody(
            tuple(self.numbers[row] for row in rows),
            self.results[rows],
            self.people[torch.tensor(rows)],
            self.state[rows],
        )


def fit_together(
    results: Sequence[FitResult],
    images: Sequence[Hashable],
    bodies: Sequence[BodyModel],
    config: FitConfig | str | Path,
    extra_terms: Sequence[WeightedTerm] = (),
) -> list[FitResult]:
    """Results of `fit`, those of people who overlap in their image fitted anew together; in the
    order given.

    results: one person each, without batch axes; images: what tells the image of each; bodies: all
    that they were fitted with; config and extra_terms: as they were fitted. Whoever overlaps nobody
    is given back as he is. Energies stay those of each person alone. At most 8 people to a group,
    those deepest in each other first. Two detections of one person are not held apart. Raises
    ValueError where `check_shared_camera` does, where the cameras of an image differ, and for
    results of another body.
    """
    config = as_preset(config)
    check_shared_camera(config)
    found = list(results)
    crowd = _in_company(found, images)
    with torch.no_grad():
        by_body = _by_body(found, crowd, bodies, config)
        apart = [
            (a, b)
            for a, b in pairs(crowd, images)
            if not same_person(found[a].keypoints, found[b].keypoints)
        ]
        moved: set[int] = set()
        steps: Counter[int] = Counter()
        stages = _stages(config)
        for stage, softness in stages:
            problems = [_problem(those, stage, tuple(extra_terms)) for those in by_body]
            together = groups(_depths(by_body, problems, apart), NEAR, MOST)
            by_body, taken = _solved(by_body, problems, together, softness)
            moved |= {number for group in together for number in group}
            steps.update(taken)
        for those in by_body:
            last_stage, _ = stages[-1]
            _replace(found, those, moved, steps, last_stage, tuple(extra_terms))
    return found


def check_shared_camera(config: FitConfig) -> None:
    """Raises ValueError for a preset that gives each person of an image a focal length of their
    own.
    """
    if any(Block.FOCAL in stage.free for stage in config.stages):
        raise ValueError(
            "people cannot be fitted together (--scene) "
            "while the focal length is free (--free-focal)"
        )


def _in_company(results: Sequence[FitResult], images: Sequence[Hashable]) -> list[int]:
    """The numbers of people who were fitted and are not alone in their image."""
    sound = [i for i, result in enumerate(results) if int(result.status) != FitStatus.FAILED]
    people_in = Counter(images[i] for i in sound)
    crowd = [i for i in sound if people_in[images[i]] > 1]

    camera_of: dict[Hashable, Tensor] = {}
    for i in crowd:
        K = results[i].camera.K
        if not torch.equal(K, camera_of.setdefault(images[i], K)):
            raise ValueError(
                "people cannot be fitted together: those of one image have different cameras"
            )
    return crowd


def _by_body(
    results: Sequence[FitResult],
    numbers: Sequence[int],
    bodies: Sequence[BodyModel],
    config: FitConfig,
) -> list[SameBody]:
    """Everybody by body, in an order that does not depend on that of the people."""
    numbers_of = defaultdict(list)
    for number in numbers:
        numbers_of[_identity(results[number].provenance)].append(number)
    known = {_identity(body): body for body in bodies}
    missing = numbers_of.keys() - known.keys()
    if missing:
        raise ValueError(
            f"people cannot be fitted together without the bodies they were fitted with: {missing}"
        )
    found = []
    for identity, own in sorted(numbers_of.items()):
        fitter = Fitter(setup_of(known[identity], config))
        stacked = FitResult.stack([results[number] for number in own])
        stacked = stacked.to(device=fitter.setup.body.v_template.device)
        people = fitter.gather(stacked.keypoints, stacked.camera, tuple(stacked.evidence.values()))
        state = fitter.setup.decoder.state(stacked.params, stacked.latent)
        found.append(SameBody(tuple(own), stacked, people, state))
    return found


def _identity(made_with: BodyModel | Provenance) -> tuple[str, str, str]:
    """What tells bodies apart."""
    if isinstance(made_with, BodyModel):
        return made_with.sha256, made_with.kid_sha256, made_with.gender.value
    return made_with.model_sha256, made_with.kid_sha256, made_with.gender


def _stages(config: FitConfig) -> list[tuple[StageConfig, float]]:
    """The last stage as each round has it, and the softness of the residuals between people."""
    last = config.stages[-1]
    rigid = (Block.GLOBAL_ORIENT, Block.TRANSL)
    everything = (*(block for block in rigid if block not in last.free), *last.free)
    return [
        (last.model_copy(update={"free": only or everything}), softness)
        for only, softness in ROUNDS
    ]


def _problem(those: SameBody, stage: StageConfig, extra_terms: tuple[WeightedTerm, ...]) -> Problem:
    """The stage's problem of each person alone."""
    return StageProblem.of(stage, those.people, extra_terms).at(those.state)


def _depths(
    by_body: Sequence[SameBody], problems: Sequence[Problem], apart: Sequence[Pair]
) -> dict[Pair, float]:
    """How deep each two people who are held apart lie in each other."""
    spheres: dict[int, Tensor] = {}
    place: dict[int, Tensor] = {}
    for those, problem in zip(by_body, problems, strict=True):
        placed = problem.view(problem.pack(those.state)).scene[SPHERES]
        spheres |= dict(zip(those.numbers, placed, strict=True))
        place |= dict(zip(those.numbers, those.state.transl, strict=True))
    depths = {}
    for a, b in apart:
        # b's spheres as seen from a's translation: the radius, the fourth number, stays
        offset = torch.nn.functional.pad(place[b] - place[a], (0, 1))
        depths[a, b] = overlap(spheres[a], spheres[b] + offset)
    return depths


@dataclass(frozen=True, eq=False)
class SimilarGroups:
    """Groups whose members have the same bodies, solved side by side.

    kinds: the body of each member, as a number among all bodies; rows [groups, members]: who it is
    of that body.
    """

    kinds: tuple[int, ...]
    rows: Tensor


def _similar_groups(
    by_body: Sequence[SameBody], together: Sequence[Sequence[int]]
) -> list[SimilarGroups]:
    """Members stand in an order of their own, the nearest to the camera first of each body."""
    place: dict[int, tuple[int, int]] = {}
    order: dict[int, tuple[int, list[float]]] = {}
    for kind, those in enumerate(by_body):
        for row, number in enumerate(those.numbers):
            place[number] = (kind, row)
            order[number] = (kind, those.state.transl[row].flip(0).tolist())
    rows_of_kinds = defaultdict(list)
    for group in together:
        members = [place[number] for number in sorted(group, key=order.__getitem__)]
        kinds = tuple(kind for kind, _ in members)
        rows_of_kinds[kinds].append([row for _, row in members])
    found = []
    for kinds, rows in rows_of_kinds.items():
        device = by_body[0].state.transl.device
        for piece in torch.tensor(rows, device=device).split(SIDE_BY_SIDE // len(kinds)):
            found.append(SimilarGroups(kinds, piece))
    return found


def _solved(
    by_body: Sequence[SameBody],
    problems: Sequence[Problem],
    together: Sequence[Sequence[int]],
    softness: float,
) -> tuple[list[SameBody], dict[int, int]]:
    """Everybody after every group has been fitted, and the steps that it took each person."""
    similar = _similar_groups(by_body, together)

    @torch.no_grad()
    def solve(piece: slice) -> tuple[Between[Problem, View], Solution]:
        return _solve(problems, similar[piece.start], softness)

    device = by_body[0].state.transl.device if by_body else torch.device("cpu")
    one_each = [slice(i, i + 1) for i in range(len(similar))]
    with one_thread_per_operation(device) as threads:
        solutions = side_by_side(solve, one_each, threads)

    states = [those.state for those in by_body]
    steps: dict[int, int] = {}
    for some, (coupled, solution) in zip(similar, solutions, strict=True):
        unknowns = coupled.split(solution.x)
        for member, x, kind, rows in zip(
            coupled.members, unknowns, some.kinds, some.rows.T, strict=True
        ):
            states[kind] = states[kind].put(rows, member.unpack(x).rebased())
            for row, taken in zip(rows.tolist(), solution.steps.tolist(), strict=True):
                steps[by_body[kind].numbers[row]] = taken
    moved = [
        dataclasses.replace(those, state=state)
        for those, state in zip(by_body, states, strict=True)
    ]
    return moved, steps


def _solve(
    problems: Sequence[Problem], some: SimilarGroups, softness: float
) -> tuple[Between[Problem, View], Solution]:
    members = [
        problems[kind].rows(rows) for kind, rows in zip(some.kinds, some.rows.T, strict=True)
    ]
    apart = Collision(softness * COLLISION_SPREAD, CLEAR, most=RESIDUALS_EACH * len(members))
    together = spheres_between(members, WeightedTerm("between", 1.0, apart))
    start = together.join([member.pack(member.state) for member in members])
    return together, SOLVER.minimise(together, start)


def _replace(
    found: list[FitResult],
    those: SameBody,
    moved: set[int],
    steps: Counter[int],
    stage: StageConfig,
    extra_terms: tuple[WeightedTerm, ...],
) -> None:
    """Puts in the new results of those who were fitted together."""
    rows = [row for row, number in enumerate(those.numbers) if number in moved]
    if not rows:
        return
    some = those[rows]
    problem = _problem(some, stage, extra_terms)
    energies = problem.energies(problem.pack(some.state))
    total = torch.stack([*energies.values()]).sum(0)
    old = some.results
    more_steps = torch.tensor([steps[number] for number in some.numbers], device=old.steps.device)
    outcome = StagesOutcome(
        state=some.state,
        energies=energies,
        hypothesis_energies=old.hypothesis_energies.scatter(1, old.chosen[:, None], total[:, None]),
        chosen=old.chosen,
        gap=old.gap,
        steps=old.steps + more_steps,
        alternatives=Alternatives.none(old.energy, 0),
    )
    # How sure joints are was told when each was fitted alone, other readings and all.
    fresh = result_of(some.people, outcome, extra_terms).replace(
        joint_covariance=old.joint_covariance
    )
    for row, number in enumerate(some.numbers):
        one = fresh[row].to(device=found[number].energy.device)
        found[number] = one.replace(origin=found[number].origin)
