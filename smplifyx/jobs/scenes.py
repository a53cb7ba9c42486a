"""The people of each image of a batch fitted together, after everybody was fitted alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from ..body.model import BodyModel
from ..config import FitConfig
from ..core.choices import body_age
from ..fitting.result import FitResult
from ..fitting.scene_fit import fit_together
from .batches import Bodies, Failure, FitTask
from .fit_and_check import with_penetration

LOG = logging.getLogger(__name__)


def fit_scenes(
    people: Sequence[FitTask],
    answers: Sequence[FitResult | Failure],
    bodies: Bodies,
    config: FitConfig,
) -> list[FitResult | Failure]:
    """The answers of `fit_people` for whole images, those who touch others fitted together; in the
    same order.

    An error costs its image that alone: its people keep the answers that they have.
    """
    fitted = {i: answer for i, answer in enumerate(answers) if isinstance(answer, FitResult)}
    images: dict[str, list[int]] = {}
    for i in fitted:
        images.setdefault(people[i].stem, []).append(i)
    models = {
        i: bodies.of(people[i].gender, body_age(answer.provenance.age))
        for i, answer in fitted.items()
    }
    start, found = time.perf_counter(), list(answers)
    shared = _together_or_split(
        [those for those in images.values() if len(those) > 1], people, fitted, models, config
    )
    moved = {i: answer for i, answer in shared.items() if answer is not fitted[i]}
    for i, answer in _checked(moved, fitted, models).items():
        seconds = fitted[i].origin.seconds + (time.perf_counter() - start) / len(moved)
        found[i] = answer.replace(origin=replace(answer.origin, seconds=seconds))
    LOG.info("%d of %d people fitted together with others of their image", len(moved), len(fitted))
    return found


def _together_or_split(
    images: Sequence[Sequence[int]],
    people: Sequence[FitTask],
    fitted: dict[int, FitResult],
    models: dict[int, BodyModel],
    config: FitConfig,
) -> dict[int, FitResult]:
    """An error in many images is halved down to the image that causes it."""
    numbers = [i for those in images for i in those]
    if not numbers:
        return {}
    try:
        different = list({id(models[i]): models[i] for i in numbers}.values())
        stems = [people[i].stem for i in numbers]
        return dict(
            zip(
                numbers,
                fit_together([fitted[i] for i in numbers], stems, different, config),
                strict=True,
            )
        )
    except Exception as error:  # whatever it is, everybody has been fitted already
        if len(images) == 1:
            LOG.exception("%s: its people stay as fitted alone: %s", people[numbers[0]].stem, error)
            return {}
    half = len(images) // 2
    return {
        i: answer
        for part in (images[:half], images[half:])
        for i, answer in _together_or_split(part, people, fitted, models, config).items()
    }


def _checked(
    moved: dict[int, FitResult], before: dict[int, FitResult], models: dict[int, BodyModel]
) -> dict[int, FitResult]:
    """The same with their penetration measured anew where it had been."""
    found = dict(moved)
    for body in {id(models[i]): models[i] for i in moved}.values():
        own = [i for i in moved if models[i] is body and before[i].penetration is not None]
        found |= zip(own, with_penetration([moved[i] for i in own], [body]), strict=True)
    return found
