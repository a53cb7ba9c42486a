"""Converts people to another body model, as a stream that can go on after a kill."""

from __future__ import annotations

import contextlib
import csv
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..body.loading.files import BodyFileError, find_body
from ..body.model import BodyModel
from ..conversion.cache import correspondence_of
from ..conversion.converter import Converter, of_mesh
from ..conversion.correspondence import load_correspondence
from ..conversion.mesh_fit import PRESET, convert_config
from ..conversion.points_fit import fit_points, point_errors
from ..core.choices import BODY_GENDERS, Age, BodyAge, BodyGender, Detector, body_gender
from ..core.files import sha256_of
from ..core.messages import cell, one_line
from ..core.npz import replacing
from ..fitting.result import FitResult, Origin, program_versions
from ..parallel.halving import halved
from .batches import Bodies, Failure, FitAnswer
from .convert_input import (
    ConvertInput,
    PersonOfFit,
    PersonOfMesh,
    PersonOfPoints,
    PersonToConvert,
    failed,
    open_input,
)
from .convert_options import ConvertOptions
from .job_log import logging_to
from .output import telling_how_to_go_on
from .progress import NO_PROGRESS, JobProgress
from .store import MADE_BY, Store, StoreError, is_of_the_disk, open_store
from .summary import FITTED, Row, RowStatus, row_of, writing_summary

LOG = logging.getLogger(__name__)
CHUNK = 128  # people who are converted before the first of them is written
TABLE = "conversion.csv"
COLUMNS = ("stem", "person", "status", "mean_mm", "max_mm", "hands_mm", "face_mm", "reason")
NOTHING_MM = (math.nan,) * 4


@dataclass(frozen=True)
class ConvertOutcome:
    """What a conversion came to.

    counts: of the lines of the summary. mean_mm: distances of the people's vertices from the
    surfaces that they came from, of all converted.
    """

    store: Store
    counts: Counter[RowStatus]
    mean_mm: tuple[float, ...]

    @property
    def converted(self) -> int:
        """People with a result, from this run or an earlier one."""
        return sum(self.counts[status] for status in FITTED)

    @property
    def table(self) -> Path:
        """Everybody's distances."""
        return self.store.inside(TABLE)


def convert_people(options: ConvertOptions, progress: JobProgress = NO_PROGRESS) -> ConvertOutcome:
    """Converts everybody that the options name and writes results/, summary.csv, conversion.csv,
    config.yaml and log.txt.

    Raises FieldError, BodyFileError, StoreError, PredictionError or FolderBusyError, one line
    each, before anybody is converted; afterwards an error costs no more than its person. OSError if
    the disk refuses: what is done is kept.
    """
    people = open_input(options)
    bridges = Bridges(options)
    record = _record(options, people, bridges)
    with (
        telling_how_to_go_on(),
        open_store(options.to, record, [options.people], options.overwrite) as store,
        logging_to(store.log),
    ):
        progress.begin(people.files)
        counts: Counter[RowStatus] = Counter()
        lines: list[tuple[object, ...]] = []
        means: list[float] = []
        frame = None
        LOG.info("conversion begins: %s -> %s", options.people, options.to)
        with writing_summary(store.summary) as summary:
            for items in _chunks(people.items()):
                before = [_before(store, item) for item in items]
                new = [
                    item
                    for item, done in zip(items, before, strict=True)
                    if done is None and not isinstance(item, Row)
                ]
                answers = iter(bridges.converted(new))
                for item, known in zip(items, before, strict=True):
                    row, origin = known or _saved(store, item, next(answers))
                    summary.write(row)
                    counts[row.status] += 1
                    distances = origin.conversion_mm or NOTHING_MM
                    lines.append((row.stem, row.person, row.status.value, *distances, row.reason))
                    is_converted = row.status in FITTED
                    means += [distances[0]] if is_converted else []
                    progress.advance(int(row.stem != frame), int(is_converted))
                    frame = row.stem
        _write_table(store, lines)
        LOG.info("conversion ends: %s", ", ".join(f"{n} {s.value}" for s, n in counts.items()))
    return ConvertOutcome(store, counts, tuple(means))


