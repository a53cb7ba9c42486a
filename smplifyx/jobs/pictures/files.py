"""Which files a frame has in an output folder, and which of them show its results as they are."""

from __future__ import annotations

import hashlib
import itertools
import os
import zipfile
from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from pathlib import Path

import numpy as np

from ...core.choices import MeshFormat, Renderer
from ...core.files import open_regular
from ..result_names import safe_stem
from ..runner import FITTED
from ..store import Store, StoreError
from ..summary import Row, RowStatus, read_summary


class Picture(Enum):
    """What is drawn of a frame.

    PHOTO: with the keypoints; OVERLAY: the bodies on the photo; TURNED: the bodies from their side;
    PANEL: the last two in one picture, which is the overlay that stands on its own.
    """

    PHOTO = "photo"
    OVERLAY = "overlay"
    TURNED = "turned"
    PANEL = "panel"


HEAD = 2**13  # bytes, among which a picture or mesh says what it was made from
# arrays of a result that no picture shows
_UNSEEN = frozenset(
    f"{name}.npy"
    for name in ("seconds", "source", "image", "photo", "person_id", "notes", "versions")
)
IN_REPORT = (Picture.PHOTO, Picture.OVERLAY, Picture.TURNED)


def frames(store: Store) -> Iterator[list[Row]]:
    """The lines of summary.csv, frame by frame; it keeps those of a frame together."""
    rows = (_checked(store, row) for row in read_summary(store.summary))
    for _, own in itertools.groupby(rows, key=lambda row: row.stem):
        yield list(own)


def _checked(store: Store, row: Row) -> Row:
    """The row, or one that says why it has no place in this folder."""
    try:
        store.result(row.stem, row.person or 0)
    except StoreError as error:
        return Row(safe_stem(row.stem), None, RowStatus.UNREADABLE, str(error))
    return row


def results_of(store: Store, rows: Sequence[Row]) -> dict[int, Path]:
    """The result files of the people of a frame who were fitted, by person."""
    return {
        row.person: store.result(row.stem, row.person)
        for row in rows
        if row.person is not None and row.status in FITTED
    }


def report_pictures(store: Store, stem: str) -> dict[Picture, Path]:
    """Where the pictures of a frame lie that the report shows."""
    return {
        picture: store.inside("pictures", stem, f"{picture.value}.jpg") for picture in IN_REPORT
    }


def panel_path(store: Store, stem: str) -> Path:
    """Where the overlay of a frame lies that stands on its own."""
    return store.inside("overlays", f"{stem}.jpg")


def mesh_path(store: Store, stem: str, person: int, kind: MeshFormat) -> Path:
    """Where the mesh of a person lies."""
    return store.inside("meshes", stem, f"{person:03d}.{kind.value}")


def fingerprint(results: Collection[Path]) -> str:
    """What decides pictures and meshes of these results, as digits: all of them that can be seen.

    Clocks, and texts that nobody draws, do not count: equal fits have equal pictures, to the byte.
    """
    digest = hashlib.sha256()
    for path in results:
        try:
            digest.update(_shown(path))
        except Exception:  # whatever is broken about a file: nobody is drawn of it
            digest.update(b"unreadable")
    return digest.hexdigest()


def _shown(path: Path) -> bytes:
    """Names, lengths and checksums of the arrays of a result, as its archive lists them, and the
    length of the photo.
    """
    with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
        lines = [
            f"{member.filename} {member.file_size} {member.CRC}"
            for member in archive.infolist()
            if member.filename not in _UNSEEN
        ]
        with archive.open("image.npy") as member:
            image = str(np.lib.format.read_array(member, allow_pickle=False))
    lines.append(f"photo {_length(image)}")
    return "\n".join(lines).encode()


def _length(image: str) -> int:
    """Bytes of a photo; 0 where there is none."""
    try:
        return os.stat(image).st_size if image else 0
    except (OSError, ValueError):
        return 0


def made_from_note(made_from: str, renderer: Renderer | None = None) -> str:
    """What a picture or mesh carries of its fingerprint, and of what drew it, as a comment near its
    beginning.
    """
    drawn_by = f" by {renderer.value}" if renderer else ""
    return f"smplifyx made from {made_from}{drawn_by}"


def has_note(path: Path, note: str) -> bool:
    """Whether a picture or mesh carries that note; one without a renderer holds for any."""
    try:
        with open_regular(path) as stream:
            return note.encode() in stream.read(HEAD)
    except OSError:
        return False


def drawn_pictures(store: Store, rows: Sequence[Row]) -> dict[Picture, Path]:
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
