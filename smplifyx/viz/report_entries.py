"""What a report shows: photos, people, and what is to be known of them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .shade import Colour


class Tone(enum.Enum):
    """The colour of a status badge."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    PLAIN = "plain"  # nothing was asked of such a person


class Remark(NamedTuple):
    """Something that readers of a report should know of a photo or a person.

    about: a fixed phrase, so that remarks of one kind can be counted; detail: what is so of this
    one.
    """

    about: str
    detail: str = ""


@dataclass(frozen=True)
class PersonEntry:
    """The line of one person; a number that is None or not finite is shown as a dash.

    person: index of the person in the photo.
    name: what the input calls it.
    status, tone: what became of it, and the colour of that badge.
    note: says in words what the status leaves open.
    remarks: on how this person was read.
    colour: RGB 0..1, the one of the overlay.
    body_percent, hands_percent, face_percent: median reprojection errors in percent of the person's
        size.
    energy_gap: the second-best hypothesis's energy minus the best one's.
    height, height_note: metres, and a remark on them.
    depth_sd: standard deviation of the joints' depths, metres.
    focal, focal_source: pixels, and where they come from.
    seconds: of computing.
    penetration_mm: how deep the body passes through itself.
    intersecting_triangles: how many of its triangles do.
    """

    person: int
    status: str
    tone: Tone
    name: str = ""
    note: str = ""
    remarks: tuple[Remark, ...] = ()
    colour: Colour | None = None
    body_percent: float | None = None
    hands_percent: float | None = None
    face_percent: float | None = None
    energy_gap: float | None = None
    height: float | None = None
    height_note: str = ""
    depth_sd: float | None = None
    focal: float | None = None
    focal_source: str = ""
    seconds: float | None = None
    penetration_mm: float | None = None
    intersecting_triangles: int | None = None


@dataclass(frozen=True)
class PhotoEntry:
    """The card of one photo.

    name: its title.
    people: in the order of their lines.
    photo, overlay, turned: images that are there already, absolute or relative to the report's
        folder; None = not drawn.
    note: a remark on the whole photo.
    remarks: on how the whole photo was read.
    is_unreadable: nobody knows who is in it.
    """

    name: str
    people: tuple[PersonEntry, ...]
    photo: Path | None = None
    overlay: Path | None = None
    turned: Path | None = None
    note: str = ""
    remarks: tuple[Remark, ...] = ()
    is_unreadable: bool = False


@dataclass(frozen=True)
class Summary:
    """The head of the report.

    title: of the pages.
    seconds: wall time of the run.
    facts: (name, value) of, for example, model and preset.
    remarks: that are of no single photo.
    """

    title: str
    seconds: float | None = None
    facts: tuple[tuple[str, str], ...] = ()
    remarks: tuple[Remark, ...] = ()
