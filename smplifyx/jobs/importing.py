"""An output folder of the people of a dataset's file, as if they had been fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..body.model import BodyModel
from ..config import FieldError
from ..core.choices import BodyGender
from ..fitting.result import program_versions
from ..imports import READERS
from ..imports.imported import PRESET, DatasetReader, Import
from .batches import Bodies
from .result_names import safe_stem
from .store import MADE_BY, open_store
from .summary import row_of, writing_summary


@dataclass(frozen=True)
class ImportRequest:
    """What is imported, and where to.

    file: or folder. model: the bodies of the parameters; None: the built-in ones. images: the
    folder of the photos.
    """

    file: Path
    format: str
    out: Path
    model: Path | None = None
    images: Path | None = None


def dataset_reader(format: str) -> DatasetReader:
    """The reader of a format. Raises FieldError, of the field `format`, for one there is not."""
    if format in READERS:
        return READERS[format]
    raise FieldError("format", f"{format!r} cannot be read; {', '.join(READERS)} can")


def import_people(request: ImportRequest, advance: Callable[[], None] = lambda: None) -> int:
    """Writes results, summary.csv and config.yaml; returns how many people there are.

    Raises FieldError for the format, ImportedFileError and ResultFileError for a file that cannot
    be read, BodyFileError for a body that is missing, StoreError, OSError.
    """
    reader = dataset_reader(request.format)
    bodies = Bodies(request.model, torch.device("cpu"))

    def body(gender: BodyGender) -> BodyModel:
        return bodies.of(gender)

    def photo(name: str) -> str:
        path = (request.images or Path()) / name
        return str(path.resolve()) if name and request.images and path.is_file() else ""

    given = Import(request.file, body, photo)
    people = 0
    with (
        open_store(request.out, _record(request), [request.file], overwrite=False) as store,
        writing_summary(store.summary) as summary,
    ):
        for person in reader.read(given):
            stem = safe_stem(person.frame)
            person.result.save(store.result(stem, person.result.origin.person))
            summary.write(row_of(stem, person.result))
            people += 1
            advance()
    return people


def _record(request: ImportRequest) -> dict[str, object]:
    """What the results depend on."""
    model, images = request.model, request.images
    return {
        MADE_BY: {"versions": program_versions()},
        "job": {
            "preset": PRESET,
            "model": None if model is None else str(model.resolve()),
            "images": None if images is None else str(images.resolve()),
            "file": str(request.file.resolve()),
            "format": request.format,
        },
        "preset": {},
        "models": {},
    }
