"""What a writer of one file format is, and what it is given.

To add a format: a class with the members of `PersonWriter` in a file of its own, and a line in
`table.WRITERS`. Nothing else knows which formats there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from ..body.model import BodyModel
from ..fitting.result import FitResult


@dataclass(frozen=True, eq=False)
class FittedPerson:
    """One fitted person, without batch axes, with the body model that was fitted.

    `vertices` are the mesh in the camera's frame, metres: x right, y down, z forward. `note` is one
    line of plain text that formats with room for comments carry near the beginning of the file.
    """

    result: FitResult
    body: BodyModel
    vertices: Float[Tensor, "v 3"]
    note: str = ""

    @classmethod
    def of(cls, result: FitResult, body: BodyModel) -> FittedPerson:
        """The person of a result. Raises ValueError for another body than the one fitted."""
        return cls(result=result, body=body, vertices=result.vertices(body))


@runtime_checkable
class PersonWriter(Protocol):
    """One file format for a single person."""

    @property
    def suffix(self) -> str:
        """What the names of its files end in, in lower case, e.g. `.obj`."""
        ...

    def write(self, path: Path, person: FittedPerson) -> None:
        """Writes the person, whole or not at all; makes the folder.

        Raises OSError, and ValueError in one line for a person who cannot be written so.
        """
        ...
