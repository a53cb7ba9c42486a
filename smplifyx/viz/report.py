"""Static pages that show every photo of a run: picture, overlay, turned view and numbers."""

from __future__ import annotations

import enum
import itertools
import math
import os
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import median
from urllib.parse import quote

import jinja2

from ..core.npz import replacing
from .marks import CUT, DEEP, FULL_AT, SHALLOW
from .shade import Colour

TEMPLATE = "report.html.j2"
PAGE = 250  # photos on a page: a browser shows no more with comfort
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

    The *_percent are median reprojection errors in percent of the person's size, energy_gap the
    runner-up hypothesis's energy minus the best one's, height in metres, focal in pixels, seconds
    of computing, penetration_mm how deep the body passes through itself and intersecting_triangles
    how many of its triangles do; colour (RGB 0..1) is the one used in the overlay; note says in
    words what the status leaves open.
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
    penetration_mm: float | None = None
    intersecting_triangles: int | None = None


@dataclass(frozen=True)
class PhotoEntry:
    """The card of one photo: images already written under the report's folder (None = not drawn),
    and its people.
    """

    name: str
    people: tuple[PersonEntry, ...]
    photo: Path | None = None
    overlay: Path | None = None
    turned: Path | None = None
    note: str = ""


@dataclass(frozen=True)
class Summary:
    """The head of the page: title, wall time of the run in seconds, and named facts such as model
    and preset.
    """

    title: str
    seconds: float | None = None
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Count:
    status: str
    tone: Tone
    people: int
    percent: float


@dataclass
class _Totals:
    """What the head says about all photos; of each person no more than a number is kept."""

    photos: int = 0
    counts: Counter[tuple[str, Tone]] = field(default_factory=Counter)
    errors: array[float] = field(default_factory=lambda: array("d"))

    def add(self, entry: PhotoEntry) -> None:
        """Counts one photo more."""
        self.photos += 1
        self.counts.update((person.status, person.tone) for person in entry.people)
        errors = (person.body_percent for person in entry.people)
        self.errors.extend(error for error in errors if error is not None and math.isfinite(error))

    def tiles(self, seconds: float | None) -> list[tuple[str, str]]:
        """(label, value) of the totals."""
        people = self.counts.total()
        good = sum(count for (_, tone), count in self.counts.items() if tone is Tone.GOOD)
        tiles = [("photos", str(self.photos)), ("people", str(people))]
        tiles.append(("good", f"{100 * good / people:.0f} %" if people else MISSING))
        tiles.append(
            ("median body error", _number(median(self.errors) if self.errors else None, 2, " %"))
        )
        if seconds:
            tiles.append(("seconds", _number(seconds, 1)))
            tiles.append(("people per second", _number(people / seconds, 1)))
        return tiles

    def statuses(self) -> list[_Count]:
        """How many people have each status, the most frequent first."""
        total = self.counts.total()
        return [
            _Count(*kind, people, 100 * people / total)
            for kind, people in self.counts.most_common()
        ]


@dataclass(frozen=True)
class _Pages:
    """The pages of one report: the first is index.html, the others lie in pages/."""

    root: Path
    summary: Summary

    def write(self, number: int, photos: Sequence[PhotoEntry], extra: Mapping[str, object]) -> Path:
        """Writes one page, whole or not at all."""
        path = self._path(number)
        extra = {"tiles": [], "counts": [], "contents": []} | extra
        shown = [(entry, self._pictures(path.parent, entry)) for entry in photos]
        around = {"back": self._link(number, number - 1), "ahead": self._link(number, number + 1)}
        text = _template().render(
            summary=self.summary, number=number, photos=shown, **(around | extra)
        )
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return path

    def contents(self, starts: Sequence[str]) -> list[tuple[str, str, str]]:
        """(number, first photo, address) of each page, as seen from the first."""
        return (
            [(str(n), name, self._link(1, n)) for n, name in enumerate(starts, 1)]
            if len(starts) > 1
            else []
        )

    def remove_after(self, last: int) -> None:
        """The pages of an earlier, longer report."""
        for path in self._path(2).parent.glob("[0-9]*.html"):
            if path.stem.isdecimal() and int(path.stem) > last:
                path.unlink()

    def _path(self, number: int) -> Path:
        return self.root / ("index.html" if number <= 1 else f"pages/{number:04d}.html")

    def _link(self, start: int, end: int) -> str:
        return _relative(self._path(end), self._path(start).parent) if end >= 1 else ""

    def _pictures(self, folder: Path, entry: PhotoEntry) -> list[tuple[str, str]]:
        """(caption, address) of the images of an entry."""
        named = (
            ("Photo", entry.photo),
            ("Overlay", entry.overlay),
            ("Turned by 90°", entry.turned),
        )
        return [
            (caption, self._address(folder, path)) for caption, path in named if path is not None
        ]

    def _address(self, folder: Path, path: Path) -> str:
        if not (self.root / path).is_file():
            raise FileNotFoundError(f"report: the image {self.root / path} does not exist")
        return _relative(self.root / path, folder)


