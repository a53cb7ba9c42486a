"""The embedded body with the points of one detector."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from priors.recipes.bodies.mediapipe_points import MEDIAPIPE_MIDDLE, MEDIAPIPE_OF_A_SIDE, Mixture
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.core import assets

WITHOUT_SIDE = frozenset({"spine1", "spine3", "pelvis", "neck", "head", "nose"})
PARTS = 3


def body_of(detector: str) -> BodyModel:
    """The neutral body whose points are where that detector looks: openpose or mediapipe."""
    return load_body(None) if detector == "openpose" else with_points(mediapipe_mixtures())


def mediapipe_mixtures() -> dict[str, Mixture]:
    """Every point that MediaPipe puts elsewhere than the usual one."""
    of_sides = {
        f"{side}_{name}": {_part(part, side): share for part, share in mixture.items()}
        for side in ("left", "right")
        for name, mixture in MEDIAPIPE_OF_A_SIDE.items()
    }
    return of_sides | MEDIAPIPE_MIDDLE


def _part(part: str, side: str) -> str:
    return part if part in WITHOUT_SIDE else f"{side}_{part}"


def with_points(mixtures: dict[str, Mixture]) -> BodyModel:
    """The neutral body with these mixtures instead of its own."""
    with np.load(assets.folder("priors") / "bodies" / "neutral.npz") as file:
        arrays = dict(file)
    parts, shares = [], []
    for mixture in mixtures.values():
        unused = PARTS - len(mixture)
        first = next(iter(mixture))
        parts.append([*mixture, *[first] * unused])
        shares.append([*mixture.values(), *[0.0] * unused])
    arrays |= {
        "point_names": np.array(list(mixtures)),
        "point_parts": np.array(parts),
        "point_shares": np.array(shares),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "neutral.npz"
        np.savez(path, **arrays)
        return load_body(path)
