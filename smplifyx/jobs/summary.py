"""The table of a job: one line for every person of the input, whatever became of them."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

import torch

from ..core.messages import cell, uncell
from ..core.npz import TEMPORARY, replacing
from ..fitting.quality import (
    FAR_PERCENT,
    MOST_FAR,
    confident_body_points,
    far_share,
    reprojection_percent,
    reprojection_px,
)
from ..fitting.result import FitResult, FitStatus


class RowStatus(Enum):
    """What became of a person, or of a frame without people."""

    OK = "ok"
    LOW_EVIDENCE = "low_evidence"  # fitted; fewer than 8 confident body keypoints
    POOR = "poor"  # fitted; the body does not lie on its keypoints
    FAILED = "failed"  # tried; no finite solution or an error
    NOT_SELECTED = "not_selected"
    NO_PEOPLE = "no_people"  # the whole frame
    UNREADABLE = "unreadable"  # the whole frame, or a person of it


FITTED = (RowStatus.OK, RowStatus.LOW_EVIDENCE, RowStatus.POOR)  # there is a result


@dataclass(frozen=True)
class Row:
    """One line of summary.csv.

    Errors are medians over the seen points, in pixels and in percent of the keypoint box's
    diagonal. seconds: the person's share of its batch's time. focal: pixels, as fitted.
    shape_determined: the share 0..1 of what was unknown about the shape that the evidence told;
    stature_sd_m: how well the stature is known. person_id: what the keypoint file calls the person;
    photo: the image's name as the input writes it; notes: what its owner should know of how the
    input was read. penetration_mm: how deep the deepest vertex lies
    inside another part of the body; intersecting_triangles: how many cut another part.
    """

    stem: str
    person: int | None  # None: the line is about the whole frame
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
    person_id: str = ""
    photo: str = ""
    notes: str = ""


COLUMNS = tuple(f.name for f in dataclasses.fields(Row))
REASONS = {
    FitStatus.LOW_EVIDENCE: "fewer than 8 confident body keypoints",
    FitStatus.POOR: "median body error above 4 % of the keypoint box",
    FitStatus.FAILED: "no finite solution",
}


def believed(result: FitResult) -> FitResult:
    """The result with the status it deserves where its keypoints were probably misread: a body that
    lies on them is a good fit of something else, POOR.
    """
    if not result.origin.doubt or int(result.status) == FitStatus.FAILED:
        return result
    return result.replace(status=torch.full_like(result.status, int(FitStatus.POOR)))


def row_of(stem: str, result: FitResult) -> Row:
    """The line of one fitted person; the same from memory and from its file."""
    px = reprojection_px(result.keypoints, result.points2d)
    percent = reprojection_percent(result.keypoints, result.points2d)
    status = FitStatus(int(result.status))
    penetration = result.penetration
    return Row(
        stem=stem,
        person=result.origin.person,
        status=RowStatus[status.name],
        reason=_reason(result, status),
        body_px=float(px.body),
        hands_px=float(px.hands),
        face_px=float(px.face),
        body_percent=float(percent.body),
        hands_percent=float(percent.hands),
        face_percent=float(percent.face),
        energy=float(result.energy),
        gap=float(result.gap),
        steps=int(result.steps),
        seconds=result.origin.seconds,
        gender=result.provenance.gender,
        confident_keypoints=int(confident_body_points(result.keypoints)),
        focal=float(result.camera.focal.mean()),
        focal_source=result.origin.K_source,
        image_size_source=result.origin.image_size_source,
        age=result.provenance.age,
        stature_m=float(result.shape.stature),
        stature_sd_m=float(result.shape.stature_sd),
        shape_determined=float(result.shape.determined),
        penetration_mm=float(penetration.depth_mm) if penetration else math.nan,
        intersecting_triangles=int(penetration.triangles) if penetration else None,
        person_id=result.origin.person_id,
        photo=result.origin.photo,
        notes=result.origin.notes,
    )


def _reason(result: FitResult, status: FitStatus) -> str:
    """Why a person is not `ok`; empty for one who is."""
    if status is FitStatus.POOR:
        return (
            result.origin.doubt
            or result.plausibility.reason()
            or _missed(result)
            or REASONS[status]
        )
    return REASONS.get(status, "")


def _missed(result: FitResult) -> str:
    """How many points are far from a body that lies on half of them; empty for too few to tell."""
    share = float(far_share(result.keypoints, result.points2d))
    if not share > MOST_FAR:
        return ""
    confident = int(confident_body_points(result.keypoints))
    far = round(share * confident)
    return (
        f"{far} of {confident} confident body keypoints lie more than "
        f"{FAR_PERCENT:g} % of the keypoint box from the body"
    )


class SummaryWriter:
    """Writes a summary.csv to a stream, line by line; memory does not grow with the lines."""

    def __init__(self, stream: TextIO) -> None:
        self._csv = csv.writer(stream)
        self._csv.writerow(COLUMNS)

    def write(self, row: Row) -> None:
        """Appends a line."""
        self._csv.writerow([_cell(getattr(row, name)) for name in COLUMNS])


@contextlib.contextmanager
def writing_summary(path: Path) -> Iterator[SummaryWriter]:
    """Gives a writer to a temporary file that becomes `path` when the block ends without an
    error.
    """
    with (
        replacing(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as stream,
    ):
        yield SummaryWriter(stream)


def read_summary(path: Path) -> Iterator[Row]:
    """The lines of a summary.csv; columns that one of an older version lacks are empty."""
    fields = dataclasses.fields(Row)
    with open(path, newline="", encoding="utf-8") as stream:
        for cells in csv.DictReader(stream):
            # Any: what `_value` gives is of the type that the field annotates.
            values: dict[str, Any] = {
                field.name: _value(str(field.type), cells.get(field.name, "")) for field in fields
            }
            yield Row(**values)


def is_temporary(path: Path) -> bool:
    """Whether a file is the half-written form of another, left by a run that was killed."""
    return path.name.startswith(".") and path.name.endswith(TEMPORARY)


def _cell(value: str | float | int | RowStatus | None) -> str:
    if isinstance(value, RowStatus):
        return value.value
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return "" if value is None else cell(str(value))


def _value(kind: str, content: str) -> str | float | int | RowStatus | None:
    """A cell as the type that `Row` annotates, whose annotations are strings."""
    if kind == "RowStatus":
        return RowStatus(content)
    if kind == "float":
        return float(content) if content else math.nan
    if kind.startswith("int"):
        return int(content) if content else None
    return uncell(content)
