"""What can be asked of a training on the command line; loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Kind(Enum):
    """The kinds of body-pose prior that can be trained."""

    VPOSER = "vposer"
    FLOW = "flow"
    GMM = "gmm"


@dataclass(frozen=True)
class TrainOptions:
    """A body-pose prior from recordings."""

    data: Path
    """folder of .bvh (CMU's joints, named SUBJECT_TRIAL.bvh) or AMASS .npz files, or a tar of .bvh
    files
    """
    kind: Kind
    """vposer: autoencoder in VPoser v2's layout; flow: normalizing flow; gmm: mixture of 8
    Gaussians
    """
    out: Path
    """the file to write (.npz for gmm), for vposer a folder; the card, the curve and the checkpoint
    lie beside it
    """
    epochs: int | None = None
    """passes over the poses; by default those of the prior that ships"""
    minutes: float | None = None
    """end after so long, whatever the epochs"""
    seed: int = 0
    """of all random numbers"""
    held_out: tuple[str, ...] = ()
    """subjects that are never trained on; figures on them go into the card"""
    validation: tuple[str, ...] = ()
    """subjects that draw the validation curve; by default a random tenth"""
    quiet: bool = False
    """no progress bar, no closing line"""
