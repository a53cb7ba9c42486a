"""The people of one image fitted together, at the end: nobody passes through anybody, so who stands
in front is told.

Everybody is fitted alone first (`fit`). Those whose bodies then overlap go on in a common problem:
the energies of the last stage of each, and rows that hold the spheres of one apart from another's.
See docs/collision.md.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..body.model import BodyModel
from ..collision.proxies.sphere_pairs import CLEAR
from ..config import Block, FitConfig, StageConfig
from ..core.threads import one_thread_per_operation, side_by_side
from ..evidence.keypoints2d import stage_points
from ..features.spheres import sphere_model
from ..problem.problem import Problem, WeightedTerm
from ..problem.shared_problem import SharedProblem
from ..problem.stage_terms import COLLISION_SPREAD
from ..problem.variables import State
from ..solvers import LevenbergMarquardt, Solution
from ..terms.collision import Collision
from .batch import FitBatch
from .fit import prepare, result_of
from .neighbours import Pair, groups, overlap, pairs, same_person
from .result import FitResult, FitStatus, Provenance
from .schedule import Outcome
from .stage_runner import StageProblems

NEAR = 0.10  # metres: people this near to those who overlap are fitted with them
MOST = 8  # people in a group
# depth tells little in the image: bodies part there first
RIGID = (Block.GLOBAL_ORIENT, Block.TRANSL, Block.BETAS)
# What is free in each round (): all that the last stage has, and the softness of the rows between
# people.
ROUNDS = ((RIGID, 4.0), ((), 4.0), ((), 1.0))
ROWS_EACH = 64  # between people, for each of a group
SOLVER = LevenbergMarquardt(max_steps=30, tolerance=1e-5)
SIDE_BY_SIDE = 32  # people whose groups are solved in one batch


@dataclass(frozen=True)
class BodyCast:
    """Those who are fitted with one body: `numbers` among all results."""

    numbers: tuple[int, ...]
    results: FitResult  # [batch]
    people: FitBatch
    state: State


def fit_together(
    results: Sequence[FitResult],
    images: Sequence[Hashable],
    bodies: Sequence[BodyModel],
    config: FitConfig,
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
    check_shared_camera(config)
    found = list(results)
    crowd = _in_company(found, images)
    with torch.no_grad():
        casts = _casts(found, crowd, bodies, config)
        apart = [
            (a, b)
            for a, b in pairs(crowd, images)
            if not same_person(found[a].keypoints, found[b].keypoints)
        ]
        moved, steps = set(), Counter()
        for stage, softness in _stages(config):
            problems = [_problem(cast, stage, tuple(extra_terms)) for cast in casts]
            together = groups(_depths(casts, problems, apart), NEAR, MOST)
            casts, taken = _solved(casts, problems, together, softness)
            moved |= {number for group in together for number in group}
            steps.update(taken)
        for cast in casts:
            _replace(found, cast, moved, steps, stage, tuple(extra_terms))
    return found


def check_shared_camera(config: FitConfig) -> None:
    """Raises ValueError for a preset that gives each person of an image a focal length of their
    own.
    """
    if any(Block.FOCAL in stage.free for stage in config.stages):
        raise ValueError(
            "people cannot be fitted together (--scene) while the focal length is free (--free-focal)"
        )


def _in_company(results: Sequence[FitResult], images: Sequence[Hashable]) -> list[int]:
    """The numbers of people who were fitted and are not alone in their image."""
    sound = [i for i, result in enumerate(results) if int(result.status) != FitStatus.FAILED]
    count = Counter(images[i] for i in sound)
    crowd = [i for i in sound if count[images[i]] > 1]
    first = {images[i]: results[i].camera.K for i in reversed(crowd)}
    if not all(torch.equal(results[i].camera.K, first[images[i]]) for i in crowd):
        raise ValueError(
            "people cannot be fitted together: those of one image have different cameras"
        )
    return crowd


def _casts(
    results: Sequence[FitResult],
    numbers: Sequence[int],
    bodies: Sequence[BodyModel],
    config: FitConfig,
) -> list[BodyCast]:
    """Everybody by body, in an order that does not depend on that of the people."""
    by_body = defaultdict(list)
    for number in numbers:
        by_body[_identity(results[number].provenance)].append(number)
    known = {_identity(body): body for body in bodies}
    if missing := by_body.keys() - known.keys():
        raise ValueError(
            f"people cannot be fitted together without the bodies they were fitted with: {missing}"
        )
    return [
        _cast(results, own, known[identity], config) for identity, own in sorted(by_body.items())
    ]


def _identity(made_with: BodyModel | Provenance) -> tuple[str, str, str]:
    if isinstance(made_with, BodyModel):
        return made_with.sha256, made_with.kid_sha256, made_with.gender.value
    return made_with.model_sha256, made_with.kid_sha256, made_with.gender


def _cast(
    results: Sequence[FitResult], numbers: Sequence[int], body: BodyModel, config: FitConfig
) -> BodyCast:
    stacked = FitResult.stack([results[number] for number in numbers]).to(
        device=body.v_template.device
    )
    people = prepare(stacked.keypoints, stacked.camera, body, config, stacked.shape.known_height)
    state = people.decoder.state(stacked.params, stacked.latent)
    return BodyCast(tuple(numbers), stacked, people, state)


def _stages(config: FitConfig) -> list[tuple[StageConfig, float]]:
    """The last stage as each round has it, and the softness of the rows between people."""
    last = config.stages[-1]
    free = tuple(block for block in (Block.GLOBAL_ORIENT, Block.TRANSL) if block not in last.free)
    return [
        (last.model_copy(update={"free": only or (*free, *last.free)}), softness)
        for only, softness in ROUNDS
    ]


def _problem(cast: BodyCast, stage: StageConfig, extra_terms: tuple[WeightedTerm, ...]) -> Problem:
    """The stage's problem of each person alone, with spheres even where these may pass through
    themselves.
    """
    problem = StageProblems(cast.people, extra_terms).of(stage, cast.state, 1)
    if problem.spheres is not None:
        return problem
    points = stage_points(stage, cast.people.body.points.known)
    return dataclasses.replace(problem, spheres=sphere_model(cast.people.body, tuple(points)))


def _depths(
    casts: Sequence[BodyCast], problems: Sequence[Problem], apart: Sequence[Pair]
) -> dict[Pair, float]:
    """How deep each two people who are held apart lie in each other."""
    spheres, place = {}, {}
    for cast, problem in zip(casts, problems, strict=True):
        placed = problem.view(problem.pack(cast.state)).scene["spheres"]
        spheres |= dict(zip(cast.numbers, placed, strict=True))
        place |= dict(zip(cast.numbers, cast.state.transl, strict=True))

    def seen_from(a: int, b: int) -> Tensor:
        return spheres[b] + torch.nn.functional.pad(place[b] - place[a], (0, 1))

    return {(a, b): overlap(spheres[a], seen_from(a, b)) for a, b in apart}


def _solved(
    casts: Sequence[BodyCast],
    problems: Sequence[Problem],
    together: Sequence[Sequence[int]],
    softness: float,
) -> tuple[list[BodyCast], dict[int, int]]:
    """The casts after every group has been fitted, and the steps that it took each person."""
    jobs = _jobs(casts, together)
    term = WeightedTerm("between", 1.0, Collision(softness * COLLISION_SPREAD, CLEAR))

    def solve(piece: slice) -> list[tuple[SharedProblem, Solution]]:
        return [_solve(problems, job, term) for job in jobs[piece]]

    device = casts[0].state.transl.device if casts else torch.device("cpu")
    with one_thread_per_operation(device) as threads:
        found = side_by_side(
            torch.no_grad()(solve), [slice(i, i + 1) for i in range(len(jobs))], threads
        )
    states, steps = [cast.state for cast in casts], {}
    for job, ((shared, solution),) in zip(jobs, found, strict=True):
        for member, x, kind, rows in zip(
            shared.members, shared.split(solution.x), job.kinds, job.rows.T, strict=True
        ):
            moved = member.unpack(x).rebased()
            states[kind] = states[kind].put(rows, moved)
            steps |= zip(
                (casts[kind].numbers[row] for row in rows.tolist()),
                solution.steps.tolist(),
                strict=True,
            )
    return [
        dataclasses.replace(cast, state=state) for cast, state in zip(casts, states, strict=True)
    ], steps


@dataclass(frozen=True, eq=False)
class Job:
    """Groups with the same bodies, solved side by side: the cast of each member, and their rows
    there [groups, k].
    """

    kinds: tuple[int, ...]
    rows: Tensor


def _jobs(casts: Sequence[BodyCast], together: Sequence[Sequence[int]]) -> list[Job]:
    """Members stand in an order of their own, the nearest to the camera first of each body."""
    place = {
        number: (kind, row)
        for kind, cast in enumerate(casts)
        for row, number in enumerate(cast.numbers)
    }
    where = {
        number: casts[kind].state.transl[row].flip(0).tolist()
        for number, (kind, row) in place.items()
    }
    by_kinds = defaultdict(list)
    for group in together:
        members = [
            place[number]
            for number in sorted(group, key=lambda number: (place[number][0], where[number]))
        ]
        by_kinds[tuple(kind for kind, _ in members)].append([row for _, row in members])
    jobs = []
    for kinds, rows in by_kinds.items():
        some = torch.tensor(rows, device=casts[0].state.transl.device).split(
            SIDE_BY_SIDE // len(kinds)
        )
        jobs += [Job(kinds, piece) for piece in some]
    return jobs


def _solve(
    problems: Sequence[Problem], job: Job, term: WeightedTerm
) -> tuple[SharedProblem, Solution]:
    members = (problems[kind].rows(rows) for kind, rows in zip(job.kinds, job.rows.T, strict=True))
    most = dataclasses.replace(term.term, most=ROWS_EACH * len(job.kinds))
    shared = SharedProblem.of(tuple(members), dataclasses.replace(term, term=most))
    return shared, SOLVER.minimise(shared, shared.pack())


def _replace(
    found: list[FitResult],
    cast: BodyCast,
    moved: set[int],
    steps: Counter[int],
    stage: StageConfig,
    extra_terms: tuple[WeightedTerm, ...],
) -> None:
    """Puts in the new results of those who were fitted together."""
    rows = [row for row, number in enumerate(cast.numbers) if number in moved]
    if not rows:
        return
    some = dataclasses.replace(
        cast,
        numbers=tuple(cast.numbers[row] for row in rows),
        results=cast.results[rows],
        people=cast.people[torch.tensor(rows)],
        state=cast.state[rows],
    )
    problem = _problem(some, stage, extra_terms)
    energies = problem.energies(problem.pack(some.state))
    old, chosen = some.results, some.results.chosen[:, None]
    total = torch.stack([*energies.values()]).sum(0)
    taken = old.steps + torch.tensor(
        [steps[number] for number in some.numbers], device=old.steps.device
    )
    outcome = Outcome(
        some.state,
        energies,
        old.hypothesis_energies.scatter(1, chosen, total[:, None]),
        old.chosen,
        old.gap,
        taken,
    )
    fresh = result_of(some.people, outcome, extra_terms)
    for row, number in enumerate(some.numbers):
        one = fresh[row].to(device=found[number].energy.device)
        found[number] = one.replace(origin=found[number].origin)
