"""The result file of one person: all that a fit found, as an npz of plain arrays."""

from __future__ import annotations

from pathlib import Path

from .writer import FittedPerson


class ResultNpzWriter:
    """`FitResult.save`, which also states the fields; `FitResult.load` reads it again."""

    suffix = ".npz"

    def write(self, path: Path, person: FittedPerson) -> None:
        """Writes the result. Raises ValueError where it has batch axes."""
        person.result.save(path)
