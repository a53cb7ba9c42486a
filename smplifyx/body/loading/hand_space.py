"""Hand spaces of a model file: mean, principal components, and how far hands stray along them."""

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
    mean_key = f"hands_mean{side}"
    components_key = f"hands_components{side}"
    coefficients_key = f"hands_coeffs{side}"

    mean = raw.array(mean_key, (45,)) if raw.has(mean_key) else np.zeros(45)
    measured_sds = None
    if raw.has(components_key):
        components = raw.array(components_key, (None, 45))
        sds = FALLBACK_FIRST_SD * FALLBACK_DECAY ** np.arange(len(components))
        if raw.has(coefficients_key):
            measured_sds = _measured_sds(raw, coefficients_key, len(components))
    else:
        components = np.eye(45)
        sds = np.full(45, FALLBACK_ANGLE_SD)
    if measured_sds is not None:
        sds = measured_sds
    return HandSpace(
        mean=torch.tensor(mean, dtype=dtype),
        components=torch.tensor(components, dtype=dtype),
        sds=torch.tensor(sds, dtype=dtype),
        measured=measured_sds is not None,
    )


def _measured_sds(raw: RawBody, key: str, components: int) -> np.ndarray | None:
    """Spread of the training coefficients [n, >= components] about the mean hand; None where there
    are too few to tell.

    Coefficients are relative to `hands_mean`, which is where a prior puts its centre: hence not
    about their own mean.
    """
    coefficients = raw.array(key, (None, None))
    if coefficients.shape[1] < components:
        expected = f"(n, {components}), a column for each hand component"
        raise raw.fault(key, f"shape {coefficients.shape}", expected)
    if len(coefficients) < 2:
        return None
    squares = coefficients[:, :components].astype(np.float64) ** 2
    return np.maximum(np.sqrt(squares.mean(axis=0)), _SMALLEST_SD)
