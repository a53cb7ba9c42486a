"""The table of a job: one row for every person of the input, whatever became of them."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..core.npz import TEMPORARY, replacing
from ..fitting.quality import confident_body_points, reprojection_percent, reprojection_px
from ..fitting.result import FitResult, FitStatus


class RowStatus(Enum):
    """What became of a row of the input."""

    OK = "ok"
    LOW_EVIDENCE = "low_evidence"  # fitted; fewer than 8 confident body keypoints
    POOR = "poor"  # fitted; the body does not lie on its keypoints
    FAILED = "failed"  # tried; no finite solution or an error
    NOT_SELECTED = "not_selected"
    NO_PEOPLE = "no_people"  # the whole frame
    UNREADABLE = "unreadable"  # the whole frame


@dataclass(frozen=True)
class Row:
    """One line of summary.csv.

    Errors are medians over the seen points, in pixels and in percent of the keypoint box's
    diagonal. seconds: the person's share of its batch's time. focal: pixels, as fitted.
    shape_determined: the share 0..1 of what was unknown about the shape that the evidence told;
    stature_sd_m: how well the stature is known. penetration_mm: how deep the deepest vertex lies
    inside another part of the body; intersecting_triangles: how many cut another part.
    """

    stem: str
    person: int | None  # None: the row is about the whole frame
    status: RowStatus
    reason: str = ""
    body_px: float = math.nan
    hands_px: float = math.nan
    face_px: float = math.nan
    body_percent: float = math.nan
    hands_percent: float = math.nan
    face_percent: float = math.nan
    energy: float = math.nan
    gap: float = math.nan
    steps: int | None = None
    seconds: float = math.nan
    gender: str = ""
    confident_keypoints: int | None = None
    focal: float = math.nan
    focal_source: str = ""
    image_size_source: str = ""
    age: str = ""
    stature_m: float = math.nan
    stature_sd_m: float = math.nan
    shape_determined: float = math.nan
    penetration_mm: float = math.nan
    intersecting_triangles: int | None = None


COLUMNS = tuple(f.name for f in dataclasses.fields(Row))
REASONS = {
    FitStatus.LOW_EVIDENCE: "fewer than 8 confident body keypoints",
    FitStatus.POOR: "median body error above 4 % of the keypoint box",
    FitStatus.FAILED: "no finite solution",
}


def row_of(stem: str, result: FitResult) -> Row:
    """The row of one fitted person; the same from memory and from its file."""
    px = reprojection_px(result.keypoints, result.points2d)
    percent = reprojection_percent(result.keypoints, result.points2d)
    status, origin, penetration = FitStatus(int(result.status)), result.origin, result.penetration
    measured = (float(penetration.depth_mm), int(penetration.triangles)) if penetration else ()
    return Row(
        stem,
        origin.person,
        RowStatus[status.name],
        REASONS.get(status, ""),
        float(px.body),
        float(px.hands),
        float(px.face),
        float(percent.body),
        float(percent.hands),
        float(percent.face),
        float(result.energy),
        float(result.gap),
        int(result.steps),
        origin.seconds,
        result.provenance.gender,
        int(confident_body_points(result.keypoints)),
        float(result.camera.focal.mean()),
        origin.K_source,
        origin.image_size_source,
        result.provenance.age,
        float(result.shape.stature),
        float(result.shape.stature_sd),
        float(result.shape.determined),
        *measured,
    )


class SummaryWriter:
    """Rows written one by one to a temporary file that becomes summary.csv when the block ends
    without an error.

    Use as a context manager; memory does not grow with the rows.
    """

    def __init__(self, path: Path) -> None:
        self._replacing = replacing(path)

    def __enter__(self) -> SummaryWriter:
        self._stream = open(self._replacing.__enter__(), "w", newline="", encoding="utf-8")
        self._csv = csv.writer(self._stream)
        self._csv.writerow(COLUMNS)
        return self

    def write(self, row: Row) -> None:
        """Appends a row."""
        self._csv.writerow([_cell(getattr(row, name)) for name in COLUMNS])

    def __exit__(self, *fault: object) -> None:
        self._stream.close()
        self._replacing.__exit__(*fault)


def read_summary(path: Path) -> Iterator[Row]:
    """The rows of a summary.csv; columns that one of an older version lacks are empty."""
    with open(path, newline="", encoding="utf-8") as stream:
        for cells in csv.DictReader(stream):
            yield Row(
                **{f.name: _value(f.type, cells.get(f.name, "")) for f in dataclasses.fields(Row)}
            )


def is_temporary(path: Path) -> bool:
    """Whether a file is the half-written form of another, left by a run that was killed."""
    return path.name.startswith(".") and path.name.endswith(TEMPORARY)


def _cell(value: str | float | int | RowStatus | None) -> str:
    if isinstance(value, RowStatus):
        return value.value
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return "" if value is None else str(value)


def _value(kind: str, cell: str) -> str | float | int | RowStatus | None:
    """A cell as the type that `Row` annotates, whose annotations are strings."""
    if kind == "RowStatus":
        return RowStatus(cell)
    if kind == "float":
        return float(cell) if cell else math.nan
    if kind.startswith("int"):
        return int(cell) if cell else None
    return cell
