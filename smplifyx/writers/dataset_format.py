"""What a dataset's format is: from blocks of people to files, whole or not at all.

A format says what its files hold of one block (`write_part`), and how the parts become the files
(`assemble`). Both know nothing of what was exported before, so a stopped export goes on with the
parts that are there, and memory does not grow with the people.

To add a format: a file beside this one with one of the three ways (`npz_columns`, `json_items`,
`whole_files`), and a line in `datasets.FORMATS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol, runtime_checkable

from ..body.joints import BodyKind
from ..core.choices import BODY_GENDERS, BodyGender
from .dataset_rows import DatasetRows
from .reader_body import ReaderBody


class Photos(Enum):
    """What a format does with photos."""

    NONE = "none"  # it does not speak of them
    NAMED = "named"  # it names them, and readers open the files
    INSIDE = "inside"  # they are in its files


@dataclass(frozen=True)
class FormatFacts:
    """What is to be known of a format before anything is written.

    about: who reads it, in a line. kind, genders: the bodies that readers load, see `ReaderBody`.
    suffix: of the file that the user names; empty: a folder. marks_shape: whether it can say that
    betas mean nothing; where it cannot, people whose betas are another body's are left out.
    photos: what it does with them. shuffled: readers hold out the last rows, so the people of an
    image come in no order that means anything. regressed: they sum up joints from SMPL's vertices,
    by weights that users have (`joint_regressor`). children: they can make a child's body.
    """

    name: str
    about: str
    kind: BodyKind | None
    genders: tuple[BodyGender, ...] = BODY_GENDERS
    suffix: str = ""
    marks_shape: bool = True
    photos: Photos = Photos.NAMED
    shuffled: bool = False
    regressed: bool = False
    children: bool = False


@runtime_checkable
class DatasetFormat(Protocol):
    """One format."""

    @property
    def facts(self) -> FormatFacts:
        """What is to be known of it."""
        ...

    def write_part(self, rows: DatasetRows, reader: ReaderBody, folder: Path) -> None:
        """Writes the pieces of one block into an empty folder. Raises OSError."""
        ...

    def assemble(self, parts: Sequence[Path], target: Path) -> list[Path]:
        """Makes the files of all parts, in order, each whole or not at all; returns their paths.

        Raises OSError, and ValueError for parts that do not fit together.
        """
        ...
