"""An export: blocks of people to the files of a format, resumed where it was stopped.

Each block becomes a part, a folder `.TARGET.parts/NUMBER-FINGERPRINT` beside the target, whole or
not at all; when all are there they are joined, and go. A fingerprint is of everything that decides
a part: a run that is stopped goes on with the parts that still hold, and the same people give the
same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import __version__
from ..core.npz import replacing
from .dataset_format import DatasetFormat
from .dataset_rows import DatasetPerson, DatasetRows
from .reader_body import ReaderBody

MANIFEST = "smplifyx_export.json"  # of a target that is a folder: what is ours in it
_PART_NAME = re.compile(r"\d{6,}-[0-9a-f]{16}(\.tmp)?")


class ExportError(ValueError):
    """An export that cannot be made; the message is one line."""


@dataclass(frozen=True)
class PeopleBlock:
    """Some people of a dataset, not read yet.

    count: how many they are. fingerprint: a text that changes whenever what `read` gives does.
    """

    count: int
    fingerprint: str
    read: Callable[[], Sequence[DatasetPerson]]


@dataclass(frozen=True)
class Exported:
    """What an export made.

    files: their paths. people: how many rows there are; kept: how many parts of an earlier run were
    used again.
    """

    files: tuple[Path, ...]
    people: int
    kept: int


def export(
    blocks: Iterable[PeopleBlock],
    format: DatasetFormat,
    target: Path,
    reader: ReaderBody,
    advance: Callable[[int], None] = lambda people: None,
) -> Exported:
    """Writes the people of all blocks, in order; memory holds one block.

    target: the file, or the folder of a format that has many. advance: told of each block when it
    is written. Raises ExportError for a target that is not to be written to, and for nobody at
    all; OSError.
    """
    _check_target(format, target)
    folder = _parts_of(target)
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[Path] = []
    people = kept = 0
    for number, block in enumerate(blocks):
        part = folder / f"{number:06d}-{_fingerprint(block, format, reader, people)}"
        if part.is_dir():
            kept += 1
        else:
            _write_part(part, block, format, reader, number, people)
        parts.append(part)
        people += block.count
        advance(block.count)
    if not parts:
        _remove_parts(folder)
        raise ExportError(f"{target}: there is nobody to export")
    files = format.assemble(parts, target)
    if not format.facts.suffix:
        _write_manifest(target, files)
    _remove_parts(folder)
    return Exported(files=tuple(files), people=people, kept=kept)


def _check_target(format: DatasetFormat, target: Path) -> None:
    """Raises ExportError for a target of the wrong kind, or that is somebody else's."""
    suffix = format.facts.suffix
    if suffix:
        if target.suffix != suffix:
            raise ExportError(f"{target}: {format.facts.name} is written as a file *{suffix}")
        if target.is_dir():
            raise ExportError(f"{target}: a folder is in the place of the file")
        return
    if target.exists() and not target.is_dir():
        raise ExportError(f"{target}: {format.facts.name} is a folder, this is a file")
    is_new = not target.exists() or not any(target.iterdir())
    if not (is_new or (target / MANIFEST).is_file() or _parts_of(target).exists()):
        raise ExportError(f"{target}: holds files that no export made; choose another folder")


def _parts_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.parts")


def _fingerprint(block: PeopleBlock, format: DatasetFormat, reader: ReaderBody, first: int) -> str:
    texts = [__version__, format.facts.name, reader.sha256, str(first), block.fingerprint]
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _write_part(
    part: Path,
    block: PeopleBlock,
    format: DatasetFormat,
    reader: ReaderBody,
    number: int,
    first: int,
) -> None:
    """The pieces of a block: a folder that is there with all of them or not at all."""
    rows = DatasetRows.of(block.read(), number, first)
    temporary = part.with_name(f"{part.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    format.write_part(rows, reader, temporary)
    os.replace(temporary, part)


def _write_manifest(target: Path, files: Sequence[Path]) -> None:
    """Says which files of the folder are ours, and removes those of an earlier export that are no
    more.
    """
    names = [path.relative_to(target).as_posix() for path in files]
    manifest = target / MANIFEST
    for name in set(_names_in(manifest)) - set(names):
        path = target / name
        inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(target))
        if inside and path.is_file():
            path.unlink()
    with replacing(manifest) as temporary:
        temporary.write_text(json.dumps({"files": names}, indent=1), encoding="utf-8")


def _names_in(manifest: Path) -> list[str]:
    """What an earlier export made; nothing where its list cannot be read."""
    try:
        names = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _remove_parts(folder: Path) -> None:
    """Only what has the names of parts, and the folder if nothing else is in it."""
    for part in folder.iterdir():
        if _PART_NAME.fullmatch(part.name) and part.is_dir() and not part.is_symlink():
            shutil.rmtree(part)
    if not any(folder.iterdir()):
        folder.rmdir()
