"""The last lines that a job says: what became of the people, and what their owner should know."""

from __future__ import annotations

import textwrap
from pathlib import Path

from ..core.messages import plain
from .runner import FITTED, JobOutcome
from .summary import RowStatus

WIDTH = 80  # columns
MOST_NOTES = 6  # kinds that are told; the summary has all
LONGEST_EXAMPLE = 150  # characters

# Nothing was asked of these, so they say nothing of how it went.
NOT_ASKED = (RowStatus.NOT_SELECTED, RowStatus.NO_PEOPLE)


def headline(outcome: JobOutcome, look_at: Path) -> str:
    """What became of everybody, in one line: how many of those asked for were fitted, and how well;
    then who was not asked for. `look_at`: the file that tells more.
    """
    counts = outcome.counts.most_common()
    asked = [(status, count) for status, count in counts if status not in NOT_ASKED]
    others = [(status, count) for status, count in counts if status in NOT_ASKED]
    told: list[str] = []
    if asked:
        fitted = sum(count for status, count in asked if status in FITTED)
        each = ", ".join(f"{count} {status.value}" for status, count in asked)
        told.append(f"{fitted} of {sum(count for _, count in asked)} fitted: {each}")
    told += [f"{count} {status.value}" for status, count in others]
    return f"{'; '.join(told) or 'nothing to read'}; see {look_at}"


def warning_lines(outcome: JobOutcome) -> list[str]:
    """What the job's owner should know of how the input was read, in lines of at most 80 columns:
    one entry for each kind of note, with how many images it is of and an example.
    """
    notes = outcome.notes
    told = [
        f"{count} of {notes.images} images: {about} ({_short(notes.examples[about])})"
        for about, count in notes.counts.most_common()
    ]
    told = [_short(str(note)) for note in outcome.leftovers] + told
    more = len(told) - MOST_NOTES
    if more > 0:
        kinds = "kind" if more == 1 else "kinds"
        told = [*told[:MOST_NOTES], f"{more} more {kinds} of notes: {outcome.store.summary}"]
    return [line for text in told for line in _wrapped(text)]


def _short(text: str) -> str:
    return plain(text, limit=LONGEST_EXAMPLE)


def _wrapped(text: str) -> list[str]:
    """As lines of a terminal; a name that is longer than a line stays whole."""
    return textwrap.wrap(
        f"smplifyx: {text}",
        WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
