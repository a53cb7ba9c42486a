"""The options of the smaller commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ..config import Settings
from ..core.choices import MeshFormat, Renderer
from ..core.fields import Shown


class NoOptions(Settings):
    """Of a command that takes none."""


class RunOptions(Settings):
    """Of `smplifyx run`."""

    job: Annotated[Path, Shown("JOB.yaml", positional=True)] = Field(
        description="the job: the options of `smplifyx fit` by their names, keypoints among them"
    )


class RenderOptions(Settings):
    """Of `smplifyx render`."""

    out: Annotated[Path, Shown("OUT", positional=True)] = Field(
        description="the --out of an earlier fit"
    )
    mesh: MeshFormat | None = Field(None, description="write meshes too")
    renderer: Renderer = Field(
        Renderer.SOFTWARE, description="pyrender needs the extra [render] and GL libraries"
    )
    quiet: bool = Field(False, description="no progress bar, no closing line")
