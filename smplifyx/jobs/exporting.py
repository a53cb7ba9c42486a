"""An output folder as a dataset: who is exported, in which blocks, and who is left out and why."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..body.loading.files import load_body
from ..config import FieldError
from ..core import npz
from ..core.choices import BodyAge, BodyGender, Gender, body_age, body_gender
from ..core.fields import nearest
from ..core.messages import cell, one_line
from ..fitting.result import FitResult
from ..gates.facts import GatePart
from ..gates.gate import gate_name
from ..gates.verdict import Verdict
from ..gates.verdict_table import Person, read_verdicts
from ..readers.images import ImageError
from ..writers.dataset_format import DatasetFormat, Photos
from ..writers.dataset_rows import DatasetPerson, PartsKept
from ..writers.datasets import FORMATS
from ..writers.export import Exported, PeopleBlock, export
from ..writers.joint_regressor import find_joint_regressor, read_joint_regressor
from ..writers.reader_body import ReaderBody
from ..writers.upright_photos import copy_upright, is_turned
from .batches import Bodies
from .pictures.files import frames
from .pictures.recorded_job import RecordedJob
from .store import Store
from .summary import FITTED, Row, RowStatus

BLOCK = 1000  # people; a block ends where an image does
LEFT_OUT = ".left_out.csv"
_UNJUDGED = PartsKept(body=False, reasons="not in the gate's table")
REJECTED = "rejected by the gate: "
NO_PHOTO = "no photo, and the format needs one"
TURNED = "the photo is turned by its EXIF; --photos FOLDER makes upright copies"


@dataclass(frozen=True, eq=False)
class ExportRules:
    """What of an output folder is exported, and how.

    verdicts: of a gate, who is kept and what of them; None: everybody whose status is `ok`, and
    with `doubtful` everybody who was fitted. photos: folder for upright copies of all photos; None:
    they stay where they are.
    """

    format: DatasetFormat
    reader: ReaderBody
    doubtful: bool = False
    photos: Path | None = None
    verdicts: Mapping[Person, Verdict] | None = None


def verdicts_of(store: Store, gate: str) -> Mapping[Person, Verdict]:
    """What `smplifyx gate` said of the people of an output folder.

    Raises FieldError, of the field `gate`, where it did not, VerdictFileError for another file.
    """
    table = store.gate(gate_name(gate), ".csv")
    if not table.is_file():
        command = f"smplifyx gate {store.root} --gate {gate}"
        raise FieldError("gate", f"{table}: there is none yet; {command}")
    return read_verdicts(table)


def dataset_format(name: str) -> DatasetFormat:
    """The format of that name. Raises FieldError, of the field `format`, for one there is not."""
    if name in FORMATS:
        return FORMATS[name]
    hint = nearest(name, list(FORMATS)) or f"; there are {', '.join(FORMATS)}"
    raise FieldError("format", f"{name!r} is no format{hint}")


def reader_body(
    format: DatasetFormat,
    model: Path | None = None,
    regressor: Path | None = None,
    fitted: Path | None = None,
) -> ReaderBody:
    """What the readers of a format load.

    model: the very body file; None: the published one. regressor: of their joints; None: the file
    that lies with the model or with the fitted one, if any. Raises BodyFileError and
    JointRegressorError for files that cannot be read, FieldError for a regressor that no reader of
    the format uses.
    """
    facts = format.facts
    if regressor is not None and not facts.regressed:
        raise FieldError("joint_regressor", f"readers of {facts.name} load none")
    if regressor is None and facts.regressed:
        models = [path for path in (model, fitted) if path is not None]
        found = [find_joint_regressor(path) for path in models]
        regressor = next((path for path in found if path is not None), None)
    return ReaderBody(
        kind=facts.kind,
        genders=facts.genders,
        model=None if model is None else load_body(model, Gender.NEUTRAL),
        joint_regressor=None if regressor is None else read_joint_regressor(regressor),
        children=facts.children,
    )


def export_people(people: JobPeople, target: Path, advance: Callable[[int], None]) -> Exported:
    """Writes the people of an output folder, and `TARGET.left_out.csv` with all others.

    advance: told how many people were written. Raises ExportError, StoreError, OSError, and
    ResultFileError for a result that was lost or broken since the job.
    """
    rules = people.rules
    table = target.with_name(f"{target.name}{LEFT_OUT}")
    return export(people.blocks(table), rules.format, target, rules.reader, advance)


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A person who is exported, not read yet."""

    row: Row
    path: Path
    image: str
    photo: Path | None
    kept: PartsKept

    @property
    def id(self) -> str:
        return f"{self.row.stem}/{self.row.person}"

    @property
    def fingerprint(self) -> str:
        """Changes with the result, the photo and the verdict."""
        stamps = [_stamp(self.path), self.image, repr(self.kept)]
        if self.photo is not None:
            stamps.append(_stamp(self.photo))
        return "\0".join((self.id, *stamps))


