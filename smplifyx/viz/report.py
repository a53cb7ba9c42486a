"""One static page that shows every photo of a run: picture, overlay, turned view and numbers."""

from __future__ import annotations

import enum
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import quote

import jinja2

from .shade import Colour

TEMPLATE = "report.html.j2"
MISSING = "–"


class Tone(enum.Enum):
    """The colour of a status badge."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    PLAIN = "plain"


@dataclass(frozen=True)
class PersonEntry:
    """The line of one person; a number that is None or not finite is shown as a dash.

    The *_percent are median reprojection errors in percent of the person's size, energy_gap the runner-up hypothesis's
    energy minus the best one's, height in metres, focal in pixels, seconds of computing; colour (RGB 0..1) is the one
    used in the overlay; note says in words what the status leaves open.
    """

    person: int
    status: str
    tone: Tone
    note: str = ""
    colour: Colour | None = None
    body_percent: float | None = None
    hands_percent: float | None = None
    face_percent: float | None = None
    energy_gap: float | None = None
    height: float | None = None
    height_note: str = ""
    focal: float | None = None
    focal_source: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class PhotoEntry:
    """The card of one photo: images already written under the report's folder (None = not drawn), and its people."""

    name: str
    people: tuple[PersonEntry, ...]
    photo: Path | None = None
    overlay: Path | None = None
    turned: Path | None = None
    note: str = ""


@dataclass(frozen=True)
class Summary:
    """The head of the page: title, wall time of the run in seconds, and named facts such as model and preset."""

    title: str
    seconds: float | None = None
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Count:
    status: str
    tone: Tone
    people: int
    percent: float


def write_report(out_dir: Path, entries: Sequence[PhotoEntry], summary: Summary) -> Path:
    """Writes `out_dir/index.html` whole or not at all and returns its path; it needs no network and no script.

    Image paths may be absolute or relative to `out_dir`. Raises FileNotFoundError for an image that is not there.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": _number, "css": _css, "cells": _cells}
    page = environment.get_template(TEMPLATE).render(
        summary=summary, tiles=_tiles(entries, summary), counts=_counts(entries),
        photos=[(entry, _pictures(out_dir, entry)) for entry in entries],
    )  # fmt: skip
    path = out_dir / "index.html"
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    partial.write_text(page, encoding="utf-8")
    os.replace(partial, path)
    return path


def _pictures(out_dir: Path, entry: PhotoEntry) -> list[tuple[str, str]]:
    """(caption, address) of the images of an entry."""
    named = (("Photo", entry.photo), ("Overlay", entry.overlay), ("Turned by 90°", entry.turned))
    return [(caption, _address(out_dir, path)) for caption, path in named if path is not None]


def _address(out_dir: Path, path: Path) -> str:
    """The image's path relative to the page, safe in an attribute whatever the user's file names."""
    if not (out_dir / path).is_file():
        raise FileNotFoundError(f"report: the image {out_dir / path} does not exist")
    return quote(Path(os.path.relpath(out_dir / path, out_dir)).as_posix())


def _tiles(entries: Sequence[PhotoEntry], summary: Summary) -> list[tuple[str, str]]:
    """(label, value) of the totals."""
    people = [person for entry in entries for person in entry.people]
    good = sum(person.tone is Tone.GOOD for person in people)
    errors = [p.body_percent for p in people if p.body_percent is not None and math.isfinite(p.body_percent)]
    tiles = [("photos", str(len(entries))), ("people", str(len(people)))]
    tiles.append(("good", f"{100 * good / len(people):.0f} %" if people else MISSING))
    tiles.append(("median body error", _number(median(errors) if errors else None, 2, " %")))
    if summary.seconds:
        tiles.append(("seconds", _number(summary.seconds, 1)))
        tiles.append(("people per second", _number(len(people) / summary.seconds, 1)))
    return tiles


def _counts(entries: Sequence[PhotoEntry]) -> list[_Count]:
    """How many people have each status, the most frequent first."""
    people = [person for entry in entries for person in entry.people]
    counts = Counter((person.status, person.tone) for person in people)
    return [_Count(status, tone, n, 100 * n / len(people)) for (status, tone), n in counts.most_common()]


def _cells(person: PersonEntry) -> list[tuple[str, str, str]]:
    """(column, value, remark) of a person's numbers."""
    return [
        ("body", _number(person.body_percent, 2, " %"), ""),
        ("hands", _number(person.hands_percent, 2, " %"), ""),
        ("face", _number(person.face_percent, 2, " %"), ""),
        ("energy gap", _number(person.energy_gap, 2), ""),
        ("height", _number(person.height, 2, " m"), person.height_note),
        ("focal length", _number(person.focal, 0, " px"), person.focal_source),
        ("time", _number(person.seconds, 2, " s"), ""),
    ]


def _number(value: float | None, digits: int = 1, unit: str = "") -> str:
    return MISSING if value is None or not math.isfinite(value) else f"{value:.{digits}f}{unit}"


def _css(colour: Colour | None) -> str:
    if colour is None:
        return "transparent"
    return "rgb({} {} {})".format(*(round(255 * channel) for channel in colour))
