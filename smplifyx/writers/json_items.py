"""Formats whose files are JSON with a long list or table in the middle: joined from parts as
streams.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..core.npz import replacing
from . import row_table
from .dataset_format import FormatFacts
from .dataset_rows import DatasetRows
from .reader_body import ReaderBody

_PART = ".items"
_SEPARATOR = ",\n"


@dataclass(frozen=True)
class JsonFrame:
    """One file: what stands before and after its sections, and between them.

    sections: of the items that `items` names, in order, each with the text before it.
    """

    sections: Mapping[str, str]
    end: str


@dataclass(frozen=True, eq=False)
class JsonItems:
    """A format of one or more JSON files.

    frames: the files, by the ending that their names get instead of the target's `.json`.
    items: from a block to the items of all sections, as JSON texts, by the names that `frames` has.
    """

    facts: FormatFacts
    frames: Mapping[str, JsonFrame]
    items: Callable[[DatasetRows, ReaderBody], Mapping[str, Sequence[str]]]

    def write_part(self, rows: DatasetRows, reader: ReaderBody, folder: Path) -> None:
        """Writes the items of one block, and its lines of the table beside."""
        for name, texts in self.items(rows, reader).items():
            path = folder / f"{name}{_PART}"
            path.write_text(_SEPARATOR.join(texts), encoding="utf-8")
        row_table.write_part(folder / "people", rows, reader)

    def assemble(self, parts: Sequence[Path], target: Path) -> list[Path]:
        """Makes each file, and one table beside the target."""
        made: list[Path] = []
        stem = target.name.removesuffix(self.facts.suffix)
        for ending, frame in self.frames.items():
            path = target.with_name(f"{stem}{ending}")
            with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
                for name, before in frame.sections.items():
                    stream.write(before)
                    between = ""
                    for part in parts:
                        text = (part / f"{name}{_PART}").read_text(encoding="utf-8")
                        if text:
                            stream.write(between + text)
                            between = _SEPARATOR
                stream.write(frame.end)
            made.append(path)
        made.append(row_table.assemble([part / "people" for part in parts], target))
        return made


def compact(value: object) -> str:
    """A value as JSON without needless spaces. Raises ValueError for NaN, which is none."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def numbers(values: Tensor) -> list[float]:
    """All values, flat, to seven digits: what float32 holds."""
    return [float(f"{value:.7g}") for value in values.flatten().tolist()]
