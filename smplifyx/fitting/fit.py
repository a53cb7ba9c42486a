"""The short way: keypoints and cameras in, bodies out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..body.model import BodyModel
from ..camera import Camera
from ..config import FitConfig, as_preset
from ..core.bundle import Bundle
from ..keypoints import Keypoints
from ..predictions.estimating import estimated
from ..predictions.prediction import Prediction
from ..terms.scene import WeightedTerm
from .fitter import Fitter
from .given import Given
from .result import FitResult
from .setup import setup_of


def fit(
    keypoints: Keypoints | Tensor | np.ndarray | Sequence[Any],
    camera: Camera | Sequence[Camera],
    body: BodyModel,
    config: FitConfig | str | Path | None = None,
    extra_terms: Sequence[WeightedTerm] = (),
    height: Tensor | np.ndarray | Sequence[float | None] | float | int | None = None,
    start: Prediction | Sequence[Prediction | None] | None = None,
) -> FitResult:
    """Fits a body to every person of a batch.

    keypoints: people [batch] (see `Keypoints`), on the body's device, or what
        `Keypoints.from_array` takes. One person without a batch axis gives a result without one;
        nobody gives a result of nobody.
    camera: one for each person, or one for all.
    config: a preset, by its name too (see `load_preset`); the default is `smplx`.
    extra_terms: terms of your own, added to every stage (see `terms.scene`; the body's 25 points
        come first in `scene[POINTS]`).
    height: statures in metres, one for all or one each, NaN or None where one is not known.
    start: what a network predicted of each person (see `predictions.read_predictions`), None for
        those of whom it predicted nothing. It begins the fit and counts by its errors; the result's
        `start` says how the two compare. One that is of somebody else is left out: `start` is NaN.

    Rows are independent: a person gets the same body alone or in company, and one that cannot be
    fitted gets the status FAILED. On a CPU as many pieces of the batch are fitted at once as torch
    has threads (`torch.set_num_threads`), and memory stops growing with the batch. Raises
    ValueError, one line that says what to pass, where the batches differ, where a camera cannot be,
    and for what is none of these.

    A `Fitter` does the same with any evidence, bodies to begin with, and reports of every stage.
    """
    given = Given.of(keypoints, camera, body, height)
    fitter = Fitter(setup_of(body, as_preset(config)))
    evidence: list[Bundle] = [given.height]
    if start is not None:
        predictions = [start] if isinstance(start, Prediction) else list(start)
        said = estimated(predictions, given.keypoints, given.camera, fitter.setup.body)
        evidence.append(said.estimate)
    result = fitter.fit(given.keypoints, given.camera, evidence, extra_terms=extra_terms)
    return result[0] if given.is_one else result
