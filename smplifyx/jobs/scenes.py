"""The people of each image of a batch fitted together, after everybody was fitted alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..body.model import BodyModel
from ..config import FitConfig
from ..core.choices import body_age
from ..fitting.result import FitResult
from ..fitting.scene_fit import fit_together
from ..parallel.halving import halved
from .batches import Bodies, FitAnswer, FitTask, fitted_gender
from .fit_and_check import with_penetration

LOG = logging.getLogger(__name__)


def fit_scenes(
    people: Sequence[FitTask], answers: Sequence[FitAnswer], bodies: Bodies, config: FitConfig
) -> list[FitAnswer]:
    """The answers of `fit_people` for whole images, those who touch others fitted together; in the
    same order.

    An error costs its image that alone: its people keep the answers that they have.
    """
    # Everywhere here a person is an index into `people`.
    fitted = {i: answer for i, answer in enumerate(answers) if isinstance(answer, FitResult)}
    models = {
        i: bodies.of(
            fitted_gender(people[i], answer), body_age(answer.provenance.age), people[i].detector
        )
        for i, answer in fitted.items()
    }
    images: dict[str, list[int]] = {}
    for i in fitted:
        images.setdefault(people[i].stem, []).append(i)
    shared = [image for image in images.values() if len(image) > 1]

    start = time.perf_counter()
    together: dict[int, FitResult] = {}
    for alike in _of_one_form(shared, fitted):
        together |= _fit_images(alike, people, fitted, models, config)
    moved = {i: answer for i, answer in together.items() if answer is not fitted[i]}
    checked = _checked(moved, fitted, models)

    found = list(answers)
    for i, answer in checked.items():
        seconds = fitted[i].origin.seconds + (time.perf_counter() - start) / len(moved)
        found[i] = answer.replace(origin=replace(answer.origin, seconds=seconds))
    LOG.info("%d of %d people fitted together with others of their image", len(moved), len(fitted))
    return found


def _of_one_form(
    images: Sequence[list[int]], fitted: Mapping[int, FitResult]
) -> list[list[list[int]]]:
    """The images by what is known of their people, all of whom know the same kinds of things."""
    alike: dict[frozenset[type], list[list[int]]] = {}
    for image in images:
        alike.setdefault(frozenset(fitted[image[0]].evidence), []).append(image)
    return list(alike.values())


def _fit_images(
    images: Sequence[list[int]],
    people: Sequence[FitTask],
    fitted: Mapping[int, FitResult],
    models: Mapping[int, BodyModel],
    config: FitConfig,
) -> dict[int, FitResult]:
    """What is found of everybody in these images; in one that raises an error, what they had."""
    if not images:
        return {}

    def work(some: Sequence[list[int]]) -> Sequence[list[FitResult]]:
        indices = [i for image in some for i in image]
        stems = [people[i].stem for i in indices]
        results = fit_together(
            [fitted[i] for i in indices], stems, _different(models, indices), config
        )
        by_index = dict(zip(indices, results, strict=True))
        return [[by_index[i] for i in image] for image in some]

    def give_up(image: list[int], error: Exception) -> list[FitResult]:
        stem = people[image[0]].stem
        LOG.exception("%s: its people stay as fitted alone: %s", stem, error)
        return [fitted[i] for i in image]

    found: dict[int, FitResult] = {}
    for image, results in zip(images, halved(images, work, give_up), strict=True):
        found |= zip(image, results, strict=True)
    return found


def _different(models: Mapping[int, BodyModel], indices: Sequence[int]) -> list[BodyModel]:
    """The bodies of these people, each once: `Bodies` gives the same object for the same body."""
    by_identity = {id(models[i]): models[i] for i in indices}
    return list(by_identity.values())


def _checked(
    moved: Mapping[int, FitResult],
    before: Mapping[int, FitResult],
    models: Mapping[int, BodyModel],
) -> dict[int, FitResult]:
    """The same with their penetration measured anew where it had been."""
    found = dict(moved)
    for body in _different(models, list(moved)):
        own = [i for i in moved if models[i] is body and before[i].penetration is not None]
        measured = with_penetration([moved[i] for i in own], [body])
        found |= zip(own, measured, strict=True)
    return found
