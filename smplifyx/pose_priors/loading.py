"""Finds a pose prior by its name, or reads the file that a user brings, told apart by what is in
it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from ..core import assets
from ..core.archives import ZIP_MAGIC, open_archive
from ..core.files import boundary, read_bounded
from ..core.messages import plain
from .arrays import LARGEST_FILE, PriorFileError
from .contract import PosePrior
from .flow import FlowPrior
from .free import FreePrior
from .gaussian import GaussianPrior
from .gmm_files import load_gmm
from .mixture import MixturePrior
from .torch_files import LEGACY_MAGIC
from .vae import VaePrior
from .vposer_files import find_snapshot, load_vposer

_KINDS: dict[type[PosePrior], str] = {
    VaePrior: "vposer",
    FlowPrior: "flow",
    MixturePrior: "gmm",
    GaussianPrior: "gaussian",
    FreePrior: "none",
}


def load_prior(name_or_path: str | Path) -> PosePrior:
    """A pose prior that ships, by name: gaussian, gmm, vposer, flow or none; else the one at a
    path. On the CPU, float32.

    A path may lead to VPoser (folder, .pt or .ckpt; v1.0 or v2.0), to a mixture (`gmm_08.pkl`, our
    .npz), a Gaussian or a flow. Raises ValueError for what is neither, and one that names the file
    and its fault for a file that is no good.
    """
    if str(name_or_path) in _SHIPPED:
        return _load_shipped(str(name_or_path))
    path = Path(name_or_path)
    if not path.exists():
        raise ValueError(
            f"no pose prior {str(name_or_path)!r}: expected {', '.join(_SHIPPED)} or a path to one"
        )
    return _load_path(str(path), path.stat().st_mtime_ns)


def kind_of(name_or_path: str | Path) -> str:
    """Which of the priors that ship a prior is like: gaussian, gmm, vposer, flow or none.

    Raises as `load_prior`.
    """
    return _KINDS[type(load_prior(name_or_path))]


def prior_file(name_or_path: str | Path) -> Path:
    """The one file that decides what `load_prior` gives; it need not be there.

    Raises ValueError for a folder without a snapshot of VPoser.
    """
    name = str(name_or_path)
    path = _shipped_file(_FILES[name]) if name in _FILES else Path(name_or_path)
    return find_snapshot(path) if path.is_dir() else path


def _shipped_free() -> FreePrior:
    """No preference; fits begin at the Gaussian's mean pose."""
    return FreePrior(GaussianPrior.load(prior_file("none")).mean())


def _shipped_file(name: str) -> Path:
    return assets.folder("priors") / "pose" / name


_FILES = {
    "vposer": "vposer",  # a folder
    "flow": "flow.npz",
    "gmm": "gmm.npz",
    "gaussian": "gaussian.npz",
    "none": "gaussian.npz",
}
# in the order in which a message lists them
_SHIPPED: dict[str, Callable[[], PosePrior]] = {
    "vposer": lambda: load_vposer(prior_file("vposer")),
    "flow": lambda: FlowPrior.load(prior_file("flow")),
    "gmm": lambda: MixturePrior.load(prior_file("gmm")),
    "gaussian": lambda: GaussianPrior.load(prior_file("gaussian")),
    "none": _shipped_free,
}


@lru_cache(maxsize=len(_SHIPPED))  # by the name: read once, since every batch asks
def _load_shipped(name: str) -> PosePrior:
    return _SHIPPED[name]()


@lru_cache(maxsize=8)  # by the path and the time of its last change: a new file is read anew
def _load_path(path: str, _changed: int) -> PosePrior:
    place = Path(path)
    with boundary(place, "a pose prior", PriorFileError):
        prior = load_vposer(place) if place.is_dir() else _load_file(place)
        _require_finite(prior)
    return prior


def _require_finite(prior: PosePrior) -> None:
    """Raises ValueError for a prior under which no fit could have a finite energy."""
    if not all(tensor.isfinite().all() for tensor in _tensors(prior)):
        raise ValueError("its numbers are too large for single precision")
    mean = prior.mean()
    if not (prior.decode(mean).isfinite().all() and prior.residual(mean).isfinite().all()):
        raise ValueError("its mean pose is not made of finite numbers")


def _tensors(value: object) -> Iterator[Tensor]:
    """All tensors in a prior."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _tensors(getattr(value, field.name))


def _load_file(path: Path) -> PosePrior:
    """Tells torch checkpoints (new ones are zips), our .npz (zips too) and pickles apart by their
    first bytes and their members.
    """
    members: list[str] = []
    with boundary(path, "readable", PriorFileError):
        content = read_bounded(path, LARGEST_FILE)
        start = content[: len(LEGACY_MAGIC)]
        if start.startswith(ZIP_MAGIC):
            members = open_archive(content).names
    if start == LEGACY_MAGIC or any(name.endswith("data.pkl") for name in members):
        return load_vposer(path)
    if members:
        return _load_npz(path, {name.removesuffix(".npy") for name in members})
    return load_gmm(path)


def _load_npz(path: Path, keys: set[str]) -> PosePrior:
    if {"means", "covariances"} <= keys:
        return MixturePrior.load(path)
    if {"mean", "covariance"} <= keys:
        return GaussianPrior.load(path)
    if any(key.startswith("flow") for key in keys):
        return FlowPrior.load(path)
    found = plain(", ".join(sorted(keys)), limit=80)
    raise PriorFileError(
        f"{path}: found keys {found}, expected those of a mixture, Gaussian or flow"
    )
