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
from ..core.threads import pieces, side_by_side
from ..fitting.age_choice import fit_best_age
from ..fitting.penetration import penetration_of
from ..fitting.result import FitResult, FitStatus, Penetration
from ..keypoints import Keypoints

LOG = logging.getLogger(__name__)


def fit_and_check(
    keypoints: Keypoints,
    camera: Camera,
    bodies: tuple[BodyModel, ...],
    config: FitConfig,
    evidence: Sequence[Bundle] = (),
) -> list[FitResult]:
    """What `ages.fit_best_age` finds of everybody, with how far each body passes through itself."""
    return with_penetration(fit_best_age(keypoints, camera, bodies, config, evidence), bodies)


def with_penetration(people: Sequence[FitResult], bodies: Sequence[BodyModel]) -> list[FitResult]:
    """People fitted with one of these bodies, of one age each; without penetration where it cannot
    be told.
    """
    start, answers = time.perf_counter(), list(people)
    for body in bodies:
        rows = [row for row, person in enumerate(people) if _fitted_with(person, body)]
        for row, penetration in zip(
            rows, _side_by_side([people[row] for row in rows], body), strict=True
        ):
            answers[row] = people[row].replace(penetration=penetration)
    seconds = (time.perf_counter() - start) / max(len(people), 1)
    LOG.info("penetration of %d people measured in %.1f ms each", len(people), 1000 * seconds)
    return answers


def _fitted_with(person: FitResult, body: BodyModel) -> bool:
    """Whether it is a finite body of that age."""
    return (
        person.provenance.age == body.age.value
        and FitStatus(int(person.status)) is not FitStatus.FAILED
    )


def _side_by_side(people: list[FitResult], body: BodyModel) -> list[Penetration | None]:
    if not people:
        return []
    try:
        solid_of(body)  # here: once, and not once in each thread
    except Exception as error:  # whatever is odd about a user's body, people can be fitted with it
        LOG.warning(
            "no penetration is measured with %s: %s: %s", body.name, type(error).__name__, error
        )
        return [None] * len(people)
    device = body.v_template.device
    parts = side_by_side(
        lambda some: _measured(people[some], body), pieces(len(people), device), device
    )
    return [penetration for part in parts for penetration in part]


def _measured(people: list[FitResult], body: BodyModel) -> list[Penetration | None]:
    """An error is halved down to the person who causes it, and costs that person no more than these
    numbers.
    """
    try:
        together = penetration_of(FitResult.stack(people), body)
        return [together[row] for row in range(len(people))]
    except Exception:
        if len(people) == 1:
            LOG.exception("the penetration of a person could not be measured")
            return [None]
    half = len(people) // 2
    return _measured(people[:half], body) + _measured(people[half:], body)
