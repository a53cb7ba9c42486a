"""What drawing and reporting need to know of the job that made an output folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...core.messages import plain
from ..store import Store, read_record


@dataclass(frozen=True)
class RecordedJob:
    """A part of config.yaml.

    preset: how people were fitted, as the job named it.
    model: file or folder of the body models; None: the built-in ones.
    kid_template: of children; None: the one beside the model.
    images: the folder of the photos; None: none was named.
    sha256: of the files of the bodies, by gender (and "kid").
    """

    preset: str
    model: Path | None
    kid_template: Path | None
    images: Path | None
    sha256: dict[str, str]


def recorded_job(store: Store) -> RecordedJob:
    """The job of an output folder. Raises StoreError where there is none of ours."""
    record = read_record(store)
    return RecordedJob(
        preset=plain(record.job.preset),
        model=_path(record.job.model),
        kid_template=_path(record.job.kid_template),
        images=_path(record.job.images),
        sha256={plain(name): plain(sha256) for name, sha256 in record.models.items()},
    )


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
