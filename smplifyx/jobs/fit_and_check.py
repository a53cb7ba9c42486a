"""What a job does with a batch of people: fits them, and checks the bodies for collisions with
themselves.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from ..body.model import BodyModel
from ..camera import Camera
from ..collision.mesh.solid import solid_of
from ..config import FitConfig
from ..core.bundle import Bundle
from ..core.threads import one_thread_per_operation, pieces, side_by_side
from ..fitting.age_choice import fit_best_age
from ..fitting.penetration import penetration_of
from ..fitting.result import FitResult, FitStatus, Penetration
from ..keypoints import Keypoints
from ..parallel.halving import halved

LOG = logging.getLogger(__name__)


def fit_and_check(
    keypoints: Keypoints,
    camera: Camera,
    bodies: tuple[BodyModel, ...],
    config: FitConfig,
    evidence: Sequence[Bundle] = (),
) -> list[FitResult]:
    """What `fit_best_age` finds of everybody, with how far each body passes through itself."""
    return with_penetration(fit_best_age(keypoints, camera, bodies, config, evidence), bodies)


def with_penetration(people: Sequence[FitResult], bodies: Sequence[BodyModel]) -> list[FitResult]:
    """The same people, in order, each with its penetration measured.

    people: fitted with one of these bodies, of one age each. A person keeps none where it cannot be
    told: a fit that failed, a body whose mesh is no closed surface, an error.
    """
    start = time.perf_counter()
    answers = list(people)
    for body in bodies:
        own = [i for i, person in enumerate(people) if _fitted_with(person, body)]
        measured = _penetrations([people[i] for i in own], body)
        for i, penetration in zip(own, measured, strict=True):
            answers[i] = people[i].replace(penetration=penetration)
    seconds = (time.perf_counter() - start) / max(len(people), 1)
    LOG.info("penetration of %d people measured in %.1f ms each", len(people), 1000 * seconds)
    return answers


def _fitted_with(person: FitResult, body: BodyModel) -> bool:
    """Whether it is a finite body of that age."""
    same_age = person.provenance.age == body.age.value
    return same_age and FitStatus(int(person.status)) is not FitStatus.FAILED


def _penetrations(people: list[FitResult], body: BodyModel) -> list[Penetration | None]:
    """Of each person, on all threads."""
    if not people:
        return []
    try:
        solid_of(body)  # here: once, and not once in each thread
    except Exception as error:  # whatever is odd about a user's body, people can be fitted with it
        LOG.warning(
            "no penetration is measured with %s: %s: %s", body.name, type(error).__name__, error
        )
        return [None] * len(people)

    def measured(some: slice) -> list[Penetration | None]:
        return _measured(people[some], body)

    device = body.v_template.device
    with one_thread_per_operation(device) as threads:
        parts = side_by_side(measured, pieces(len(people), device, threads), threads)
    return [penetration for part in parts for penetration in part]


def _measured(people: Sequence[FitResult], body: BodyModel) -> list[Penetration | None]:
    """Of each person; an error costs one person these numbers and no more."""

    def work(some: Sequence[FitResult]) -> Sequence[Penetration | None]:
        together = penetration_of(FitResult.stack(some), body)
        return [together[i] for i in range(len(some))]

    def give_up(person: FitResult, error: Exception) -> None:
        LOG.exception("the penetration of a person could not be measured")

    return halved(people, work, give_up)
