"""A static page on which somebody accepts or rejects people one by one, and saves that as JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import jinja2

from ..core.npz import replacing
from ..keypoints import names
from .shade import Colour

TEMPLATE = "gate_sheet.html.j2"
PER_PAGE = 48  # people whose pictures are there at once
_LIMBS = (
    ("nose", "neck", "mid_hip"),
    ("right_wrist", "right_elbow", "right_shoulder", "neck"),
    ("left_wrist", "left_elbow", "left_shoulder", "neck"),
    ("right_big_toe", "right_ankle", "right_knee", "right_hip", "mid_hip"),
    ("left_big_toe", "left_ankle", "left_knee", "left_hip", "mid_hip"),
    ("right_heel", "right_ankle"),
    ("left_heel", "left_ankle"),
    ("right_ear", "right_eye", "nose", "left_eye", "left_ear"),
)
# pairs of body points that a line joins
BONES = tuple(
    (names.POINT_INDEX[start], names.POINT_INDEX[end])
    for limb in _LIMBS
    for start, end in zip(limb, limb[1:], strict=False)
)
Places = Sequence[Sequence[float] | None]  # (x, y) 0..1 in a square; None: not known


@dataclass(frozen=True)
class SheetEntry:
    """The card of one person.

    stem, person: the frame, and the place in it. kept, reasons, score, by: the verdict, reasons by
    part. figures: (name, value). overlay: a picture of the frame that is there already, of which
    the card shows crop: left, top, width and height by the picture's sides. turned: one that shows
    this person alone. keypoints, front, side: the 25 body points as seen, as fitted, and as fitted
    from the side, each in a square; none for people without a body. colour: RGB 0..1, the one of
    the overlay.
    """

    stem: str
    person: int
    kept: bool
    reasons: Mapping[str, str] = field(default_factory=dict)
    score: float = math.nan
    by: str = ""
    figures: Sequence[tuple[str, str]] = ()
    overlay: Path | None = None
    turned: Path | None = None
    crop: tuple[float, float, float, float] | None = None
    keypoints: Places = ()
    front: Places = ()
    side: Places = ()
    colour: Colour | None = None


@dataclass(frozen=True)
class Sheet:
    """The head of the page.

    gate, summary: its name, and what it is. file_name: under which the page saves decisions.
    """

    title: str
    gate: str
    summary: str
    file_name: str


def write_sheet(path: Path, sheet: Sheet, entries: Iterable[SheetEntry]) -> Path:
    """Writes the page, whole or not at all, and returns its path.

    It works from the disk, needs no network, and makes the cards of one page at a time, so that
    thousands of people are no burden. Decisions are kept by the browser until they are saved.
    """
    cards = [_card(entry, path.parent) for entry in entries]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    content = {
        "title": sheet.title,
        "gate": sheet.gate,
        "file": sheet.file_name,
        "perPage": PER_PAGE,
        "bones": BONES,
        "people": cards,
    }
    page = environment.get_template(TEMPLATE).render(sheet=sheet, content=_embedded(content))
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _embedded(content: object) -> str:
    """JSON that may stand within a script element, whatever the names of files in it."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _card(entry: SheetEntry, folder: Path) -> dict[str, object]:
    """A card as the page's script reads it."""
    return {
        "stem": entry.stem,
        "person": entry.person,
        "kept": entry.kept,
        "reasons": dict(entry.reasons),
        "score": entry.score if math.isfinite(entry.score) else None,
        "by": entry.by,
        "figures": list(entry.figures),
        "overlay": _address(entry.overlay, folder),
        "turned": _address(entry.turned, folder),
        "crop": entry.crop,
        "keypoints": list(entry.keypoints),
        "front": list(entry.front),
        "side": list(entry.side),
        "colour": [round(255 * channel) for channel in entry.colour or ()],
    }


def _address(image: Path | None, folder: Path) -> str:
    """The address of a picture on a page in `folder`; "" where there is none."""
    if image is None:
        return ""
    return quote(Path(os.path.relpath(image, folder)).as_posix())
