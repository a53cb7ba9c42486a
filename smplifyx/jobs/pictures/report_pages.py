"""The report of an output folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ... import viz
from ...core.messages import plain
from ..runner import FITTED
from ..store import Store, StoreError
from ..summary import Row, RowStatus
from .files import (
    Picture,
    fingerprint,
    frames,
    has_note,
    made_from_note,
    report_pictures,
    results_of,
)
from .recorded_job import recorded_job

TONES = {
    RowStatus.OK: viz.Tone.GOOD,
    RowStatus.LOW_EVIDENCE: viz.Tone.WARN,
    RowStatus.POOR: viz.Tone.WARN,
    RowStatus.FAILED: viz.Tone.BAD,
    RowStatus.UNREADABLE: viz.Tone.BAD,
    RowStatus.NOT_SELECTED: viz.Tone.PLAIN,
    RowStatus.NO_PEOPLE: viz.Tone.PLAIN,
    RowStatus.UNFINISHED: viz.Tone.BAD,
}
SHORT_HASH = 12  # digits that tell body models apart for a reader


def report(store: Store) -> Path:
    """Writes the report of an output folder from summary.csv and the pictures that are there.

    Returns: its first page. Raises StoreError, OSError where there is no finished job.
    """
    job = recorded_job(store)
    models = [f"{gender} {sha256[:SHORT_HASH]}" for gender, sha256 in job.sha256.items()]
    facts = (
        ("preset", job.preset),
        ("body", plain(str(job.model or "built-in"))),
        ("sha256", ", ".join(models)),
    )
    summary = viz.Summary(title=plain(store.root.resolve().name), facts=facts)
    entries = (_photo_entry(store, rows) for rows in frames(store))
    return viz.write_report(store.root, entries, summary)


def _photo_entry(store: Store, rows: Sequence[Row]) -> viz.PhotoEntry:
    """The card of a frame, with its pictures if all are there and show its results as they are."""
    stem = rows[0].stem
    pictures = _drawn(store, rows)
    addresses = {picture: path.resolve() for picture, path in pictures.items()}

    people: list[viz.PersonEntry] = []
    notes: list[str] = []
    for row in rows:
        if row.person is None:  # the line is about the whole frame
            notes.append(f"{row.status.value}: {row.reason}")
        else:
            people.append(_person_entry(row, row.person))
    if not pictures and any(row.status in FITTED for row in rows):
        notes.append("not drawn, log.txt says why")
    return viz.PhotoEntry(
        name=stem,
        people=tuple(people),
        photo=addresses.get(Picture.PHOTO),
        overlay=addresses.get(Picture.OVERLAY),
        turned=addresses.get(Picture.TURNED),
        note="; ".join(notes),
    )


def _drawn(store: Store, rows: Sequence[Row]) -> dict[Picture, Path]:
    """The pictures of a frame; none where any lacks or shows something else."""
    results = results_of(store, rows)
    if not results:
        return {}
    try:
        pictures = report_pictures(store, rows[0].stem)
    except StoreError:  # a link leads elsewhere: nothing was drawn there
        return {}
    if not all(path.is_file() for path in pictures.values()):
        return {}
    note = made_from_note(fingerprint(results.values()))
    return pictures if all(has_note(path, note) for path in pictures.values()) else {}


def _person_entry(row: Row, person: int) -> viz.PersonEntry:
    """The line of one person."""
    was_fitted = row.status in FITTED
    return viz.PersonEntry(
        person=person,
        status=row.status.value,
        tone=TONES[row.status],
        note=row.reason,
        colour=viz.person_colour(person) if was_fitted else None,
        body_percent=row.body_percent,
        hands_percent=row.hands_percent,
        face_percent=row.face_percent,
        energy_gap=row.gap,
        height=row.stature_m,
        height_note=f"± {row.stature_sd_m:.2f} m, {row.age}" if was_fitted else "",
        focal=row.focal,
        focal_source=row.focal_source,
        seconds=row.seconds,
        penetration_mm=row.penetration_mm,
        intersecting_triangles=row.intersecting_triangles,
    )
