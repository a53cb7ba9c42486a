"""The hand spaces of a model file: mean, principal components and how far hands stray along them."""

from __future__ import annotations

import numpy as np
import torch

from ..model import HandSpace
from .raw import RawBody

# Without training coefficients: a total spread of about 0.28 rad (16 degrees) per finger angle,
# which is that of real hands, falling from component to component as the principal components of
# hands do.
FALLBACK_FIRST_SD = 1.0
FALLBACK_DECAY = 0.85
FALLBACK_ANGLE_SD = 0.3  # radians, for models without components
_SMALLEST_SD = 1e-3


def hand_space(raw: RawBody, side: str, dtype: torch.dtype) -> HandSpace:
    """The hand of `side` 'l' or 'r'; the 45 angles themselves, mean 0, where the file has no
    principal components.

    Raises BodyFileError for arrays of the wrong shape.
    """
    mean_key, components_key, coefficients_key = (
        f"hands_{part}{side}" for part in ("mean", "components", "coeffs")
    )
    mean = raw.array(mean_key, (45,)) if raw.has(mean_key) else np.zeros(45)
    if not raw.has(components_key):
        components, sds, measured = np.eye(45), np.full(45, FALLBACK_ANGLE_SD), False
    else:
        components = raw.array(components_key, (None, 45))
        sds = (
            _measured_sds(raw, coefficients_key, len(components))
            if raw.has(coefficients_key)
            else None
        )
        measured = sds is not None
        sds = sds if measured else FALLBACK_FIRST_SD * FALLBACK_DECAY ** np.arange(len(components))
    tensors = (torch.tensor(array, dtype=dtype) for array in (mean, components, sds))
    return HandSpace(*tensors, measured=measured)


def _measured_sds(raw: RawBody, key: str, rows: int) -> np.ndarray | None:
    """Spread of the training coefficients [n, >= rows] about the mean hand; None where there are
    too few to tell.

    Coefficients are relative to `hands_mean`, which is where a prior puts its centre: hence not
    about their own mean.
    """
    coefficients = raw.array(key, (None, None))
    if coefficients.shape[1] < rows:
        raise raw.fault(
            key, f"shape {coefficients.shape}", f"(n, {rows}), a column for each hand component"
        )
    if len(coefficients) < 2:
        return None
    spread = np.sqrt((coefficients[:, :rows].astype(np.float64) ** 2).mean(axis=0))
    return np.maximum(spread, _SMALLEST_SD)
