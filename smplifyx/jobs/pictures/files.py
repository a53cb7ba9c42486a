"""Which files a frame has in an output folder, and which of them are older than their results."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from pathlib import Path

from ..runner import FITTED
from ..store import Store
from ..summary import Row, read_summary


class Picture(Enum):
    """What is drawn of a frame: three pictures for the report, and in one the last two as the
    overlay on its own.
    """

    PHOTO = "photo"  # with the keypoints
    OVERLAY = "overlay"
    TURNED = "turned"
    PANEL = "panel"


def frames(store: Store) -> Iterator[list[Row]]:
    """The rows of each frame; summary.csv keeps those of a frame together."""
    for _, rows in itertools.groupby(read_summary(store.summary), key=lambda row: row.stem):
        yield list(rows)


def results_of(store: Store, rows: Sequence[Row]) -> dict[int, Path]:
    """The files of the people of a frame who were fitted."""
    return {row.person: store.result(row.stem, row.person) for row in rows if row.status in FITTED}


def report_pictures(store: Store, stem: str) -> dict[Picture, Path]:
    """Where the pictures of a frame lie that the report shows."""
    folder = store.root / "pictures" / stem
    return {p: folder / f"{p.value}.jpg" for p in (Picture.PHOTO, Picture.OVERLAY, Picture.TURNED)}


def is_newer(path: Path, results: Collection[Path]) -> bool:
    """Whether a file was made after all of the results it shows."""
    try:
        made = path.stat().st_mtime_ns
        return all(result.stat().st_mtime_ns <= made for result in results)
    except FileNotFoundError:
        return False
