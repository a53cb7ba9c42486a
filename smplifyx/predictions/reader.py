"""What a reader of one network's files is, and what it is given.

To add a format: a class with the members of `PredictionReader` in a file of its own, and a line in
`table.READERS`. Nothing else knows which formats there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

from ..core.messages import one_line, plain
from .documents import read_document
from .mean_hands import MeanHands
from .prediction import Prediction

MOST_NOTES = 1000  # of one file
_SUFFIXES = (".gz", ".npz", ".npy", ".pkl", ".pickle", ".joblib", ".pt", ".pth", ".json")


@dataclass(eq=False)
class PredictionFile:
    """One file on disk.

    name: as notes call it. hands: what is added to hands that are told without their mean. notes:
    what could not be read of it so far, a line each.
    """

    path: Path
    name: str
    hands: MeanHands = field(default_factory=MeanHands)
    notes: list[str] = field(default_factory=list)

    @cached_property
    def content(self) -> object:
        """What the file holds (see `documents`), parsed once, however many readers look at it.

        Raises ValueError in one line where it cannot be read.
        """
        return read_document(self.path)

    @property
    def base_name(self) -> str:
        """The file's name without what tells its kind."""
        name = self.path.name
        for suffix in _SUFFIXES:
            name = name[: len(name) - len(suffix)] if name.lower().endswith(suffix) else name
        return plain(name)

    def note(self, what: str) -> None:
        """One line more that the file's owner should know."""
        if len(self.notes) < MOST_NOTES:
            self.notes.append(f"{self.name}: {what}")
        elif len(self.notes) == MOST_NOTES:
            self.notes.append(f"{self.name}: more notes than {MOST_NOTES}, left out")

    @contextmanager
    def about(self, whom: str) -> Iterator[None]:
        """Around what is done for one person or track: what goes wrong costs only them."""
        try:
            yield
        except Exception as error:  # whatever it is, it is theirs
            self.note(f"{whom}: {reason_of(error)}")


def reason_of(error: Exception) -> str:
    """What an error says in one line; of an entry that is missing Python says its name alone."""
    said = one_line(error, limit=300)
    return f"no {said}" if isinstance(error, KeyError) else said


@runtime_checkable
class PredictionReader(Protocol):
    """The files of one network, or of a family that writes alike."""

    @property
    def system(self) -> str:
        """The network's name in `Prediction.system`."""
        ...

    @property
    def content(self) -> str:
        """What its files are, in the words of a message: "supported are CONTENT, ..."."""
        ...

    def recognises(self, file: PredictionFile) -> bool:
        """Whether the file's content is of this format; the first reader that says so reads it."""
        ...

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """The people of a file that it recognises, in file order.

        What is wrong with one person becomes a note of the file and costs only them. May raise
        ValueError, in one line, where the rest of the file cannot be read.
        """
        ...
