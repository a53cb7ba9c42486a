"""What can be asked of a training on the command line; loads no torch."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ..config import Settings
from ..core.fields import Shown

Subjects = Annotated[tuple[str, ...], Shown("SUBJECT ...")]


class Kind(Enum):
    """The kinds of body-pose prior that can be trained."""

    VPOSER = "vposer"
    FLOW = "flow"
    GMM = "gmm"


class TrainOptions(Settings):
    """A body-pose prior from recordings."""

    data: Annotated[Path, Shown("PATH")] = Field(
        description="folder of .bvh (CMU's joints, named SUBJECT_TRIAL.bvh) or AMASS .npz files, "
        "or a tar of .bvh files"
    )
    kind: Kind = Field(
        description="vposer: autoencoder in VPoser v2's layout; flow: normalizing flow; "
        "gmm: mixture of 8 Gaussians"
    )
    out: Annotated[Path, Shown("OUT")] = Field(
        description="the file to write (.npz for gmm), for vposer a folder; the card, the curve "
        "and the checkpoint lie beside it"
    )
    epochs: Annotated[int | None, Shown("N")] = Field(
        None,
        ge=1,
        description="passes over the poses (default: 300 for vposer, 60 for flow, as suits some "
        "5,000 poses)",
    )
    minutes: Annotated[float | None, Shown("MINUTES", unit="minutes")] = Field(
        None, gt=0, description="end after so long, whatever the epochs"
    )
    seed: Annotated[int, Shown("N")] = Field(0, ge=0, lt=2**63, description="of all random numbers")
    held_out: Subjects = Field(
        (), description="subjects that are never trained on; figures on them go into the card"
    )
    validation: Subjects = Field(
        (), description="subjects that draw the validation curve (default: a random tenth)"
    )
    quiet: bool = Field(False, description="no progress bar, no closing line")
