"""The table of verdicts, `OUT/gates/NAME.csv`: a line for every person, written whole or not at
all.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..core.files import boundary, open_regular
from ..core.messages import cell, plain, uncell
from ..core.npz import replacing
from .facts import GatePart
from .verdict import Verdict

KEPT, REJECTED = "kept", "rejected"
PARTS = tuple(part.value for part in GatePart)
COLUMNS = ("stem", "person", "verdict", *PARTS, "score", "by")
LONGEST_LINE = 2**17  # characters that are taken at once; our lines have some hundred
Person = tuple[str, int]  # the name of a frame, and the place in it


class VerdictFileError(ValueError):
    """A table that cannot be read; the message is one line."""


def write_verdicts(path: Path, verdicts: Iterable[tuple[Person, Verdict]]) -> None:
    """Writes the table; makes the folder. Raises OSError where that cannot be."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(COLUMNS)
        for (stem, person), verdict in verdicts:
            reasons = [cell(verdict.reasons.get(part, "")) for part in GatePart]
            word = KEPT if verdict.kept else REJECTED
            score = "" if math.isnan(verdict.score) else f"{verdict.score:.4g}"
            table.writerow([cell(stem), person, word, *reasons, score, cell(verdict.by)])


def read_verdicts(path: Path) -> Mapping[Person, Verdict]:
    """The table, by (stem, person). Raises VerdictFileError, one line that says where, for anything
    that `write_verdicts` does not write.
    """
    found: dict[Person, Verdict] = {}
    with (
        boundary(path, "a table of verdicts of smplifyx", VerdictFileError),
        io.TextIOWrapper(open_regular(path), "utf-8", newline="") as stream,
    ):
        lines = csv.reader(iter(lambda: stream.readline(LONGEST_LINE), ""))
        header = next(lines, [])
        if tuple(header) != COLUMNS:
            raise ValueError(f"expected the columns {','.join(COLUMNS)}")
        for cells in lines:
            person, verdict = _row(cells, lines.line_num)
            if person in found:
                raise ValueError(f"line {lines.line_num}: {plain(person[0])} {person[1]} again")
            found[person] = verdict
    return found


def _row(cells: list[str], line: int) -> tuple[Person, Verdict]:
    """A line of the table. Raises ValueError that says which."""
    if len(cells) != len(COLUMNS):
        raise ValueError(f"line {line}: {len(cells)} cells, expected {len(COLUMNS)}")
    values = dict(zip(COLUMNS, cells, strict=True))
    if values["verdict"] not in (KEPT, REJECTED):
        word = plain(values["verdict"], 60)
        raise ValueError(f"line {line}: verdict: expected {KEPT} or {REJECTED}, got {word!r}")
    if not values["person"].isdecimal():
        raise ValueError(f"line {line}: person: expected a number, got {values['person']!r:.60}")
    try:
        score = float(values["score"]) if values["score"] else math.nan
    except ValueError as error:
        raise ValueError(f"line {line}: score: {error}") from error
    reasons = {part: uncell(values[part.value]) for part in GatePart if values[part.value]}
    verdict = Verdict(values["verdict"] == KEPT, reasons, score, uncell(values["by"]))
    return (uncell(values["stem"]), int(values["person"])), verdict
