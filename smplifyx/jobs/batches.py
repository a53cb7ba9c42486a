"""One batch of people: fitted together, and apart where together fails."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..body.loading.files import BodyFileError, load_body
from ..body.model import BodyModel
from ..camera import Camera
from ..config import FitConfig
from ..core.bundle import Bundle
from ..core.choices import Age, BodyAge, BodyGender
from ..evidence.height import KnownHeight
from ..fitting.result import FitResult, Origin
from ..keypoints import Keypoints
from .summary import Row

# (keypoints, cameras, one body or an adult's and a child's, preset, further evidence) to one result
# per person
Fitter = Callable[
    [Keypoints, Camera, tuple[BodyModel, ...], FitConfig, Sequence[Bundle]],
    Sequence[FitResult],
]
LOG = logging.getLogger(__name__)
# a chunk is cut after so many rows that need no fit, so that those do not pile up
ITEMS_PER_PERSON = 16


@dataclass(frozen=True)
class FitTask:
    """A person to fit; keypoints and camera without batch axes."""

    stem: str
    keypoints: Keypoints
    camera: Camera
    gender: BodyGender
    origin: Origin
    age: Age = Age.ADULT
    height: float = math.nan  # metres; NaN: not known


@dataclass(frozen=True)
class Item:
    """One row of the input: a person to fit, or a row that is already known."""

    work: FitTask | Row
    ends_frame: bool = False


@dataclass(frozen=True)
class Failure:
    """Why a person has no result."""

    reason: str


class Bodies:
    """The body models of a job (a file, a folder or None, the embedded), each loaded when it is
    first needed.

    kid_template: of children, None: the one beside the model.
    """

    def __init__(
        self, model: Path | None, device: torch.device, kid_template: Path | None = None
    ) -> None:
        self._model, self._device, self._kid_template = model, device, kid_template
        self._loaded: dict[tuple[BodyGender, BodyAge], BodyModel] = {}
        self._childless: set[BodyGender] = set()

    def of(self, gender: BodyGender, age: BodyAge = Age.ADULT) -> BodyModel:
        """The model of that gender and age. Raises BodyFileError where there is none."""
        if (gender, age) not in self._loaded:
            body = load_body(self._model, gender, age=age, kid_template=self._kid_template)
            self._loaded[gender, age] = body.to(self._device)
        return self._loaded[gender, age]

    def choice(self, gender: BodyGender, age: Age) -> tuple[BodyModel, ...]:
        """The bodies to try; for AUTO the adult's and the child's, the adult's alone where there is
        no kid template.

        Raises BodyFileError where there is none.
        """
        if age is not Age.AUTO:
            return (self.of(gender, age),)
        adult = self.of(gender)
        if gender not in self._childless:
            try:
                return adult, self.of(gender, Age.CHILD)
            except BodyFileError as error:
                if self._kid_template is not None:
                    raise
                LOG.info("children are fitted as adults: %s", error)
                self._childless.add(gender)
        return (adult,)


def chunks(items: Iterable[Item], size: int, whole_frames: bool = False) -> Iterator[list[Item]]:
    """Cuts the stream so that each chunk has at most `size` people to fit; order is kept.

    whole_frames: cuts only between frames, so that a chunk may have more.
    """
    chunk: list[Item] = []
    people = 0
    for item in items:
        chunk.append(item)
        people += isinstance(item.work, FitTask)
        full = people >= size or len(chunk) >= ITEMS_PER_PERSON * size
        if full and (item.ends_frame or not whole_frames):
            yield chunk
            chunk, people = [], 0
    if chunk:
        yield chunk


def fit_people(
    people: Sequence[FitTask], bodies: Bodies, config: FitConfig, fit: Fitter
) -> list[FitResult | Failure]:
    """Fits everyone, one batch per gender and age; the answers are in the order of `people`."""
    answers: dict[int, FitResult | Failure] = {}
    for kind in sorted({_kind(person) for person in people}):
        index = [i for i, person in enumerate(people) if _kind(person) == kind]
        start = time.perf_counter()
        found = _fit_or_split([people[i] for i in index], bodies, config, fit)
        seconds = (time.perf_counter() - start) / len(index)
        answers |= {
            i: _with_origin(answer, people[i], seconds)
            for i, answer in zip(index, found, strict=True)
        }
    return [answers[i] for i in range(len(people))]


def _kind(person: FitTask) -> tuple[str, str]:
    return person.gender.value, person.age.value


def _fit_or_split(
    people: Sequence[FitTask], bodies: Bodies, config: FitConfig, fit: Fitter
) -> list[FitResult | Failure]:
    """An error in a batch is halved down to the person who causes it: the others never pay for it."""
    try:
        tried = bodies.choice(people[0].gender, people[0].age)
        device = tried[0].v_template.device
        keypoints = Keypoints.stack([person.keypoints for person in people]).to(device=device)
        camera = Camera.stack([person.camera for person in people]).to(device=device)
        evidence = (KnownHeight(torch.tensor([person.height for person in people], device=device)),)
        return [
            result.to(device="cpu") for result in fit(keypoints, camera, tried, config, evidence)
        ]
    except Exception as error:  # whatever it is, it must cost no more than one person
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if len(people) == 1:
            LOG.exception("%s person %d: %s", people[0].stem, people[0].origin.person, reason)
            return [Failure(reason)]
        LOG.warning("a batch of %d failed (%s): trying its halves", len(people), reason)
    half = len(people) // 2
    return [
        answer
        for part in (people[:half], people[half:])
        for answer in _fit_or_split(part, bodies, config, fit)
    ]


def _with_origin(
    answer: FitResult | Failure, person: FitTask, seconds: float
) -> FitResult | Failure:
    if isinstance(answer, Failure):
        return answer
    return answer.replace(origin=replace(person.origin, seconds=seconds))
