"""Who is to be converted: people of an output folder or of one result file, meshes, or points."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from ..body.model import BodyModel
from ..config import FieldError
from ..conversion.meshes import MeshFileError, mesh_files, read_meshes
from ..core.choices import (
    Age,
    BodyAge,
    BodyGender,
    Detector,
    Gender,
    body_age,
    body_gender,
    by_word,
)
from ..core.files import sha256_of
from ..core.messages import one_line
from ..core.npz import ResultFileError
from ..fitting.result import FitResult, Origin
from ..predictions.table import read_predictions
from .batches import Bodies
from .convert_options import ConvertOptions
from .pictures.recorded_job import recorded_job
from .result_names import safe_stem
from .store import MADE_BY, Store, read_record
from .summary import FITTED, Row, RowStatus, read_summary

CPU = torch.device("cpu")
FEWEST_POINTS = 12
NO_CAMERA = "none"  # the K_source of people who were in no picture


@dataclass(frozen=True, eq=False)
class PersonOfFit:
    """A person of another fit, and the body that was fitted."""

    stem: str
    result: FitResult
    source: BodyModel

    @property
    def person(self) -> int:
        """The number in the frame."""
        return self.result.origin.person

    @property
    def body(self) -> tuple[BodyGender, BodyAge, Detector]:
        """What the new body should be like."""
        made = self.result.provenance
        detector = by_word("detector", made.detector, Detector)
        return body_gender(made.gender), body_age(made.age), detector


@dataclass(frozen=True, eq=False)
class PersonOfMesh:
    """A mesh, metres, camera's axes. faces: as its file tells; None: it does not."""

    stem: str
    person: int
    vertices: Float[Tensor, "v 3"]
    faces: Int[NDArray, "f 3"] | None
    source: BodyModel | None  # whose mesh it is; None: told by correspondences
    origin: Origin

    @property
    def body(self) -> tuple[BodyGender, BodyAge, Detector]:
        """What the new body should be like: nobody says."""
        return Gender.NEUTRAL, Age.ADULT, Detector.OPENPOSE


@dataclass(frozen=True, eq=False)
class PersonOfPoints:
    """Points in space that a network predicted, metres along a camera's axes; NaN: not told."""

    stem: str
    person: int
    points: Float[Tensor, "137 3"]
    origin: Origin
    source: None = None

    @property
    def body(self) -> tuple[BodyGender, BodyAge, Detector]:
        """What the new body should be like: its points where MHR's and annotators have them."""
        return Gender.NEUTRAL, Age.ADULT, Detector.HALPE


PersonToConvert = PersonOfFit | PersonOfMesh | PersonOfPoints


@runtime_checkable
class ConvertInput(Protocol):
    """People in the order in which they are written."""

    @property
    def files(self) -> int:
        """How many frames there are."""
        ...

    def identity(self) -> str:
        """Changes with what decides the people."""
        ...

    def items(self) -> Iterator[PersonToConvert | Row]:
        """Everybody, or the line of the summary for who cannot be converted."""
        ...


def open_input(options: ConvertOptions) -> ConvertInput:
    """What the options name. Raises FieldError or StoreError, one line each."""
    place = options.people
    if not place.exists():
        raise FieldError("people", f"{place}: there is no such file or folder")
    if place.is_dir() and Store(place).config.exists():
        return FitFolder(Store(place))
    if place.suffix.lower() == ".npz" and _is_result(place):
        return OneResult(place, options.source_model)
    if mesh_files(place):
        return MeshFolder(options)
    return PredictedPoints(place)


def _is_result(path: Path) -> bool:
    try:
        FitResult.load(path)
    except ResultFileError:
        return False
    return True


class FitFolder:
    """The output folder of a fit."""

    def __init__(self, store: Store) -> None:
        """Raises StoreError where it is none."""
        self._store = store
        job = recorded_job(store)
        self._bodies = Bodies(job.model, CPU, job.kid_template)

    @property
    def files(self) -> int:
        """Frames of its summary."""
        return len({row.stem for row in read_summary(self._store.summary)})

    def identity(self) -> str:
        """A hash of what decided its results."""
        record = read_record(self._store).model_dump(exclude={MADE_BY})
        return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()

    def items(self) -> Iterator[PersonToConvert | Row]:
        """As its summary lists them."""
        for row in read_summary(self._store.summary):
            if row.status not in FITTED or row.person is None:
                yield row
                continue
            try:
                result = FitResult.load(self._store.result(row.stem, row.person))
                yield PersonOfFit(row.stem, result, self._body_of(result))
            except ValueError as error:
                yield failed(row.stem, row.person, one_line(error, limit=300))

    def _body_of(self, result: FitResult) -> BodyModel:
        return _body_of(result, self._bodies)


