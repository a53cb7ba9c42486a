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


class RefineOptions(Settings):
    """Of `smplifyx refine`."""

    predictions: Annotated[Path, Shown("PREDICTIONS", positional=True)] = Field(
        description="file or folder of a network's predictions (docs/predictions.md)"
    )
    keypoints: Annotated[Path, Shown("KEYPOINTS")] = Field(
        description="folder or file of keypoints of the same people"
    )
    out: Annotated[Path, Shown("OUT")] = Field(description="output folder, as of fit")
    truth: Annotated[Path | None, Shown("PATH")] = Field(
        None, description="3D truth of some, in the same forms: prints errors in mm"
    )
    images: Annotated[Path | None, Shown("PATH")] = Field(
        None, description="folder of the photos: their size, EXIF, overlays"
    )
    preset: Annotated[str, Shown("NAME|FILE")] = Field("smplx", description="how to fit")
    model: Annotated[Path | None, Shown("PATH")] = Field(
        None, description="body model, file or folder (default: the built-in)"
    )
    overlay: bool = Field(False, description="draw each photo with its bodies")
    report: bool = Field(False, description="write a page with all people")
    quiet: bool = Field(False, description="no progress bar, no closing line")


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


class GateOptions(Settings):
    """Of `smplifyx gate`."""

    out: Annotated[Path, Shown("OUT", positional=True)] = Field(
        description="the --out of an earlier fit"
    )
    gate: Annotated[str, Shown("NAME|FILE")] = Field("smplifyx", description="which fits are kept")
    keep: Annotated[float | None, Shown("SHARE")] = Field(
        None, gt=0, le=1, description="move the bounds until this share of people is kept"
    )
    sheet: bool = Field(False, description="write a page to accept or reject people by hand")
    apply: Annotated[Path | None, Shown("FILE")] = Field(
        None, description="decisions that the page saved; they go before the gate's"
    )
    quiet: bool = Field(False, description="no progress bar, no table")


class ExportOptions(Settings):
    """Of `smplifyx export`."""

    out: Annotated[Path, Shown("OUT", positional=True)] = Field(
        description="the --out of an earlier fit"
    )
    format: Annotated[str, Shown("NAME")] = Field(description="of the dataset, see below")
    to: Annotated[Path, Shown("FILE|FOLDER")] = Field(description="what to write")
    photos: Annotated[Path | None, Shown("FOLDER")] = Field(
        None, description="copy the photos there, upright (default: they stay)"
    )
    reader_model: Annotated[Path | None, Shown("PATH")] = Field(
        None,
        description="the body model that the readers load (default: the published one, which is "
        "believed to be a fitted body with as many vertices)",
    )
    joint_regressor: Annotated[Path | None, Shown("FILE")] = Field(
        None,
        description="SPIN's J_regressor_extra.npy, for formats of SMPL (default: the one beside "
        "the body model)",
    )
    gate: Annotated[str | None, Shown("NAME")] = Field(
        None, description="whom smplifyx gate kept (default: everybody whose status is ok)"
    )
    doubtful: bool = Field(False, description="also people whose status is not ok")
    quiet: bool = Field(False, description="no progress bar, no closing lines")


class PhotoOptions(Settings):
    """Of `smplifyx photo`."""

    pictures: Annotated[Path, Shown("PHOTOS", positional=True)] = Field(
        description="a photo, a video, or a folder of them"
    )
    out: Annotated[Path, Shown("OUT")] = Field(
        description="output folder, as of fit, with keypoints/ in it"
    )
    task: Annotated[Path | None, Shown("FILE")] = Field(
        None, description="MediaPipe's models (holistic_landmarker.task), which 0.10.21 brings"
    )
    every: Annotated[int, Shown("N")] = Field(
        1, ge=1, description="take every N-th frame of a video"
    )
    preset: Annotated[str, Shown("NAME|FILE")] = Field("smplx", description="how to fit")
    model: Annotated[Path | None, Shown("PATH")] = Field(
        None, description="body model, file or folder (default: the built-in)"
    )
    quiet: bool = Field(False, description="no progress bar, no closing lines")


class ImportOptions(Settings):
    """Of `smplifyx import`."""

    file: Annotated[Path, Shown("FILE|FOLDER", positional=True)] = Field(
        description="of the dataset, or a folder of its files"
    )
    format: Annotated[str, Shown("NAME")] = Field(description="parquet, bedlam or amass")
    to: Annotated[Path, Shown("OUT")] = Field(description="output folder, as of fit")
    model: Annotated[Path | None, Shown("PATH")] = Field(
        None, description="body model of the parameters, file or folder (default: the built-in)"
    )
    images: Annotated[Path | None, Shown("PATH")] = Field(None, description="folder of the photos")
    quiet: bool = Field(False, description="no progress bar, no closing line")


class PredictOptions(Settings):
    """Of `smplifyx predict`."""

    pictures: Annotated[Path, Shown("PHOTOS", positional=True)] = Field(
        description="a photo, a video, or a folder of them"
    )
    out: Annotated[Path, Shown("KEYPOINTS")] = Field(
        description="folder for the keypoints, which `smplifyx fit` reads"
    )
    task: Annotated[Path | None, Shown("FILE")] = Field(
        None, description="MediaPipe's models (holistic_landmarker.task), which 0.10.21 brings"
    )
    every: Annotated[int, Shown("N")] = Field(
        1, ge=1, description="take every N-th frame of a video"
    )
    images: Annotated[Path | None, Shown("DIR")] = Field(
        None, description="folder for the pictures as JPEG: what the frames of a video need"
    )
    draw: Annotated[Path | None, Shown("DIR")] = Field(
        None, description="folder for the pictures with the points drawn, to look at"
    )
    quiet: bool = Field(False, description="no progress bar, no closing line")


class TrackOptions(Settings):
    """Of `smplifyx track`."""

    keypoints: Annotated[Path, Shown("KEYPOINTS", positional=True)] = Field(
        description="folder or file of keypoints, the frames numbered in their names"
    )
    out: Annotated[Path, Shown("FOLDER")] = Field(description="folder for tracked_people.csv")
    fps: Annotated[float, Shown("N")] = Field(
        30.0, gt=0, le=10_000, description="frame numbers that pass in a second"
    )
    max_gap: Annotated[float, Shown("SECONDS", unit="s")] = Field(
        1.0, ge=0, le=60, description="how long somebody may be unseen and still be known again"
    )
    min_frames: Annotated[int, Shown("N")] = Field(
        3, ge=1, description="people seen in fewer frames are in no track"
    )
    quiet: bool = Field(False, description="no progress bar, no closing line")
