"""The report of an output folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ... import viz
from ...core.choices import GenderSource
from ...core.messages import plain
from ...readers.frames import Note
from ..notes import notes_of
from ..runner import FITTED
from ..store import Store
from ..summary import Row, RowStatus
from .files import Picture, drawn_pictures, frames
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


def report(store: Store, leftovers: Sequence[Note] = ()) -> Path:
    """Writes the report of an output folder from summary.csv and the pictures that are there.

    leftovers: what was given and not used, which stands in no row.

    Returns: its first page. Raises StoreError, OSError where there is no finished job.
    """
    job = recorded_job(store)
    models = [f"{gender} {sha256[:SHORT_HASH]}" for gender, sha256 in job.sha256.items()]
    facts = (
        ("preset", job.preset),
        ("body", plain(str(job.model or "built-in"))),
        ("sha256", ", ".join(models)),
    )
    summary = viz.Summary(
        title=plain(store.root.resolve().name),
        facts=facts,
        remarks=_remarks(leftovers),
    )
    entries = (_photo_entry(store, rows) for rows in frames(store))
    return viz.write_report(store.root, entries, summary)


def _photo_entry(store: Store, rows: Sequence[Row]) -> viz.PhotoEntry:
    """The card of a frame, with its pictures if all are there and show its results as they are."""
    pictures = drawn_pictures(store, rows)
    addresses = {picture: path.resolve() for picture, path in pictures.items()}

    # A note of the whole frame stands in the line of everybody in it.
    notes_of_row = [notes_of(row.notes) for row in rows]
    common = [note for note in notes_of_row[0] if all(note in others for others in notes_of_row)]
    people: list[viz.PersonEntry] = []
    notes: list[str] = []
    for row, own_notes in zip(rows, notes_of_row, strict=True):
        if row.person is None:  # the line is about the whole frame
            notes.append(f"{row.status.value}: {row.reason}")
        else:
            own_notes = [note for note in own_notes if note not in common]
            people.append(_person_entry(row, row.person, _remarks(own_notes)))
    if not pictures and any(row.status in FITTED for row in rows):
        notes.append("not drawn, log.txt says why")
    return viz.PhotoEntry(
        name=_title(rows[0]),
        people=tuple(people),
        photo=addresses.get(Picture.PHOTO),
        overlay=addresses.get(Picture.OVERLAY),
        turned=addresses.get(Picture.TURNED),
        note="; ".join(notes),
        remarks=_remarks(common),
        is_unreadable=rows[0].person is None and rows[0].status is RowStatus.UNREADABLE,
    )


def _title(row: Row) -> str:
    """The name of a frame's results, and that of its photo where that could not be kept."""
    if not row.photo:
        return row.stem
    photo = PurePosixPath(row.photo)
    name = PurePosixPath(row.stem).name
    return row.stem if name in (photo.stem, photo.name) else f"{row.stem} ({row.photo})"


def _remarks(notes: Sequence[Note]) -> tuple[viz.Remark, ...]:
    return tuple(viz.Remark(note.about, note.detail) for note in notes)


def _whose(row: Row) -> str:
    """The gender that files or evidence decided, and which of them."""
    if row.gender_source in ("", GenderSource.GIVEN.value, GenderSource.DEFAULT.value):
        return ""
    return f", {row.gender} ({row.gender_source})"


def _person_entry(row: Row, person: int, remarks: tuple[viz.Remark, ...]) -> viz.PersonEntry:
    """The line of one person."""
    was_fitted = row.status in FITTED
    return viz.PersonEntry(
        person=person,
        status=row.status.value,
        tone=TONES[row.status],
        name=row.person_id,
        note=row.reason,
        remarks=remarks,
        colour=viz.person_colour(person) if was_fitted else None,
        body_percent=row.body_percent,
        hands_percent=row.hands_percent,
        face_percent=row.face_percent,
        energy_gap=row.gap,
        height=row.stature_m,
        height_note=f"± {row.stature_sd_m:.2f} m, {row.age}{_whose(row)}" if was_fitted else "",
        depth_sd=row.depth_sd_m,
        focal=row.focal,
        focal_source=row.focal_source,
        seconds=row.seconds,
        penetration_mm=row.penetration_mm,
        intersecting_triangles=row.intersecting_triangles,
    )
