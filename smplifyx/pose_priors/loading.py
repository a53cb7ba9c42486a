"""Finds a pose prior by its name, or reads the file that a user brings, told apart by what is in
it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from ..core import assets
from .arrays import one_line
from .contract import PosePrior
from .flow import FlowPrior
from .free import FreePrior
from .gaussian import GaussianPrior
from .gmm_files import load_gmm
from .mixture import MixturePrior
from .torch_files import LEGACY_MAGIC, ZIP_MAGIC
from .vae import VaePrior
from .vposer_files import load_vposer


def load_prior(name_or_path: str | Path) -> PosePrior:
    """A pose prior that ships, by name: gaussian, gmm, vposer, flow or none; else the one at a
    path.

    A path may lead to VPoser (folder, .pt or .ckpt; v1.0 or v2.0), to a mixture (`gmm_08.pkl`, our
    .npz), a Gaussian or a flow. Raises ValueError for what is neither, and one that names the file
    and its fault for a file that is no good.
    """
    known = _shipped()
    if str(name_or_path) in known:
        return _loaded(str(name_or_path), 0)
    path = Path(name_or_path)
    if not path.exists():
        raise ValueError(
            f"no pose prior {str(name_or_path)!r}: expected {', '.join(known)} or a path to one"
        )
    return _loaded(str(path), path.stat().st_mtime_ns)


def kind_of(name_or_path: str | Path) -> str:
    """Which of the priors that ship a prior is like: gaussian, gmm, vposer, flow or none.

    Raises as `load_prior`.
    """
    kinds = {
        VaePrior: "vposer",
        FlowPrior: "flow",
        MixturePrior: "gmm",
        GaussianPrior: "gaussian",
        FreePrior: "none",
    }
    return kinds[type(load_prior(name_or_path))]


@lru_cache(maxsize=8)  # read once, since every batch asks
def _loaded(name_or_path: str, _changed: int) -> PosePrior:
    known, path = _shipped(), Path(name_or_path)
    if name_or_path in known:
        return known[name_or_path]()
    return load_vposer(path) if path.is_dir() else _load_file(path)


def _shipped() -> dict[str, Callable[[], PosePrior]]:
    home = assets.folder("priors") / "pose"
    return {
        "vposer": lambda: load_vposer(home / "vposer"),
        "flow": lambda: FlowPrior.load(home / "flow.npz"),
        "gmm": lambda: MixturePrior.load(home / "gmm.npz"),
        "gaussian": lambda: GaussianPrior.load(home / "gaussian.npz"),
        "none": lambda: FreePrior(GaussianPrior.load(home / "gaussian.npz").mean()),
    }


def _load_file(path: Path) -> PosePrior:
    try:
        with path.open("rb") as stream:
            start = stream.read(len(LEGACY_MAGIC))
        members = set(zipfile.ZipFile(path).namelist()) if start.startswith(ZIP_MAGIC) else set()
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: cannot be read: {one_line(error)}") from error
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
    raise ValueError(
        f"{path}: found keys {', '.join(sorted(keys))[:80]}, expected those of a mixture, Gaussian or flow"
    )
