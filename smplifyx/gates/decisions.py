"""What somebody decided by hand on a contact sheet: the JSON that the sheet saves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pydantic

from ..config import Settings
from ..core.fields import faults_of, told
from ..core.files import boundary, read_bounded
from ..core.messages import LONGEST_TEXT
from .verdict_table import KEPT, Person

LARGEST = 64 * 2**20  # bytes: a decision has about 70
MOST = 1_000_000  # decisions


class DecisionsError(ValueError):
    """A file of decisions that cannot be read; the message is one line."""


class Decision(Settings):
    """On one person."""

    stem: str = pydantic.Field(min_length=1, max_length=LONGEST_TEXT)
    person: int = pydantic.Field(ge=0, strict=True)
    verdict: Literal["kept", "rejected"]


class Decisions(Settings):
    """The whole file."""

    smplifyx_gate: str = pydantic.Field(description="the gate that the sheet is of")
    decisions: tuple[Decision, ...] = pydantic.Field(max_length=MOST)


def read_decisions(path: Path) -> Mapping[Person, bool]:
    """Whom somebody decided to keep (True) or to reject, the last decision on each.

    Raises DecisionsError, one line that names file, field and fault.
    """
    with boundary(path, "decisions of a contact sheet", DecisionsError):
        content = json.loads(read_bounded(path, LARGEST))
        try:
            read = Decisions.model_validate(content)
        except pydantic.ValidationError as error:
            raise DecisionsError(f"{path}: {told(faults_of(error, Decisions))}") from error
    return {(each.stem, each.person): each.verdict == KEPT for each in read.decisions}
