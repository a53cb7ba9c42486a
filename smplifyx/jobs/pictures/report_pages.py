"""The report of an output folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ... import viz
from ..runner import FITTED
from ..store import Store, read_record
from ..summary import Row, RowStatus
from .files import frames, is_newer, report_pictures, results_of

TONES = {
    RowStatus.OK: viz.Tone.GOOD,
    RowStatus.LOW_EVIDENCE: viz.Tone.WARN,
    RowStatus.POOR: viz.Tone.WARN,
    RowStatus.FAILED: viz.Tone.BAD,
    RowStatus.UNREADABLE: viz.Tone.BAD,
    RowStatus.NOT_SELECTED: viz.Tone.PLAIN,
    RowStatus.NO_PEOPLE: viz.Tone.PLAIN,
}


def report(store: Store) -> Path:
    """Writes the report of an output folder from summary.csv and the pictures that are there; its
    first page.
    """
    record = read_record(store)
    models = ", ".join(f"{gender} {sha[:12]}" for gender, sha in record["models"].items())
    facts = (
        ("preset", record["job"]["preset"]),
        ("body", record["job"]["model"] or "built-in"),
        ("sha256", models),
    )
    entries = (_entry(store, rows) for rows in frames(store))
    return viz.write_report(
        store.root, entries, viz.Summary(title=store.root.resolve().name, facts=facts)
    )


def _entry(store: Store, rows: Sequence[Row]) -> viz.PhotoEntry:
    """The card of a frame: its rows, and its pictures if all are there and as new as the results."""
    results, paths = results_of(store, rows), report_pictures(store, rows[0].stem)
    drawn = bool(results) and all(is_newer(path, results.values()) for path in paths.values())
    notes = [f"{row.status.value}: {row.reason}" for row in rows if row.person is None]
    notes += ["not drawn, log.txt says why"] if results and not drawn else []
    shown = {picture.value: path.resolve() for picture, path in paths.items()} if drawn else {}
    return viz.PhotoEntry(
        rows[0].stem,
        tuple(_line(row) for row in rows if row.person is not None),
        **shown,
        note="; ".join(notes),
    )


def _line(row: Row) -> viz.PersonEntry:
    fitted = row.status in FITTED
    return viz.PersonEntry(
        person=row.person,
        status=row.status.value,
        tone=TONES[row.status],
        note=row.reason,
        colour=viz.person_colour(row.person) if fitted else None,
        body_percent=row.body_percent,
        hands_percent=row.hands_percent,
        face_percent=row.face_percent,
        energy_gap=row.gap,
        height=row.stature_m,
        height_note=f"± {row.stature_sd_m:.2f} m, {row.age}" if fitted else "",
        focal=row.focal,
        focal_source=row.focal_source,
        seconds=row.seconds,
        penetration_mm=row.penetration_mm,
        intersecting_triangles=row.intersecting_triangles,
    )
