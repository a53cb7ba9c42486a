"""What to run on: the schema of a job in `configs/` and of the command line.

It names no weight and no step count.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from pydantic import Field

from ..config import (
    HEIGHTS,
    ConfigError,
    FitConfig,
    Settings,
    load_preset,
    read_settings,
    with_free_focal,
    with_prior,
    without_collision,
)
from ..core.choices import Age, Gender, LayoutName, MeshFormat, Renderer

if TYPE_CHECKING:
    from ..readers.options import ReadOptions

# The names that `--help` shows for values.
OptionalPath = Annotated[Path | None, tyro.conf.arg(metavar="PATH")]
OptionalMesh = Annotated[MeshFormat | None, tyro.conf.arg(metavar="obj|ply|glb")]
BatchSize = Annotated[
    Annotated[int, Field(ge=1)] | Literal["auto"], tyro.conf.arg(metavar="N|auto")
]
Processes = Annotated[
    Annotated[int, Field(ge=1, le=64)] | Literal["auto"], tyro.conf.arg(metavar="N|auto")
]
Pixels = Annotated[float | None, tyro.conf.arg(metavar="PX")]
Degrees = Annotated[float | None, tyro.conf.arg(metavar="DEG")]
Millimetres = Annotated[float | None, tyro.conf.arg(metavar="MM")]
Metres = Annotated[float | None, tyro.conf.arg(metavar="M")]
Prior = Annotated[str | None, tyro.conf.arg(metavar="vposer|flow|gmm|gaussian|none|PATH")]
Count = Annotated[int | None, tyro.conf.arg(metavar="N")]
Score = Annotated[float | None, tyro.conf.arg(metavar="SCORE")]
Side = Annotated[int, Field(ge=1, le=1_000_000)]  # pixels
OptionalSize = Annotated[tuple[Side, Side] | None, tyro.conf.arg(metavar="W H")]


class JobConfig(Settings):
    """Fits a body to every person in a folder (or file) of keypoints.

    Run again, it goes on where it stopped.
    """

    keypoints: tyro.conf.Positional[Path] = Field(
        description="folder or file of OpenPose, COCO or Halpe JSON"
    )
    out: Path = Field(description="output folder: results/, summary.csv, config.yaml, log.txt")
    images: OptionalPath = Field(
        None, description="folder of the photos: their size, EXIF, overlays"
    )
    recursive: bool = Field(False, description="folders below too; results keep the folders")
    layout: LayoutName | None = Field(
        None, description="of body points in files that do not name theirs; none: by their number"
    )
    keypoint_size: OptionalSize = Field(
        None, description="of the images that the keypoints were made in, where no file tells"
    )
    seen: Score = Field(
        None, ge=0, description="score from which the files' points count as seen; none: 0.1"
    )
    confident: Score = Field(
        None, gt=0, description="score from which they count as confident; none: 0.3"
    )

    preset: str = Field(
        "smplx", description="how to fit: a name from `smplifyx presets`, or a .yaml file"
    )
    prior: Prior = Field(
        None,
        description="body-pose prior instead of the preset's: a name, or a VPoser or mixture file",
    )
    model: OptionalPath = Field(None, description="body model, file or folder; none: the built-in")
    gender: Gender = Field(
        Gender.NEUTRAL, description="whose body; input: as the keypoint files say"
    )
    age: Age = Field(
        Age.AUTO, description="whose proportions; auto: adult, child where the evidence says so"
    )
    kid_template: OptionalPath = Field(
        None, description=".npy of a small child; none: the one beside the body model"
    )
    height: Metres = Field(
        None, ge=HEIGHTS[0], le=HEIGHTS[1], description="known stature of everybody"
    )
    collision: bool = Field(
        True, description="keep bodies from passing through themselves, as the preset does"
    )
    scene: bool = Field(
        False, description="keep the people of an image from passing through each other, too"
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    batch_size: BatchSize = Field(
        "auto", description="people fitted together; no result depends on it"
    )
    processes: Processes = Field(
        "auto", description="that fit a large job on a CPU; 1: all in this one"
    )

    focal: Pixels = Field(None, gt=0, description="focal length in pixels of the images")
    fov: Degrees = Field(
        None, gt=0, lt=180, description="horizontal field of view, instead of --focal"
    )
    focal_35mm: Millimetres = Field(
        None, gt=0, description="35 mm-equivalent focal length, instead of --focal"
    )
    free_focal: bool = Field(
        False, description="fit the focal length too, from that guess; needs strong perspective"
    )
    cameras: OptionalPath = Field(None, description="JSON or CSV file with a K for each image")

    min_keypoints: int = Field(
        0, ge=0, le=25, description="leave out people with fewer confident body keypoints"
    )
    min_size: float = Field(0, ge=0, description="leave out people smaller than so many pixels")
    largest: Count = Field(None, ge=1, description="only the N largest people of each image")

    overlay: bool = Field(False, description="draw the people on their photos, into overlays/")
    mesh: OptionalMesh = Field(None, description="write meshes, into meshes/")
    report: bool = Field(
        False, description="write index.html: photo, overlay, turned view, numbers"
    )
    renderer: Renderer = Field(
        Renderer.SOFTWARE, description="pyrender needs the extra [render] and GL libraries"
    )

    overwrite: bool = Field(
        False, description="remove the results of an earlier job from --out first"
    )
    quiet: bool = Field(False, description="no progress bar, no closing line")

    @property
    def read_options(self) -> ReadOptions:
        """How the keypoint files are to be read."""
        from ..readers.options import ReadOptions  # here: --help does not wait for torch

        return ReadOptions(self.layout, self.keypoint_size, self.seen, self.confident)

    @property
    def facts(self) -> Mapping[str, object]:
        """What is said of everybody, by the words of a people sidecar."""
        return {"height": self.height}


# Options that change no result: an output folder may be gone on with under other values of these.
FREE_TO_CHANGE = (
    "out",
    "device",
    "batch_size",
    "processes",
    "overlay",
    "mesh",
    "report",
    "renderer",
    "overwrite",
    "quiet",
)


def preset_of(job: JobConfig) -> FitConfig:
    """The preset that a job names, as the job has it.

    Raises ValueError in one line for what does not load.
    """
    from ..pose_priors import kind_of  # here: --help does not wait for torch

    config = load_preset(job.preset)
    if job.prior:
        config = with_prior(config, job.prior, kind_of(job.prior))
    if not job.collision:
        config = without_collision(config)
    if job.free_focal:
        config = with_free_focal(config)
    if job.scene:
        from ..fitting.scene_fit import check_shared_camera  # here: as above

        check_shared_camera(config)
    return config


def load_job(path: Path) -> JobConfig:
    """The job of a YAML file; its paths are relative to the working directory.

    Raises ConfigError in one line.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such job file")
    job = read_settings(path, JobConfig)
    assert isinstance(job, JobConfig)  # read_settings gives the schema it is asked for
    return job
