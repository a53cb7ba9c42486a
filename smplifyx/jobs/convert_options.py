"""The options of `smplifyx convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ..config import Settings
from ..core.fields import Shown


class ConvertOptions(Settings):
    """Who is converted to what."""

    people: Annotated[Path, Shown("PEOPLE", positional=True)] = Field(
        description="output folder of a fit, one of its .npz, meshes (.obj, .ply, .npz), or "
        "predictions with points in space"
    )
    model: Annotated[Path, Shown("PATH")] = Field(
        description="body model that people are wanted as, file or folder"
    )
    to: Annotated[Path, Shown("FOLDER")] = Field(
        description="output folder, laid out as that of a fit"
    )
    gender: Annotated[Literal["neutral", "female", "male"] | None, Shown()] = Field(
        None, description="of the new bodies (default: as fitted)"
    )
    kid_template: Annotated[Path | None, Shown("FILE")] = Field(
        None, description="template of children of the new body model"
    )
    source_model: Annotated[Path | None, Shown("PATH")] = Field(
        None, description="body model of the meshes or of a single .npz"
    )
    correspondences: Annotated[Path | None, Shown("FILE")] = Field(
        None, description="where the new body's vertices lie on the old (.npz); none: found out"
    )
    y_up: bool = Field(False, description="meshes have y up, not down as a camera has it")
    overwrite: bool = Field(False, description="begin anew")
    quiet: bool = Field(False, description="no progress bar, no closing line")
