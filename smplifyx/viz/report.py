"""Static pages that show every photo of a run: picture, overlay, turned view and numbers."""

from __future__ import annotations

import itertools
import math
import os
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import quote

import jinja2

from ..core.npz import replacing
from .marks import CUT, DEEP, FULL_AT, SHALLOW
from .report_entries import PersonEntry, PhotoEntry, Remark, Summary, Tone
from .shade import Colour
from .unsure import FULL_AT as UNSURE_AT
from .unsure import SURE_AT, UNSURE

TEMPLATE = "report.html.j2"
PAGE = 250  # photos on a page: a browser shows no more with comfort
MISSING = "–"


@dataclass(frozen=True)
class _StatusCount:
    """How many people have a status; percent of those of whom something was asked, None where
    nothing was.
    """

    status: str
    tone: Tone
    people: int
    percent: float | None


@dataclass(frozen=True)
class _RemarkCount:
    """In how many photos there are remarks about something, and the first of them; 0: in no single
    one.
    """

    about: str
    photos: int
    example: str


@dataclass(frozen=True)
class _Contents:
    """What the first page alone says about the whole report.

    tiles: (label, value) of the totals.
    counts: of each status.
    remarks: of each kind.
    contents: (number, first photo, address) of each page; empty where there is only one.
    """

    tiles: Sequence[tuple[str, str]] = ()
    counts: Sequence[_StatusCount] = ()
    remarks: Sequence[_RemarkCount] = ()
    contents: Sequence[tuple[str, str, str]] = ()


@dataclass
class _Totals:
    """The totals of all photos; of each person no more than a number is kept."""

    photos: int = 0
    unreadable: int = 0
    statuses: Counter[tuple[str, Tone]] = field(default_factory=Counter)
    body_errors: array[float] = field(default_factory=lambda: array("d"))
    remarks: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, entry: PhotoEntry) -> None:
        """Counts one photo more."""
        self.photos += 1
        self.unreadable += entry.is_unreadable
        for person in entry.people:
            self.statuses[person.status, person.tone] += 1
            error = person.body_percent
            if error is not None and math.isfinite(error):
                self.body_errors.append(error)
        remarks = [*entry.remarks]
        for person in entry.people:
            remarks += person.remarks
        for about, detail in remarks:
            self.examples.setdefault(about, f"{entry.name}: {detail}" if detail else entry.name)
        self.remarks.update({about for about, _ in remarks})

    def tiles(self, seconds: float | None) -> list[tuple[str, str]]:
        """(label, value) of the totals of a run that took so long."""
        people = self._asked
        others = self.statuses.total() - people
        good = sum(count for (_, tone), count in self.statuses.items() if tone is Tone.GOOD)
        middle_error = median(self.body_errors) if self.body_errors else None
        tiles = [
            ("photos", str(self.photos)),
            *([("unreadable", str(self.unreadable))] if self.unreadable else []),
            ("people", str(people)),
            *([("not selected", str(others))] if others else []),
            ("good", f"{100 * good / people:.0f} %" if people else MISSING),
            ("median body error", _number(middle_error, 2, " %")),
        ]
        if seconds:
            tiles.append(("seconds", _number(seconds, 1)))
            tiles.append(("people per second", _number(people / seconds, 1)))
        return tiles

    def counts(self) -> list[_StatusCount]:
        """How many people have each status, the most frequent first."""
        return [
            _StatusCount(status, tone, people, self._percent(people, tone))
            for (status, tone), people in self.statuses.most_common()
        ]

    def remark_counts(self, of_all: Sequence[Remark]) -> list[_RemarkCount]:
        """Remarks on the whole run, then in how many photos there is one, by what it is about."""
        counts = [_RemarkCount(about, photos=0, example=detail) for about, detail in of_all]
        for about, photos in self.remarks.most_common():
            counts.append(_RemarkCount(about, photos, self.examples[about]))
        return counts

    @property
    def _asked(self) -> int:
        """Of how many people something was asked."""
        return sum(count for (_, tone), count in self.statuses.items() if tone is not Tone.PLAIN)

    def _percent(self, people: int, tone: Tone) -> float | None:
        return None if tone is Tone.PLAIN else 100 * people / self._asked


