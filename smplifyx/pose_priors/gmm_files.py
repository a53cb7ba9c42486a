"""Reads the mixture that SMPLify comes with (`gmm_08.pkl`), and others of its layout.

Its 69 numbers are the axis-angles of SMPL's joints 1 to 23. The first 21 are those of SMPL-X; the
last two, SMPL's hands, are left out. For Gaussians that is exact: the marginal over some angles has
their part of mean and covariance.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..body.loading import unpickle
from .arrays import check_all, one_line
from .mixture import ANGLES, MixturePrior

SMPL_ANGLES = 69  # 23 joints x 3
_KEYS = {  # the dictionary's key, then the attributes of scikit-learn's class, old and new
    "means": ("means", "means_"),
    "covars": ("covars", "covars_", "_covars", "covariances_"),
    "weights": ("weights", "weights_"),
}
# a random state comes along with the mixture
_SKLEARN = r"(sklearn\.mixture|numpy\.random)(\.\w+)*:\w+"


def load_gmm(path: Path) -> MixturePrior:
    """A mixture from a pickle: a dict of means [k, 69], covars [k, 69, 69] and weights [k], or
    scikit-learn's object.

    63 instead of 69 is as good. Runs nothing of the pickle. Raises ValueError, one line that names
    the file.
    """
    fields = unpickle.as_fields(_content(path))
    arrays = {
        key: _array(path, key, fields[name])
        for key, names in _KEYS.items()
        for name in names
        if name in fields
    }
    width = ANGLES if "means" in arrays and arrays["means"].shape[-1:] == (ANGLES,) else SMPL_ANGLES
    arrays = check_all(
        path, arrays, {"means": (None, width), "covars": (None, width, width), "weights": (None,)}
    )
    means, covariances = arrays["means"][:, :ANGLES], arrays["covars"][:, :ANGLES, :ANGLES]
    try:
        return MixturePrior.from_moments(means, covariances, arrays["weights"]).to(
            dtype=torch.float32
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _content(path: Path) -> object:
    try:
        return unpickle.load(path.read_bytes(), _SKLEARN)
    except unpickle.Refused as error:
        raise ValueError(
            f"{path}: {one_line(error)}: a mixture needs no such thing, so it is not run"
        ) from error
    except Exception as error:  # damaged pickles raise anything; all of it means the same
        raise ValueError(f"{path}: not a whole pickle: {one_line(error)}") from error


def _array(path: Path, key: str, value: object) -> Tensor:
    try:
        return torch.tensor(unpickle.as_array(value), dtype=torch.float64)
    except Exception as error:  # the fields of a record are whatever the file says
        raise ValueError(f"{path}: {key}: cannot be read: {one_line(error)}") from error
