"""The last lines of a job: who was asked for and fitted, and what the owner should know."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from job_tools import person, run_quick, write_frame

from smplifyx.jobs.closing import MOST_NOTES, WIDTH, headline, warning_lines
from smplifyx.jobs.notes import NoteTally, notes_cell, notes_of
from smplifyx.jobs.runner import JobOutcome
from smplifyx.jobs.store import Store
from smplifyx.jobs.summary import RowStatus
from smplifyx.readers.frames import Note

OK, POOR, FAILED = RowStatus.OK, RowStatus.POOR, RowStatus.FAILED


def outcome(counts: dict[RowStatus, int] | None = None, **others: object) -> JobOutcome:
    return JobOutcome(Store(Path("out")), Counter(counts or {}), **others)


def tally(*images: list[Note]) -> NoteTally:
    found = NoteTally()
    for index, notes in enumerate(images):
        found.add(f"f{index}", notes)
    return found


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({OK: 3, POOR: 1, FAILED: 1}, "4 of 5 fitted: 3 ok, 1 poor, 1 failed; see X"),
        ({OK: 1, RowStatus.NOT_SELECTED: 2}, "1 of 1 fitted: 1 ok; 2 not_selected; see X"),
        ({OK: 1, RowStatus.UNREADABLE: 1}, "1 of 2 fitted: 1 ok, 1 unreadable; see X"),
        ({RowStatus.NO_PEOPLE: 2}, "2 no_people; see X"),
        ({}, "nothing to read; see X"),
    ],
)
def test_the_headline_counts_who_was_asked_for(counts: dict[RowStatus, int], expected: str) -> None:
    assert headline(outcome(counts), Path("X")) == expected


def test_notes_are_told_by_kind_with_an_example() -> None:
    notes = tally([Note("a", "1"), Note("a", "2"), Note("b")], [], [Note("a", "3")])
    assert warning_lines(outcome(notes=notes)) == [
        "smplifyx: 2 of 3 images: a (f0: 1)",
        "smplifyx: 1 of 3 images: b (f0)",
    ]
    assert warning_lines(outcome(notes=tally([]))) == []


def test_what_was_not_used_is_told_first() -> None:
    left = (Note("photos that belong to nobody", "3, for example x.jpg"),)
    told = warning_lines(outcome(notes=tally([Note("a")]), leftovers=left))
    assert told[0] == "smplifyx: photos that belong to nobody: 3, for example x.jpg"


def test_lines_are_short_and_few() -> None:
    words = "word " * 100
    notes = tally([Note(f"kind {i}", words) for i in range(2 * MOST_NOTES)])
    told = warning_lines(outcome(notes=notes))
    assert max(map(len, told)) <= WIDTH
    begun = [line for line in told if line.startswith("smplifyx: ")]
    assert len(begun) == MOST_NOTES + 1 and len(told) <= 4 * len(begun)
    assert begun[-1] == f"smplifyx: {MOST_NOTES} more kinds of notes: out/summary.csv"


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\nb", "lone \ud800", "\u202eturned"])
def test_nothing_but_plain_text_is_told(text: str) -> None:
    (line,) = warning_lines(outcome(notes=tally([Note("a", text)])))
    assert line.isprintable() and line.encode()


def test_notes_survive_their_cell() -> None:
    notes = [Note("a", "x: y"), Note("b"), Note("c", "1; 2"), Note("a", "x: y")]
    assert notes_cell(notes) == "a: x: y; b; c: 1, 2"
    assert notes_of(notes_cell(notes)) == [Note("a", "x: y"), Note("b"), Note("c", "1, 2")]
    assert notes_of("") == [] and notes_cell(()) == ""


def test_a_job_counts_its_notes(tmp_path: Path) -> None:
    doubtful = person(1)
    doubtful["pose_keypoints_2d"][2::3] = [0.05] * 25
    write_frame(tmp_path / "in", "a", [doubtful])
    write_frame(tmp_path / "in", "b", [person(2)])
    found = run_quick(tmp_path / "in", tmp_path / "out")
    told = " ".join(warning_lines(found))
    assert told.startswith("smplifyx: 1 of 2 images: scores below the threshold (a: 100%")