@dataclass(frozen=True, eq=False)
class JobPeople:
    """The people of an output folder as blocks to export.

    left_out: why people are not exported, with how many; it fills while `blocks` is used.
    """

    store: Store
    job: RecordedJob
    rules: ExportRules
    left_out: Counter[str] = field(default_factory=Counter)

    def count(self) -> int:
        """How many people have results."""
        return sum(row.status in FITTED for rows in frames(self.store) for row in rows)

    def blocks(self, table: Path) -> Iterator[PeopleBlock]:
        """Blocks of `BLOCK` people and those of the same image, in the order of the input or, where
        the format asks for it, in one that means nothing.

        table: who is left out goes there, a line each, whole when all blocks are taken.
        """
        bodies = Bodies(self.job.model, torch.device("cpu"), self.job.kid_template)
        with npz.replacing(table) as temporary:
            with open(temporary, "w", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream, lineterminator="\n")
                writer.writerow(("stem", "person", "status", "reason"))
                waiting: list[_Candidate] = []
                for rows in self._frames():
                    for candidate, reason in self._judged(rows, bodies):
                        if isinstance(candidate, _Candidate):
                            waiting.append(candidate)
                            continue
                        # of a gate each has reasons of its own
                        kind = REJECTED.strip(": ") if reason.startswith(REJECTED) else reason
                        self.left_out[kind] += 1
                        person = "" if candidate.person is None else candidate.person
                        status = candidate.status.value
                        writer.writerow((cell(candidate.stem), person, status, cell(reason)))
                    if len(waiting) >= BLOCK:
                        yield _block(waiting, bodies)
                        waiting = []
                if waiting:
                    yield _block(waiting, bodies)

    def _frames(self) -> Iterator[Sequence[Row]]:
        if not self.rules.format.facts.shuffled:
            yield from frames(self.store)
            return
        yield from sorted(frames(self.store), key=lambda rows: _digest(rows[0].stem))

    def _judged(
        self, rows: Sequence[Row], bodies: Bodies
    ) -> Iterator[tuple[_Candidate | Row, str]]:
        """Each person of a frame: to export, or the line and why not."""
        fitted: list[tuple[Row, Path, str]] = []
        for row in rows:
            if row.status not in FITTED or row.person is None:
                yield row, row.reason or row.status.value
                continue
            path = self.store.result(row.stem, row.person)
            try:
                fitted.append((row, path, _image_of(path)))
            except npz.ResultFileError as error:
                yield row, one_line(error)
        if not fitted:
            return
        first, _, of_first = fitted[0]
        image, photo, fault = self._photo(first, of_first)  # people of a frame have one
        for row, path, _ in fitted:
            reason = fault or self._refusal(row, bodies)
            if reason:
                yield row, reason
            else:
                yield _Candidate(row, path, image, photo, self._kept(row)), ""

    def _kept(self, row: Row) -> PartsKept:
        if self.rules.verdicts is None:
            return PartsKept()
        verdict = self.rules.verdicts.get((row.stem, row.person or 0))
        return _UNJUDGED if verdict is None else _parts_kept(verdict)

    def _refusal(self, row: Row, bodies: Bodies) -> str:
        """Why somebody who was fitted is not exported; empty: is."""
        asks_status = self.rules.verdicts is None and not self.rules.doubtful
        if asks_status and row.status is not RowStatus.OK:
            return f"status {row.status.value}; --doubtful exports them too"
        kept = self._kept(row)
        if not kept.body:
            return f"{REJECTED}{kept.reasons}"
        facts = self.rules.format.facts
        body = bodies.of(*_body_of(row))
        if facts.kind not in (None, body.kind):
            return self.rules.reader.why_not(body)
        if facts.marks_shape:
            return ""
        # whoever cannot say that a shape means nothing would write the mean body's
        why = self.rules.reader.why_not(body)
        return why or ("" if kept.shape else f"{REJECTED}{kept.reasons}")

    def _photo(self, row: Row, image: str) -> tuple[str, Path | None, str]:
        """What the dataset calls a frame's photo, where it lies, and what is wrong with it.

        image: its path as a result has it; empty: there is none.
        """
        use = self.rules.format.facts.photos
        if use is Photos.NONE:
            return "", None, ""
        try:
            # resolved: what it is called below the folder of images leads nowhere else
            photo = Path(image).resolve() if image else None
            if photo is None or not photo.is_file():
                return row.photo, None, NO_PHOTO if use is Photos.INSIDE else ""
            name = self._name(photo)
            if self.rules.photos is not None:
                copy = self.rules.photos / name
                if not copy.exists():
                    copy_upright(photo, copy)
                return name, copy, ""
            turned = is_turned(photo)  # asked of every photo: what cannot be read shows here
            return name, photo, TURNED if turned and use is Photos.NAMED else ""
        except (ImageError, OSError) as error:
            return row.photo, None, one_line(error)

    def _name(self, photo: Path) -> str:
        """Its path below the job's folder of images, else its name."""
        images = self.job.images
        if images is not None and photo.is_relative_to(images):
            return photo.relative_to(images).as_posix()
        return photo.name


