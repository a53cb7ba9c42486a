"""What was met while reading: as a cell of the summary, and counted over a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..core.messages import plain
from ..readers.frames import Note

BETWEEN = "; "  # notes of one cell
AFTER_ABOUT = ": "


def notes_cell(notes: Iterable[Note]) -> str:
    """Notes as the text of one cell, each once; `notes_of` reads it."""
    texts = [str(note).replace(BETWEEN, ", ") for note in notes]
    return plain(BETWEEN.join(dict.fromkeys(texts)))


def notes_of(text: str) -> list[Note]:
    """The notes of a cell; the last may be cut off."""
    notes: list[Note] = []
    for part in text.split(BETWEEN) if text else ():
        about, _, detail = part.partition(AFTER_ABOUT)
        notes.append(Note(about, detail))
    return notes


@dataclass
class NoteTally:
    """The notes of a job's images, by what they are about.

    images: how many there were, also without notes. counts: in how many of them something was met.
    examples: of each, the first one met, with the image's name.
    """

    images: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, stem: str, notes: Iterable[Note]) -> None:
        """Counts one image more, with all its notes and those of its people."""
        self.images += 1
        first_of = {note.about: note for note in reversed(list(notes))}
        self.counts.update(first_of.keys())
        for about, note in first_of.items():
            detail = f"{AFTER_ABOUT}{note.detail}" if note.detail else ""
            self.examples.setdefault(about, plain(f"{stem}{detail}"))
