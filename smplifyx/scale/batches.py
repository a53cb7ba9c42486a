"""One batch of people: fitted together, and apart where together fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..body.files import load_body
from ..body.model import BodyModel, Gender
from ..camera import Camera
from ..config import FitConfig
from ..keypoints import Keypoints
from ..result import FitResult, Origin
from .summary import Row

Fitter = Callable[[Keypoints, Camera, BodyModel, FitConfig], FitResult]
LOG = logging.getLogger(__name__)
ITEMS_PER_PERSON = 16  # a chunk is cut after so many rows that need no fit, so that those do not pile up


@dataclass(frozen=True)
class Todo:
    """A person to fit; keypoints and camera without batch axes."""

    stem: str
    keypoints: Keypoints
    camera: Camera
    gender: Gender
    origin: Origin


@dataclass(frozen=True)
class Item:
    """One row of the input: a person to fit, or a row that is already known."""

    work: Todo | Row
    ends_frame: bool = False


@dataclass(frozen=True)
class Failure:
    """Why a person has no result."""

    reason: str


class Bodies:
    """The body models of a job (a file, a folder or None, the embedded), each loaded when it is first needed."""

    def __init__(self, model: Path | None, device: torch.device) -> None:
        self._model, self._device = model, device
        self._loaded: dict[Gender, BodyModel] = {}

    def of(self, gender: Gender) -> BodyModel:
        """The model of that gender. Raises BodyFileError where there is none."""
        if gender not in self._loaded:
            self._loaded[gender] = load_body(self._model, gender).to(self._device)
        return self._loaded[gender]


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cuts the stream so that each chunk has at most `size` people to fit; order is kept."""
    chunk: list[Item] = []
    people = 0
    for item in items:
        chunk.append(item)
        people += isinstance(item.work, Todo)
        if people == size or len(chunk) >= ITEMS_PER_PERSON * size:
            yield chunk
            chunk, people = [], 0
    if chunk:
        yield chunk


def fit_people(people: Sequence[Todo], bodies: Bodies, config: FitConfig, fit: Fitter) -> list[FitResult | Failure]:
    """Fits everyone, one batch per gender; the answers are in the order of `people`."""
    answers: dict[int, FitResult | Failure] = {}
    for gender in sorted({person.gender for person in people}, key=lambda g: g.value):
        index = [i for i, person in enumerate(people) if person.gender is gender]
        start = time.perf_counter()
        found = _fit_or_split([people[i] for i in index], bodies, config, fit)
        seconds = (time.perf_counter() - start) / len(index)
        answers |= {i: _with_origin(answer, people[i], seconds) for i, answer in zip(index, found, strict=True)}
    return [answers[i] for i in range(len(people))]


def _fit_or_split(people: Sequence[Todo], bodies: Bodies, config: FitConfig, fit: Fitter) -> list[FitResult | Failure]:
    """An error in a batch is halved down to the person who causes it: the others never pay for it."""
    try:
        body = bodies.of(people[0].gender)
        device = body.v_template.device
        keypoints = Keypoints.stack([person.keypoints for person in people]).to(device=device)
        camera = Camera.stack([person.camera for person in people]).to(device=device)
        result = fit(keypoints, camera, body, config).to(device="cpu")
        return [result[i] for i in range(len(people))]
    except Exception as error:  # whatever it is, it must cost no more than one person
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if len(people) == 1:
            LOG.exception("%s person %d: %s", people[0].stem, people[0].origin.person, reason)
            return [Failure(reason)]
        LOG.warning("a batch of %d failed (%s): trying its halves", len(people), reason)
    half = len(people) // 2
    return [answer for part in (people[:half], people[half:]) for answer in _fit_or_split(part, bodies, config, fit)]


def _with_origin(answer: FitResult | Failure, person: Todo, seconds: float) -> FitResult | Failure:
    if isinstance(answer, Failure):
        return answer
    return answer.replace(origin=replace(person.origin, seconds=seconds))
