"""The table beside a dataset's file: what none of the formats can carry, a line for each row."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import math
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ..core.messages import cell
from ..core.npz import replacing
from ..fitting.result import FitStatus
from ..keypoints import names
from .dataset_rows import DatasetPerson, DatasetRows
from .reader_body import ReaderBody

SUFFIX = ".rows.csv"
COLUMNS = (
    "id", "image", "status", "body", "left_hand", "right_hand", "face", "shape", "reasons",
    "sigma_body", "sigma_left_hand", "sigma_right_hand", "focal", "center_x", "center_y",
    "gender", "gender_source", "gender_probability", "age", "start_source", "kept_start",
    "model", "model_sha256", "kid_sha256", "preset", "pose_prior", "keypoints", "keypoints_sha256",
    "smplifyx", "torch",
)  # fmt: skip
_SIGMAS = MappingProxyType(
    {
        "sigma_body": names.BODY,
        "sigma_left_hand": names.LEFT_HAND,
        "sigma_right_hand": names.RIGHT_HAND,
    }
)


def write_part(piece: Path, rows: DatasetRows, reader: ReaderBody) -> None:
    """Writes the lines of a block's people beside a piece of that name.

    sigma: the mean of `DatasetRows.sigma` over a part's points, pixels of a crop of 256.
    """
    parts = {name: rows.sigma[:, points] for name, points in _SIGMAS.items()}
    sigmas = {name: values.mean(-1).tolist() for name, values in parts.items()}
    flags = {name: values.tolist() for name, values in reader.verdicts(rows).items()}
    keypoints = rows.keypoints.to_array().cpu().numpy()
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    for number, person in enumerate(rows.people):
        cells = _of_person(person, reader)
        cells["keypoints_sha256"] = _digest(keypoints[number])
        cells |= {name: _number(values[number]) for name, values in sigmas.items()}
        cells |= {name: str(int(values[number])) for name, values in flags.items()}
        lines.writerow([_cell(cells[name]) for name in COLUMNS])
    path = piece.with_name(f"{piece.name}{SUFFIX}")
    path.write_text(text.getvalue(), encoding="utf-8")


def assemble(parts: Sequence[Path], target: Path) -> Path:
    """The table of a whole file, `TARGET.rows.csv`: the lines of its parts, numbered from 0.

    parts: what `write_part` was given as `piece`.
    """
    path = target.with_name(f"{target.name}{SUFFIX}")
    number = 0
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        stream.write(_line(["row", *COLUMNS]))
        for part in parts:
            # no cell has a line break: `cell` sees to it
            for line in open(part.with_name(f"{part.name}{SUFFIX}"), encoding="utf-8"):
                stream.write(f"{number},{line}")
                number += 1
    return path


def remove(target: Path) -> None:
    """Removes the table of a file that is no longer made. Raises OSError."""
    target.with_name(f"{target.name}{SUFFIX}").unlink(missing_ok=True)


def _of_person(person: DatasetPerson, reader: ReaderBody) -> dict[str, str]:
    result = person.result
    made, origin = result.provenance, result.origin
    probability = origin.gender_probability
    reasons = [reason for reason in (person.kept.reasons, reader.why_not(person.body)) if reason]
    K = result.camera.K
    return {
        "id": person.id,
        "image": person.image,
        "status": FitStatus(int(result.status)).name.lower(),
        "reasons": "; ".join(reasons),
        "focal": f"{float(K[0, 0]):.7g}",
        "center_x": f"{float(K[0, 2]):.7g}",
        "center_y": f"{float(K[1, 2]):.7g}",
        "gender": made.gender,
        "gender_source": origin.gender_source,
        "gender_probability": "" if probability is None else f"{probability:.4g}",
        "age": made.age,
        "start_source": origin.start_source,
        "kept_start": "" if result.start is None else str(int(bool(result.start.kept))),
        "model": made.model_name,
        "model_sha256": made.model_sha256,
        "kid_sha256": made.kid_sha256,
        "preset": made.preset,
        "pose_prior": made.pose_prior,
        "keypoints": origin.source,
        "smplifyx": made.versions.get("smplifyx", ""),
        "torch": made.versions.get("torch", ""),
    }


def _digest(array: np.ndarray) -> str:
    """Of the numbers that were fitted: the same person in another file is found by it."""
    return hashlib.sha256(np.ascontiguousarray(array, "<f4").tobytes()).hexdigest()


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"


@functools.lru_cache(maxsize=4096)  # most are the same for many people
def _cell(text: str) -> str:
    return cell(text)


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cell(one) for one in cells)
    return text.getvalue()
