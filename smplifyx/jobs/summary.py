"""The table of a job: one line for every person of the input, whatever became of them."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

import torch

from ..core.files import open_regular
from ..core.messages import cell, one_line, plain, uncell
from ..core.npz import replacing
from ..fitting.joint_depth import depth_sd
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
    UNFINISHED = "unfinished"  # the whole job: it ended before its input did


FITTED = (RowStatus.OK, RowStatus.LOW_EVIDENCE, RowStatus.POOR)  # there is a result


@dataclass(frozen=True)
class Row:
    """One line of summary.csv.

    Errors are medians over the seen points, in pixels and in percent of the keypoint box's
    diagonal. seconds: the person's share of its batch's time. focal: pixels, as fitted.
    shape_determined: the share 0..1 of what was unknown about the shape that the evidence told;
    stature_sd_m: how well the stature is known; depth_sd_m: how well depths within the body are
    (see `depth_sd`). person_id: what the keypoint file calls the person; photo: the image's name as
    the input writes it; notes: what its owner should know of how the input was read.
    gender_source, gender_probability: who said whose body it is, and how sure (see `Origin`).
    penetration_mm: how deep the deepest vertex lies inside another part of the body;
    intersecting_triangles: how many cut another part. start_source: the network whose prediction
    the fit began with; start_error, end_error: percent of the box, moved_mm: see `StartCheck`;
    kept_start: yes where the prediction was better and is the result, else no. track: the person's
    in a fitted video; None: fitted alone.
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
    depth_sd_m: float = math.nan
    penetration_mm: float = math.nan
    intersecting_triangles: int | None = None
    start_source: str = ""
    start_error: float = math.nan
    end_error: float = math.nan
    moved_mm: float = math.nan
    kept_start: str = ""
    person_id: str = ""
    photo: str = ""
    notes: str = ""
    gender_source: str = ""
    gender_probability: float = math.nan
    track: int | None = None


_FIELDS = dataclasses.fields(Row)
COLUMNS = tuple(field.name for field in _FIELDS)
MOST_PEOPLE = 1_000_000  # of a frame: no file that is read has more
LONGEST_LINE = 2**17  # characters that are taken at once; our lines have some hundred
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
        depth_sd_m=float(depth_sd(result)),
        penetration_mm=float(penetration.depth_mm) if penetration else math.nan,
        intersecting_triangles=int(penetration.triangles) if penetration else None,
        **_start_cells(result),
        person_id=result.origin.person_id,
        photo=result.origin.photo,
        notes=result.origin.notes,
        gender_source=result.origin.gender_source,
        gender_probability=_or_nan(result.origin.gender_probability),
        track=result.origin.track,
    )


def _start_cells(result: FitResult) -> dict[str, Any]:
    """The columns about the prediction; empty where there was none."""
    start = result.start
    if start is None or not result.origin.start_source:
        return {}
    return {
        "start_source": result.origin.start_source,
        "start_error": float(start.start_error),
        "end_error": float(start.end_error),
        "moved_mm": float(start.moved_mm),
        "kept_start": "yes" if start.kept else "no",
    }


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


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
    """Gives a writer to a temporary file that becomes `path` when the block ends.

    Where the block ends with an error, the table has what is known up to there and a last line,
    UNFINISHED, that says why; the error goes on.
    """
    stopped: BaseException | None = None
    try:
        with (
            replacing(path) as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as stream,
        ):
            writer = SummaryWriter(stream)
            try:
                yield writer
            except BaseException as error:
                stopped = error
                writer.write(_unfinished(error))
    except OSError:
        if stopped is None:
            raise
        # a full disk, most likely: what stopped the job says more, and an older table stays
    if stopped is not None:
        raise stopped


def _unfinished(error: BaseException) -> Row:
    """The last line of a job that was stopped; its stem is empty, as no frame's is."""
    named = f"{type(error).__name__}: {one_line(error, limit=300)}"
    reason = f"stopped here ({named}); the same command goes on where it was"
    return Row("", None, RowStatus.UNFINISHED, reason)


def read_summary(path: Path) -> Iterator[Row]:
    """The lines of a summary.csv but for UNFINISHED; columns that one of an older version lacks
    are empty.

    A line that is none of ours costs itself: an UNREADABLE row that says which, and why. Raises
    ValueError, one line, where the file is no such table at all, and OSError.
    """
    # as `csv` reads a file: line ends stay, so that those within quotes come back
    with io.TextIOWrapper(open_regular(path), "utf-8", "replace", newline="") as stream:
        lines = csv.reader(iter(lambda: stream.readline(LONGEST_LINE), ""))
        try:
            columns = next(lines, [])
        except csv.Error:
            columns = []
        if not {"stem", "person", "status"} <= set(columns):
            raise ValueError(f"{path}: not a summary of smplifyx: no columns stem, person, status")
        while True:
            try:
                cells = next(lines)
            except StopIteration:
                return
            except csv.Error as error:
                yield _unreadable(lines.line_num, error)
                continue
            if not cells:  # an empty line
                continue
            try:
                row = _row(dict(zip(columns, cells, strict=False)))
            except ValueError as error:
                yield _unreadable(lines.line_num, error)
                continue
            if row.status is not RowStatus.UNFINISHED:
                yield row


def _row(cells: Mapping[str, str]) -> Row:
    """A line by its columns. Raises ValueError for what no line of ours has."""
    # Any: what `_value` gives is of the type that the field annotates.
    values: dict[str, Any] = {
        field.name: _value(str(field.type), cells.get(field.name, "")) for field in _FIELDS
    }
    row = Row(**values)
    if row.person is None and row.status in FITTED:
        raise ValueError(f"no person, but {row.status.value}")
    if row.person is not None and not 0 <= row.person <= MOST_PEOPLE:
        raise ValueError(f"person: expected 0..{MOST_PEOPLE}")
    return row


def _unreadable(line: int, error: Exception) -> Row:
    reason = f"line {line} of summary.csv cannot be read: {one_line(error)}"
    return Row(f"summary.csv-{line}", None, RowStatus.UNREADABLE, reason)


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
    return plain(uncell(content))
