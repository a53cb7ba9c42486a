"""The file formats that single people are written as: one line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.choices import MeshFormat
from .mesh import MeshWriter
from .result_npz import ResultNpzWriter
from .writer import FittedPerson, PersonWriter

WRITERS: tuple[PersonWriter, ...] = (
    ResultNpzWriter(),
    MeshWriter(MeshFormat.OBJ),
    MeshWriter(MeshFormat.PLY),
    MeshWriter(MeshFormat.GLB),
)


def write_person(
    path: Path, person: FittedPerson, writers: Sequence[PersonWriter] = WRITERS
) -> None:
    """Writes one person as the suffix of `path` says, whole or not at all; makes the folder.

    Raises OSError, and ValueError for a suffix that no writer has or a person who cannot be
    written so.
    """
    lower_name = path.name.lower()
    for writer in writers:
        if lower_name.endswith(writer.suffix):
            writer.write(path, person)
            return
    allowed = ", ".join(writer.suffix for writer in writers)
    raise ValueError(f"{path}: people are written as {allowed}")