@dataclass(frozen=True)
class _Pages:
    """The pages of one report: the first is index.html, the others lie in pages/."""

    root: Path
    summary: Summary
    template: jinja2.Template

    def write(
        self,
        number: int,
        photos: Sequence[PhotoEntry],
        is_last: bool,
        contents: _Contents = _Contents(),
    ) -> Path:
        """Writes one page, whole or not at all; returns its path."""
        path = self._path(number)
        cards = [(entry, self._pictures(path.parent, entry)) for entry in photos]
        text = self.template.render(
            summary=self.summary,
            number=number,
            photos=cards,
            back=self._link(number, number - 1) if number > 1 else "",
            ahead="" if is_last else self._link(number, number + 1),
            tiles=contents.tiles,
            counts=contents.counts,
            remarks=contents.remarks,
            contents=contents.contents,
        )
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return path

    def table_of_contents(self, first_photos: Sequence[str]) -> list[tuple[str, str, str]]:
        """(number, first photo, address) of each page, as seen from the first."""
        if len(first_photos) == 1:
            return []
        return [
            (str(number), name, self._link(1, number))
            for number, name in enumerate(first_photos, 1)
        ]

    def remove_after(self, last: int) -> None:
        """Removes the pages of an earlier, longer report; files of other names stay."""
        for path in self._path(2).parent.glob("[0-9]*.html"):
            if path.stem.isdecimal() and int(path.stem) > last:
                path.unlink()

    def _path(self, number: int) -> Path:
        return self.root / ("index.html" if number == 1 else f"pages/{number:04d}.html")

    def _link(self, start: int, end: int) -> str:
        """The address of page `end` on page `start`."""
        return _address(self._path(end), self._path(start).parent)

    def _pictures(self, folder: Path, entry: PhotoEntry) -> list[tuple[str, str]]:
        """(caption, address) of the images of an entry, on a page in `folder`."""
        captions = {
            "Photo": entry.photo,
            "Overlay": entry.overlay,
            "Turned by 90°": entry.turned,
        }
        pictures = []
        for caption, image in captions.items():
            if image is None:
                continue
            path = self.root / image
            if not path.is_file():
                raise FileNotFoundError(f"report: the image {path} does not exist")
            pictures.append((caption, _address(path, folder)))
        return pictures


def write_report(
    out_dir: Path, entries: Iterable[PhotoEntry], summary: Summary, per_page: int = PAGE
) -> Path:
    """Writes `out_dir/index.html` and returns its path; more than `per_page` photos go on in
    `out_dir/pages/`.

    Every page appears whole or not at all and needs no network and no script; two pages of entries
    are in memory at a time. The first has the totals, so it is written last. Pages of an earlier,
    longer report are removed. Raises FileNotFoundError for an image that is not there.
    """
    pages = _Pages(out_dir, summary, _template())
    totals = _Totals()
    first_photos: list[str] = []  # their names, one of each page
    parts = _parts(entries, per_page)
    first_page = photos = next(parts, [])
    while photos:
        first_photos.append(photos[0].name)
        for entry in photos:
            totals.add(entry)
        next_photos = next(parts, [])
        number = len(first_photos)
        if number > 1:
            pages.write(number, photos, is_last=not next_photos)
        photos = next_photos
    contents = _Contents(
        tiles=totals.tiles(summary.seconds),
        counts=totals.counts(),
        remarks=totals.remark_counts(summary.remarks),
        contents=pages.table_of_contents(first_photos),
    )
    path = pages.write(1, first_page, is_last=len(first_photos) <= 1, contents=contents)
    pages.remove_after(len(first_photos))
    return path


def _parts(entries: Iterable[PhotoEntry], size: int) -> Iterator[list[PhotoEntry]]:
    """The entries of each page."""
    remaining = iter(entries)
    while part := list(itertools.islice(remaining, size)):
        yield part


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
    environment.globals["unsure"] = {
        "colour": UNSURE,
        "sure_cm": round(100 * SURE_AT),
        "full_cm": round(100 * UNSURE_AT),
    }
    return environment.get_template(TEMPLATE)


def _address(path: Path, folder: Path) -> str:
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
        ("depth ±", _number(_centimetres(person.depth_sd), 0, " cm"), ""),
        ("height", _number(person.height, 2, " m"), person.height_note),
        ("focal length", _number(person.focal, 0, " px"), person.focal_source),
        ("penetration", _number(person.penetration_mm, 1, " mm"), _triangles(person)),
        ("time", _number(person.seconds, 2, " s"), ""),
    ]


def _triangles(person: PersonEntry) -> str:
    """With how many triangles a body passes through itself; nothing where it was not measured."""
    measured = person.penetration_mm is not None and math.isfinite(person.penetration_mm)
    count = person.intersecting_triangles
    if not measured or not count:
        return ""
    return "1 triangle" if count == 1 else f"{count} triangles"


def _centimetres(metres: float | None) -> float | None:
    return None if metres is None else 100 * metres


def _number(value: float | None, digits: int = 1, unit: str = "") -> str:
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.{digits}f}{unit}"


def _css(colour: Colour | None) -> str:
    """RGB 0..1 as CSS writes it."""
    if colour is None:
        return "transparent"
    red, green, blue = (round(255 * channel) for channel in colour)
    return f"rgb({red} {green} {blue})"