def _parts_kept(verdict: Verdict) -> PartsKept:
    """Of a person who is kept whole the reasons are empty."""
    lost = verdict.reasons
    return PartsKept(
        body=verdict.kept,
        left_hand=GatePart.LEFT_HAND not in lost,
        right_hand=GatePart.RIGHT_HAND not in lost,
        face=GatePart.FACE not in lost,
        shape=GatePart.SHAPE not in lost,
        reasons="; ".join(f"{part.value}: {why}" for part, why in lost.items()),
    )


def _block(waiting: Sequence[_Candidate], bodies: Bodies) -> PeopleBlock:
    candidates = tuple(waiting)

    def read() -> list[DatasetPerson]:
        return [_read(candidate, bodies) for candidate in candidates]

    texts = "\0".join(candidate.fingerprint for candidate in candidates)
    return PeopleBlock(len(candidates), _digest(texts), read)


def _read(candidate: _Candidate, bodies: Bodies) -> DatasetPerson:
    """Raises ResultFileError for a file that was lost or broken since the job."""
    return DatasetPerson(
        id=candidate.id,
        result=FitResult.load(candidate.path),
        body=bodies.of(*_body_of(candidate.row)),
        image=candidate.image,
        photo=candidate.photo,
        kept=candidate.kept,
    )


def _body_of(row: Row) -> tuple[BodyGender, BodyAge]:
    return body_gender(row.gender), body_age(row.age)


def _image_of(result: Path) -> str:
    """The path of the photo of a result; empty: it has none. Raises ResultFileError."""
    return str(npz.read(result, {"image": npz.Expected((), "U")})["image"])


def _stamp(path: Path) -> str:
    facts = path.stat()
    return f"{facts.st_size} {facts.st_mtime_ns}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
