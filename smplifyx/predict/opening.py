"""Which detector there is: the network that is installed, with the models that are at hand."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from .mediapipe_solutions import SolutionsDetector
from .mediapipe_tasks import TaskDetector
from .people_detector import DetectorError, PeopleDetector

INSTALL = "pip install 'smplifyx[detect]'"
WITH_MODELS = "0.10.21"  # of mediapipe; the last one
MODELS = "holistic_landmarker.task"


def open_detector(task: Path | None = None) -> PeopleDetector:
    """MediaPipe as it is installed.

    task: a bundle of its models, which mediapipe from 1.0 on needs; None: its own, which only
    0.10.21 and before bring.
    Raises DetectorError, one line, where mediapipe or its models are missing.
    """
    mediapipe = _mediapipe()
    has_models = hasattr(mediapipe, "solutions")
    if has_models and task is None:
        return SolutionsDetector(mediapipe.solutions)
    if task is None:
        raise DetectorError(
            f"mediapipe {mediapipe.__version__} brings no models: name a file of them with --task "
            f"(Google's {MODELS}), or pip install mediapipe=={WITH_MODELS}, which has its own"
        )
    if has_models:
        # its holistic task ends the process where a hand is not found
        raise DetectorError(
            f"{task}: mediapipe {mediapipe.__version__} has models of its own and cannot use "
            "these: leave --task out, or pip install 'mediapipe>=1'"
        )
    return TaskDetector(mediapipe, task)


def _mediapipe() -> Any:
    """The package. Raises DetectorError where it is missing or does not load."""
    try:
        return importlib.import_module("mediapipe")
    except ModuleNotFoundError as missing:
        if missing.name == "mediapipe":
            raise DetectorError(f"mediapipe is not installed: {INSTALL}") from missing
        raise DetectorError(f"mediapipe does not load ({missing}): {INSTALL}") from missing
    except ImportError as broken:
        raise DetectorError(f"mediapipe does not load ({broken})") from broken
