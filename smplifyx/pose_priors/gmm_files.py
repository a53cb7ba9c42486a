"""Reads the mixture that SMPLify comes with (`gmm_08.pkl`), and others of its layout.

Its 69 numbers are the axis-angles of SMPL's joints 1 to 23. The first 21 joints are those of
SMPL-X; the last two, SMPL's hands, are left out. For Gaussians that is exact: the marginal over
some angles has their part of mean and covariance.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..body.loading import unpickle
from ..core.files import boundary, read_bounded
from ..core.messages import one_line
from ..core.signatures import FileKind
from ..core.strangers import named
from .arrays import LARGEST_FILE, PriorFileError, check_all
from .joint_angles import ANGLES
from .mixture import MixturePrior

SMPL_ANGLES = 69  # 23 joints x 3
_KEYS = {  # the dictionary's key, then the attributes of scikit-learn's class, old and new
    "means": ("means", "means_"),
    "covars": ("covars", "covars_", "_covars", "covariances_"),
    "weights": ("weights", "weights_"),
}
# a random state comes along with the mixture
_SKLEARN = r"(sklearn\.mixture|numpy\.random)(\.\w+)*:\w+"


def load_gmm(path: Path) -> MixturePrior:
    """A mixture from a pickle, float32.

    The pickle holds a dict of means [k, 69], covars [k, 69, 69] and weights [k], or scikit-learn's
    object.

    63 instead of 69 is as good. Runs nothing of the pickle. Raises PriorFileError, one line that
    names the file.
    """
    with boundary(path, "readable", PriorFileError):
        data = read_bounded(path, LARGEST_FILE)
    fields = unpickle.as_fields(_content(path, data))
    arrays = _arrays(path, fields, unpickle.Allowance(len(data)))
    has_no_hands = "means" in arrays and arrays["means"].shape[-1:] == (ANGLES,)
    width = ANGLES if has_no_hands else SMPL_ANGLES
    shapes = {"means": (None, width), "covars": (None, width, width), "weights": (None,)}
    arrays = check_all(path, arrays, shapes)

    means = arrays["means"][:, :ANGLES]
    covariances = arrays["covars"][:, :ANGLES, :ANGLES]
    try:
        mixture = MixturePrior.from_moments(means, covariances, arrays["weights"])
    except ValueError as error:
        raise PriorFileError(f"{path}: {error}") from error
    return mixture.to(dtype=torch.float32)


def _content(path: Path, data: bytes) -> object:
    """What the pickle holds, foreign objects as inert records."""
    try:
        return unpickle.load(data, _SKLEARN)
    except unpickle.Refused as error:
        raise PriorFileError(
            f"{path}: {one_line(error)}: a mixture needs no such thing, so it is not run"
        ) from error
    except Exception as error:  # damaged pickles raise anything; all of it means the same
        reason = named(data, FileKind.PICKLE) or one_line(error)
        raise PriorFileError(f"{path}: not a whole pickle: {reason}") from error


def _arrays(
    path: Path, fields: Mapping[str, object], allowance: unpickle.Allowance
) -> dict[str, Tensor]:
    """Those of the fields that a mixture is made of, under our names."""
    arrays: dict[str, Tensor] = {}
    for key, names in _KEYS.items():
        for name in names:
            if name in fields:
                arrays[key] = _array(path, key, fields[name], allowance)
    return arrays


def _array(path: Path, key: str, value: object, allowance: unpickle.Allowance) -> Tensor:
    try:
        array = unpickle.as_array(value, allowance)
        return torch.tensor(array.astype(np.float64))
    except Exception as error:  # the fields of a record are whatever the file says
        raise PriorFileError(f"{path}: {key}: cannot be read: {one_line(error)}") from error