class OneResult:
    """One result file."""

    def __init__(self, path: Path, model: Path | None) -> None:
        """model: of the body that was fitted; None: the embedded one."""
        self._path = path
        self._bodies = Bodies(model, CPU)

    files = 1

    def identity(self) -> str:
        """The hash of the file."""
        return sha256_of(self._path)

    def items(self) -> Iterator[PersonToConvert | Row]:
        """The one person, under the name of the frame's folder."""
        result = FitResult.load(self._path)
        stem = safe_stem(self._path.absolute().parent.name or self._path.stem)
        yield PersonOfFit(stem, result, _body_of(result, self._bodies))


class MeshFolder:
    """Meshes of another body model."""

    def __init__(self, options: ConvertOptions) -> None:
        """Raises FieldError where nothing tells whose they are."""
        self._paths = mesh_files(options.people)
        self._y_up = options.y_up
        self._source: BodyModel | None = None
        if options.correspondences is None and options.source_model is None:
            reason = (
                "meshes need it, or --source-model: nothing tells which points of them are which"
            )
            raise FieldError("correspondences", reason)
        if options.source_model is not None:
            self._source = Bodies(options.source_model, CPU).of(Gender.NEUTRAL)

    @property
    def files(self) -> int:
        """One frame each."""
        return len(self._paths)

    def identity(self) -> str:
        """A hash of the files' names: each is read when its turn comes."""
        names = "\n".join(path.name for path in self._paths) + f"\n{self._y_up}"
        return hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()

    def items(self) -> Iterator[PersonToConvert | Row]:
        """File by file."""
        for path in self._paths:
            stem = safe_stem(path.stem)
            try:
                meshes = read_meshes(path, self._y_up)
            except MeshFileError as error:
                yield Row(stem, None, RowStatus.UNREADABLE, one_line(error, limit=300))
                continue
            notes = "centimetres, read as such" if meshes.centimetres else ""
            for person, vertices in enumerate(meshes.vertices):
                origin = Origin(
                    source=str(path),
                    person=person,
                    K_source=NO_CAMERA,
                    image_size_source=NO_CAMERA,
                    notes=notes,
                    converted_from=path.name if self._source is None else self._source.name,
                )
                mesh = torch.from_numpy(vertices).float()
                yield PersonOfMesh(stem, person, mesh, meshes.faces, self._source, origin)


class PredictedPoints:
    """People of whom a network predicted points in space, such as SAM 3D Body."""

    def __init__(self, place: Path) -> None:
        self._place = place

    files = 1

    def identity(self) -> str:
        """The name: files are read as they come."""
        return self._place.name

    def items(self) -> Iterator[PersonToConvert | Row]:
        """Everybody with enough points, named after the photo. Raises PredictionError for none."""
        counts: Counter[str] = Counter()
        for one in read_predictions(self._place):
            frame = "" if one.frame is None else f"_{one.frame:06d}"
            stem = safe_stem((Path(one.photo).stem or self._place.stem) + frame)
            person = counts[stem]
            counts[stem] += 1
            points = torch.from_numpy(np.array(one.points, np.float32))
            if int(points.isfinite().all(-1).sum()) < FEWEST_POINTS:
                yield failed(stem, person, f"fewer than {FEWEST_POINTS} points in space")
                continue
            origin = Origin(
                source=str(self._place),
                person=person,
                K_source=NO_CAMERA,
                image_size_source=NO_CAMERA,
                photo=one.photo,
                person_id=one.person_id,
                converted_from=f"points of {one.system}",
            )
            yield PersonOfPoints(stem, person, points, origin)


def failed(stem: str, person: int, reason: str) -> Row:
    """The line of a person who has no result."""
    return Row(stem, person, RowStatus.FAILED, reason)


def _body_of(result: FitResult, bodies: Bodies) -> BodyModel:
    """The body that was fitted. Raises ValueError where it is another than it was."""
    made = result.provenance
    detector = by_word("detector", made.detector, Detector)
    body = bodies.of(body_gender(made.gender), body_age(made.age), detector)
    if (body.sha256, body.kid_sha256) != (made.model_sha256, made.kid_sha256):
        raise ValueError(
            f"fitted with {made.model_name} (sha256 {made.model_sha256[:12]}), which is not at hand"
        )
    return body