class Bridges:
    """From each body that people had to each that they get; made when the first one asks."""

    def __init__(self, options: ConvertOptions) -> None:
        """Raises BodyFileError where the new body of the gender asked for is missing."""
        self._options = options
        self._targets = Bodies(options.model, torch.device("cpu"), options.kid_template)
        self._made: dict[tuple[str, str, str, str], Converter] = {}
        asked = options.gender
        self._gender: BodyGender | None = None if asked is None else body_gender(asked)
        if self._gender is not None:
            self._targets.of(self._gender)

    def files(self) -> dict[str, Path]:
        """The files of the new bodies, by gender. Raises BodyFileError where there is none."""
        found: dict[str, Path] = {}
        genders = BODY_GENDERS if self._gender is None else (self._gender,)
        for gender in genders:
            with contextlib.suppress(BodyFileError):
                found[gender.value] = find_body(self._options.model, gender)
        if not found:
            find_body(self._options.model, genders[0])  # raises, and says what there is
        return found

    def body(self, wanted: tuple[BodyGender, BodyAge, Detector]) -> BodyModel:
        """The new body for such people. Raises BodyFileError where there is none."""
        gender, age, detector = wanted
        return self._targets.of(self._gender or gender, age, detector)

    def converted(self, people: Sequence[PersonToConvert]) -> list[FitAnswer]:
        """Everybody in order; those of the same two bodies are converted together."""
        groups: dict[tuple[object, ...], list[int]] = {}
        for place, person in enumerate(people):
            groups.setdefault((type(person), _topology(person), person.body), []).append(place)
        answers: dict[int, FitAnswer] = {}
        for places in groups.values():
            some = [people[place] for place in places]
            found = halved(some, self._together, _give_up)
            answers |= dict(zip(places, found, strict=True))
        return [answers[place] for place in range(len(people))]

    def _together(self, people: Sequence[PersonToConvert]) -> Sequence[FitResult]:
        first = people[0]
        if isinstance(first, PersonOfPoints):
            return self._of_points([one for one in people if isinstance(one, PersonOfPoints)])
        converter = self._converter(first)
        fitted = [person.result for person in people if isinstance(person, PersonOfFit)]
        if isinstance(first, PersonOfFit):
            return converter.people(fitted, first.source)
        meshes = [person for person in people if isinstance(person, PersonOfMesh)]
        found, errors = converter.meshes(torch.stack([person.vertices for person in meshes]))
        return [
            of_mesh(found[row], errors[row], person.origin) for row, person in enumerate(meshes)
        ]

    def _of_points(self, people: Sequence[PersonOfPoints]) -> Sequence[FitResult]:
        body = self.body(people[0].body)
        points = torch.stack([person.points for person in people])
        found = fit_points(body, points, body.kind.value)  # a preset for each kind of body
        errors = point_errors(found, points).tolist()
        return [
            found[row].replace(origin=replace(person.origin, conversion_mm=tuple(errors[row])))
            for row, person in enumerate(people)
        ]

    def _converter(self, person: PersonOfFit | PersonOfMesh) -> Converter:
        target = self.body(person.body)
        source = person.source
        key = (_topology(person), target.sha256, target.age.value, target.detector.value)
        if key not in self._made:
            file = self._options.correspondences
            if file is not None:
                faces = person.faces if isinstance(person, PersonOfMesh) else None
                faces = person.source.faces.numpy() if person.source else faces
                found = load_correspondence(file, len(target.v_template), faces)
            else:
                assert source is not None  # `MeshFolder` sees to it
                found = correspondence_of(source, target)
            has_face = source is None or source.expressiondirs.shape[-1] > 0
            self._made[key] = Converter.of(target, found, has_face)
        return self._made[key]


def _topology(person: PersonToConvert) -> str:
    """What people have in common whose vertices are the same points."""
    if person.source is not None:
        return person.source.sha256
    return f"{len(person.vertices)} vertices" if isinstance(person, PersonOfMesh) else "points"


def _give_up(person: PersonToConvert, error: Exception) -> Failure:
    LOG.exception("%s person %d: not converted", person.stem, person.person)
    return Failure(one_line(error, limit=300))


def _chunks(
    items: Iterable[PersonToConvert | Row],
) -> Iterator[list[PersonToConvert | Row]]:
    chunk: list[PersonToConvert | Row] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _before(store: Store, item: PersonToConvert | Row) -> tuple[Row, Origin] | None:
    """The line of who is done with already, and where the result came from; None: not yet."""
    if isinstance(item, Row):
        return item, Origin()
    there = store.existing(item.stem, item.person)
    return None if there is None else (row_of(item.stem, there), there.origin)


def _saved(store: Store, person: PersonToConvert | Row, answer: FitAnswer) -> tuple[Row, Origin]:
    """The line for a person, whose result is on the disk then, if there is one."""
    assert not isinstance(person, Row)
    if isinstance(answer, Failure):
        return failed(person.stem, person.person, answer.reason), Origin()
    try:
        answer.save(store.result(person.stem, person.person))
    except (OSError, StoreError) as error:
        if is_of_the_disk(error):
            raise
        reason = f"its result cannot be written: {one_line(error, limit=300)}"
        return failed(person.stem, person.person, reason), Origin()
    return row_of(person.stem, answer), answer.origin


def _write_table(store: Store, lines: Sequence[tuple[object, ...]]) -> None:
    """Everybody's distances, whole or not at all."""
    with (
        replacing(store.inside(TABLE)) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows([_cell(value) for value in line] for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.3f}"
    return "" if value is None else cell(str(value))


def _record(options: ConvertOptions, people: ConvertInput, bridges: Bridges) -> dict[str, object]:
    """All that decides the results. Raises as `Bridges.files`."""
    files = bridges.files()
    first = next(iter(files))
    example = bridges.body((body_gender(first), Age.ADULT, Detector.OPENPOSE))
    job = {
        "preset": PRESET,
        "model": str(options.model.resolve()),
        "kid_template": str(options.kid_template.resolve()) if options.kid_template else None,
        "gender": options.gender,
        "people": str(options.people.resolve()),
        "people_sha256": people.identity(),
        "correspondences_sha256": (
            sha256_of(options.correspondences) if options.correspondences else None
        ),
    }
    return {
        MADE_BY: {"versions": program_versions()},
        "job": job,
        "preset": convert_config(example).model_dump(mode="json"),
        "models": {gender: sha256_of(path) for gender, path in files.items()},
        "priors": {},
    }
