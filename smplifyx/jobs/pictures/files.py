"""Which files a frame has in an output folder, and which of them are older than their results."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from pathlib import Path

from ...core.choices import MeshFormat
from ..runner import FITTED
from ..store import Store
from ..summary import Row, read_summary


class Picture(Enum):
    """What is drawn of a frame.

    PHOTO: with the keypoints; OVERLAY: the bodies on the photo; TURNED: the bodies from their side;
    PANEL: the last two in one picture, which is the overlay that stands on its own.
    """

    PHOTO = "photo"
    OVERLAY = "overlay"
    TURNED = "turned"
    PANEL = "panel"


IN_REPORT = (Picture.PHOTO, Picture.OVERLAY, Picture.TURNED)


def frames(store: Store) -> Iterator[list[Row]]:
    """The lines of summary.csv, frame by frame; it keeps those of a frame together."""
    for _, rows in itertools.groupby(read_summary(store.summary), key=lambda row: row.stem):
        yield list(rows)


def results_of(store: Store, rows: Sequence[Row]) -> dict[int, Path]:
    """The result files of the people of a frame who were fitted, by person."""
    return {
        row.person: store.result(row.stem, row.person)
        for row in rows
        if row.person is not None and row.status in FITTED
    }


def report_pictures(store: Store, stem: str) -> dict[Picture, Path]:
    """Where the pictures of a frame lie that the report shows."""
    folder = store.root / "pictures" / stem
    return {picture: folder / f"{picture.value}.jpg" for picture in IN_REPORT}


def panel_path(store: Store, stem: str) -> Path:
    """Where the overlay of a frame lies that stands on its own."""
    return store.root / "overlays" / f"{stem}.jpg"


def mesh_path(store: Store, stem: str, person: int, kind: MeshFormat) -> Path:
    """Where the mesh of a person lies."""
    return store.root / "meshes" / stem / f"{person:03d}.{kind.value}"


def is_newer(path: Path, results: Collection[Path]) -> bool:
    """Whether a file was made after all of the results it shows."""
    try:
        made = path.stat().st_mtime_ns
        return all(result.stat().st_mtime_ns <= made for result in results)
    except FileNotFoundError:
        return False
