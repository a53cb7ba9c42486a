"""One batch of people: fitted together, and apart where together fails."""

from __future__ import annotations

import logging
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
from ..core.choices import Age, BodyAge, BodyGender, Detector, Gender, body_gender
from ..core.messages import one_line
from ..fitting.gender_choice import (
    UNDECIDED,
    GenderDecision,
    decide,
    load_gender_calibration,
)
from ..fitting.gender_evidence import gender_evidence
from ..fitting.result import FitResult, FitStatus, Origin
from ..keypoints import Keypoints
from ..parallel.halving import halved
from ..parallel.resources import how_many_fit
from .summary import Row

# (keypoints, cameras, one body or an adult's and a child's, preset, further evidence) to one result
# per person
BatchFit = Callable[
    [Keypoints, Camera, tuple[BodyModel, ...], FitConfig, Sequence[Bundle]], Sequence[FitResult]
]
LOG = logging.getLogger(__name__)
# a chunk is cut after so many rows that need no fit, so that those do not pile up
ITEMS_PER_PERSON = 16
# measured: 1.2 MB (default preset, float32); the 2019 preset and big models need more
BYTES_PER_PERSON = 4 * 2**20
# people; a CPU gains nothing from more, and a killed run loses no more than this
LARGEST_BATCH = {"cpu": 256, "cuda": 4096}


@dataclass(frozen=True)
class FitTask:
    """A person to fit; keypoints, camera and evidence without batch axes.

    evidence: what else is known, handed on unopened.
    weighed: the gender is neutral only until the person's proportions say otherwise.
    """

    stem: str  # of the frame, as it names the results
    keypoints: Keypoints
    camera: Camera
    gender: BodyGender
    origin: Origin
    age: Age = Age.ADULT
    detector: Detector = Detector.OPENPOSE
    evidence: tuple[Bundle, ...] = ()
    weighed: bool = False


@dataclass(frozen=True)
class Item:
    """One entry of the input: a person to fit, or a line of the summary that is already known.

    frame: the frame's name as the input has it.
    """

    work: FitTask | Row
    ends_frame: bool = False
    frame: str = ""


@dataclass(frozen=True)
class Failure:
    """Why a person has no result."""

    reason: str


FitAnswer = FitResult | Failure


class Bodies:
    """The body models of a job, each loaded when it is first needed, and kept.

    model: a file, a folder, or None, the embedded one. kid_template: of children; None: the one in
    the folder of the model.
    """

    def __init__(
        self, model: Path | None, device: torch.device, kid_template: Path | None = None
    ) -> None:
        self._model = model
        self._device = device
        self._kid_template = kid_template
        self._loaded: dict[tuple[BodyGender, BodyAge, Detector], BodyModel] = {}
        self._childless: set[BodyGender] = set()  # for which there is no kid template

    def of(
        self,
        gender: BodyGender,
        age: BodyAge = Age.ADULT,
        detector: Detector = Detector.OPENPOSE,
    ) -> BodyModel:
        """The model of that gender and age, with a detector's points. Raises BodyFileError where
        there is none.
        """
        asked = (gender, age, detector)
        if asked not in self._loaded:
            body = load_body(
                self._model, gender, age=age, kid_template=self._kid_template, detector=detector
            )
            self._loaded[asked] = body.to(self._device)
        return self._loaded[asked]

    def choice(
        self, gender: BodyGender, age: Age, detector: Detector = Detector.OPENPOSE
    ) -> tuple[BodyModel, ...]:
        """The bodies to try; for AUTO the adult's and the child's, the adult's alone where there is
        no kid template.

        Raises BodyFileError where there is none.
        """
        if age is not Age.AUTO:
            return (self.of(gender, age, detector),)
        adult = self.of(gender, Age.ADULT, detector)
        if gender in self._childless:
            return (adult,)
        try:
            return adult, self.of(gender, Age.CHILD, detector)
        except BodyFileError as error:
            if self._kid_template is not None:  # the user named one: it must be good
                raise
            LOG.info("children are fitted as adults: %s", error)
            self._childless.add(gender)
            return (adult,)


def auto_batch_size(device: torch.device) -> int:
    """People per batch that fit in half of the device's free memory: 1 to 256 on a CPU, to 4096 on
    a GPU.
    """
    largest = LARGEST_BATCH.get(device.type, LARGEST_BATCH["cpu"])
    return max(1, min(how_many_fit(device, BYTES_PER_PERSON), largest))


def chunks(items: Iterable[Item], size: int, whole_frames: bool = False) -> Iterator[list[Item]]:
    """Cuts the stream so that each chunk has at most `size` people to fit; order is kept.

    whole_frames: cuts only between frames, so that a chunk may have more. Where the stream ends
    with an error, what came before is the last chunk, and the error follows.
    """
    chunk: list[Item] = []
    people = 0
    try:
        for item in items:
            chunk.append(item)
            if isinstance(item.work, FitTask):
                people += 1
            full = people >= size or len(chunk) >= ITEMS_PER_PERSON * size
            if full and (item.ends_frame or not whole_frames):
                yield chunk
                chunk = []
                people = 0
    except Exception:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def fit_people(
    people: Sequence[FitTask], bodies: Bodies, config: FitConfig, fit: BatchFit
) -> list[FitAnswer]:
    """Fits everyone, one batch per gender, age, detector and kinds of evidence; those whose gender
    is weighed with the neutral body, and again where their proportions say whose they have.

    The answers are in the order of `people`.
    """
    by_kind: dict[tuple[object, ...], list[int]] = {}
    for i, person in enumerate(people):
        known = sorted(type(one).__name__ for one in person.evidence)
        whose = (person.gender.value, person.age.value, person.detector.value)
        kind = (*whose, person.weighed, *known)
        by_kind.setdefault(kind, []).append(i)

    answers: dict[int, FitAnswer] = {}
    for _, indices in sorted(by_kind.items()):
        start = time.perf_counter()
        some = [people[i] for i in indices]
        found = _fit_kind(some, bodies, config, fit)
        for i, person, answer in zip(indices, some, found, strict=True):
            if isinstance(answer, FitResult):
                answer = answer.replace(origin=person.origin)
            answers[i] = answer
        if some[0].weighed:
            weighed = [answers[i] for i in indices]
            answers |= zip(indices, _weighed(some, weighed, bodies, config, fit), strict=True)
        seconds = (time.perf_counter() - start) / len(indices)
        for i in indices:
            answer = answers[i]
            if isinstance(answer, FitResult):
                answers[i] = answer.replace(origin=replace(answer.origin, seconds=seconds))
    return [answers[i] for i in range(len(people))]