def write_report(
    out_dir: Path, entries: Iterable[PhotoEntry], summary: Summary, per_page: int = PAGE
) -> Path:
    """Writes `out_dir/index.html` and returns its path; more than `per_page` photos go on in
    `out_dir/pages/`.

    Every page appears whole or not at all and needs no network and no script; two pages of entries
    are in memory at a time. The first has the totals, so it is written last. Pages of an earlier,
    longer report are removed. Image paths may be absolute or relative to `out_dir`. Raises
    FileNotFoundError for an image that is not there.
    """
    pages, totals, starts = _Pages(out_dir, summary), _Totals(), []
    parts = _parts(entries, per_page)
    first = photos = next(parts, [])
    while photos:
        starts.append(photos[0].name)
        for entry in photos:
            totals.add(entry)
        following = next(parts, [])
        if len(starts) > 1:
            pages.write(len(starts), photos, {} if following else {"ahead": ""})
        photos = following
    head = {
        "tiles": totals.tiles(summary.seconds),
        "counts": totals.statuses(),
        "contents": pages.contents(starts),
    }
    path = pages.write(1, first, head if len(starts) > 1 else head | {"ahead": ""})
    pages.remove_after(len(starts))
    return path


def _parts(entries: Iterable[PhotoEntry], size: int) -> Iterator[list[PhotoEntry]]:
    entries = iter(entries)
    while part := list(itertools.islice(entries, size)):
        yield part


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "css": _css, "cells": _cells}
    environment.globals["marks"] = {
        "cut": CUT,
        "shallow": SHALLOW,
        "deep": DEEP,
        "full_mm": round(1000 * FULL_AT),
    }
    return environment.get_template(TEMPLATE)


def _relative(path: Path, folder: Path) -> str:
    """The address of a file on a page in `folder`, safe in an attribute whatever the user's file
    names.
    """
    return quote(Path(os.path.relpath(path, folder)).as_posix())


def _cells(person: PersonEntry) -> list[tuple[str, str, str]]:
    """(column, value, remark) of a person's numbers."""
    return [
        ("body", _number(person.body_percent, 2, " %"), ""),
        ("hands", _number(person.hands_percent, 2, " %"), ""),
        ("face", _number(person.face_percent, 2, " %"), ""),
        ("energy gap", _number(person.energy_gap, 2), ""),
        ("height", _number(person.height, 2, " m"), person.height_note),
        ("focal length", _number(person.focal, 0, " px"), person.focal_source),
        ("penetration", *_penetration(person)),
        ("time", _number(person.seconds, 2, " s"), ""),
    ]


def _penetration(person: PersonEntry) -> tuple[str, str]:
    """How deep, and with how many triangles, a body passes through itself."""
    depth, triangles = _number(person.penetration_mm, 1, " mm"), person.intersecting_triangles
    if depth == MISSING or not triangles:
        return depth, ""
    return depth, f"{triangles} triangle{'s' if triangles > 1 else ''}"


def _number(value: float | None, digits: int = 1, unit: str = "") -> str:
    return MISSING if value is None or not math.isfinite(value) else f"{value:.{digits}f}{unit}"


def _css(colour: Colour | None) -> str:
    if colour is None:
        return "transparent"
    return "rgb({} {} {})".format(*(round(255 * channel) for channel in colour))
