"""How far starts and fits lie from 3D truth, for people of whom there is some."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.loading.files import load_body
from ..evaluation.metrics import pa_mpjpe, root_aligned_mpjpe
from ..evidence.pose_estimate import PoseEstimate
from ..fitting.result import FitResult
from ..keypoints import names
from ..predictions.estimating import predicted_points
from ..readers.frames import Frame
from .starts import StartTable
from .store import Store
from .summary import Row

ROOT = names.POINT_INDEX["mid_hip"]
LEAST_POINTS = 4  # fewer lie on each other after any alignment


@dataclass(frozen=True)
class TruthErrors:
    """Errors in mm of one person's start and fit over the body points that truth, start and fit
    have.

    start_mpjpe, fit_mpjpe: with mid_hip moved onto the true one; NaN where that is not among the
        points.
    """

    start_source: str
    start_pa: float
    start_mpjpe: float
    fit_pa: float
    fit_mpjpe: float


def truth_table(source: Path, model: Path | None) -> StartTable:
    """The truth of a file or folder; model: the body model of the job. Raises PredictionError, one
    line, where nothing can be read.
    """
    return StartTable.read(source, load_body(model))


def truth_errors(store: Store, rows: Sequence[Row], truth: StartTable) -> Iterator[TruthErrors]:
    """Those of all people who began with a prediction and of whom there is truth.

    rows: of fitted people, frame after frame. truth: read as predictions are; whose it is is told
    by the frame and by where it lies on the keypoints.
    """
    for stem, of_frame in groupby(rows, key=lambda row: row.stem):
        people = [row for row in of_frame if row.person is not None and row.start_source]
        found = [store.existing(stem, row.person) for row in people if row.person is not None]
        results = [result for result in found if result is not None]
        if not results:
            continue
        frame = Frame(stem, Path(), photo=people[0].photo)
        camera = results[0].camera
        matches = truth.matches(frame, [result.keypoints for result in results], camera)
        everybody = truth.of(frame)
        for result, (match, _) in zip(results, matches, strict=True):
            if match.place is None:
                continue
            (points,) = predicted_points([everybody[match.place]], truth.body)
            errors = _errors(result, points)
            if errors is not None:
                yield errors


def _errors(result: FitResult, truth: Float[Tensor, "137 3"]) -> TruthErrors | None:
    """None where too few points are known of all three."""
    start = result.evidence[PoseEstimate].placed
    bodies = [points[names.BODY].double() for points in (start, result.points3d, truth)]
    known = torch.stack(bodies).isfinite().all(-1).all(0)
    if int(known.sum()) < LEAST_POINTS:
        return None
    of_start, of_fit, of_truth = (points[known] for points in bodies)
    start_mpjpe = fit_mpjpe = math.nan
    if known[ROOT]:
        root = int(known[:ROOT].sum())
        start_mpjpe = float(root_aligned_mpjpe(of_start, of_truth, root))
        fit_mpjpe = float(root_aligned_mpjpe(of_fit, of_truth, root))
    return TruthErrors(
        result.origin.start_source,
        float(pa_mpjpe(of_start, of_truth)),
        start_mpjpe,
        float(pa_mpjpe(of_fit, of_truth)),
        fit_mpjpe,
    )