def _fit_kind(
    people: Sequence[FitTask], bodies: Bodies, config: FitConfig, fit: BatchFit
) -> list[FitAnswer]:
    """Fits people of one gender, age and detector; an error costs no more than one person."""

    def work(some: Sequence[FitTask]) -> Sequence[FitAnswer]:
        # Loaded in here: a body that is missing is an error of these people, too.
        tried = bodies.choice(some[0].gender, some[0].age, some[0].detector)
        keypoints, camera, evidence = stacked(some, tried[0].v_template.device)
        results = fit(keypoints, camera, tried, config, evidence)
        return [result.to(device="cpu") for result in results]

    def give_up(person: FitTask, error: Exception) -> FitAnswer:
        reason = _named(error)
        LOG.exception("%s person %d: %s", person.stem, person.origin.person, reason)
        return Failure(reason)

    def tell(count: int, error: Exception) -> None:
        LOG.warning("a batch of %d failed (%s): trying its halves", count, _named(error))

    return halved(people, work, give_up, on_retry=tell)


def fitted_gender(person: FitTask, answer: FitResult) -> BodyGender:
    """Whose body a person has: the one asked for, or the one that the evidence chose."""
    return body_gender(answer.provenance.gender) if person.weighed else person.gender


def _weighed(
    people: Sequence[FitTask],
    answers: Sequence[FitAnswer],
    bodies: Bodies,
    config: FitConfig,
    fit: BatchFit,
) -> list[FitAnswer]:
    """The answers, with what the evidence says of each person's gender; those of whom it decides
    fitted with that body.

    people: of one age and detector, fitted with the neutral body. An error costs a person no more
    than the decision.
    """
    # Everywhere here a person is an index into `people`.
    decisions = _decisions(people, answers, bodies)
    found = list(answers)
    for gender in (Gender.FEMALE, Gender.MALE):
        decided = [i for i, decision in decisions.items() if decision.gender is gender]
        some = [replace(people[i], gender=gender) for i in decided]
        again = _fit_kind(some, bodies, config, fit) if some else []
        for i, answer in zip(decided, again, strict=True):
            if isinstance(answer, FitResult) and int(answer.status) != FitStatus.FAILED:
                found[i] = answer
    for i, decision in decisions.items():
        answer = found[i]
        assert isinstance(answer, FitResult), "only these are decided about"
        origin = replace(
            people[i].origin,
            gender_log_odds=decision.log_odds,
            gender_probability=decision.probability,
        )
        found[i] = answer.replace(origin=origin)
    return found


def _decisions(
    people: Sequence[FitTask], answers: Sequence[FitAnswer], bodies: Bodies
) -> dict[int, GenderDecision]:
    """About the adults that were fitted well, by their index; neutral where nothing can be told."""
    # points that are few, missed or misread tell no proportions
    adults = {
        i: answer
        for i, answer in enumerate(answers)
        if isinstance(answer, FitResult)
        and int(answer.status) == FitStatus.OK
        and not people[i].origin.doubt
        and answer.provenance.age == Age.ADULT.value
    }

    def work(some: Sequence[int]) -> Sequence[GenderDecision]:
        detector = people[some[0]].detector
        female = bodies.of(Gender.FEMALE, detector=detector)
        male = bodies.of(Gender.MALE, detector=detector)
        card = load_gender_calibration()
        if not card.is_of(female, male):  # odds are known of no other bodies
            return [UNDECIDED] * len(some)
        device = female.v_template.device
        fits = FitResult.stack([adults[i] for i in some]).to(device=device)
        known = stacked([people[i] for i in some], device)[2]
        log_odds = card.log_odds(gender_evidence(fits, female, male, known))
        return [decide([odds], card) for odds in log_odds.tolist()]

    def give_up(i: int, error: Exception) -> GenderDecision:
        person = people[i]
        reason = _named(error)
        LOG.warning("%s person %d stays neutral: %s", person.stem, person.origin.person, reason)
        return UNDECIDED

    if not adults:
        return {}
    return dict(zip(adults, halved(list(adults), work, give_up), strict=True))


def stacked(
    people: Sequence[FitTask], device: torch.device
) -> tuple[Keypoints, Camera, tuple[Bundle, ...]]:
    """Keypoints, cameras and further evidence of all people, one row each."""
    keypoints = Keypoints.stack([person.keypoints for person in people])
    camera = Camera.stack([person.camera for person in people])
    by_kind = zip(*(person.evidence for person in people), strict=True)
    evidence = tuple(type(rows[0]).stack(rows).to(device=device) for rows in by_kind)
    return keypoints.to(device=device), camera.to(device=device), evidence


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error, limit=300)}"
