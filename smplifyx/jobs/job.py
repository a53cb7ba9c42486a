"""What to run on: the schema of a job in `configs/` and of the command line.

It names no weight and no step count.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ..config import (
    HEIGHTS,
    ConfigError,
    FieldError,
    FitConfig,
    Settings,
    load_preset,
    read_settings,
    with_free_focal,
    with_prior,
    without_collision,
)
from ..core.choices import LABELLED, Age, Gender, LayoutName, MeshFormat, Renderer
from ..core.fields import LENGTHS, Shown

if TYPE_CHECKING:
    from ..readers.options import ReadOptions

# What `--help` calls the values, and the units that messages name.
InputPath = Annotated[Path, Shown("KEYPOINTS", positional=True)]
OutPath = Annotated[Path, Shown("OUT")]
OptionalPath = Annotated[Path | None, Shown("PATH")]
Preset = Annotated[str, Shown("NAME|FILE")]
Device = Annotated[str, Shown("DEVICE")]
BatchSize = Annotated[Annotated[int, Field(ge=1)] | Literal["auto"], Shown("N|auto")]
Processes = Annotated[Annotated[int, Field(ge=1, le=64)] | Literal["auto"], Shown("N|auto")]
Pixels = Annotated[float | None, Shown("PX", unit="px")]
Degrees = Annotated[float | None, Shown("DEG", unit="degrees")]
Millimetres = Annotated[float | None, Shown("MM", unit="mm")]
Metres = Annotated[float | None, Shown("M", unit="m", mistaken=LENGTHS)]
Prior = Annotated[str | None, Shown("NAME|FILE")]
Count = Annotated[int | None, Shown("N")]
Score = Annotated[float | None, Shown("SCORE")]
Side = Annotated[int, Field(ge=1, le=1_000_000)]
OptionalSize = Annotated[tuple[Side, Side] | None, Shown("W H", unit="px")]
Collision = Annotated[
    bool, Shown(off="let bodies pass through themselves: no term and no stage of collision")
]


class JobConfig(Settings):
    """Fits a body to every person in a folder (or file) of keypoints.

    Run again, it goes on where it stopped.
    """

    keypoints: InputPath = Field(description="folder or file of OpenPose, COCO or Halpe JSON")
    out: OutPath = Field(description="output folder: results/, summary.csv, config.yaml, log.txt")
    images: OptionalPath = Field(
        None, description="folder of the photos: their size, EXIF, overlays"
    )
    recursive: bool = Field(False, description="folders below too; results keep the folders")
    layout: LayoutName | None = Field(
        None,
        description="order of the body points in files that do not name theirs (default: told by "
        "their number)",
    )
    keypoint_size: OptionalSize = Field(
        None,
        description="width and height of the images that the keypoints were made in, where no file "
        "tells",
    )
    seen: Score = Field(
        None, ge=0, description="score from which the files' points count as seen (default: 0.1)"
    )
    confident: Score = Field(
        None, gt=0, description="score from which they count as confident (default: 0.3)"
    )

    start: OptionalPath = Field(
        None,
        description="file or folder of a network's predictions to begin with (docs/predictions.md)",
    )
    preset: Preset = Field(
        "smplx", description="how to fit: a name from `smplifyx presets`, or a .yaml file"
    )
    prior: Prior = Field(
        None,
        description="body-pose prior in place of the preset's: vposer, flow, gmm, gaussian, none, "
        "or a VPoser or mixture file",
    )
    model: OptionalPath = Field(
        None, description="body model, file or folder (default: the built-in)"
    )
    gender: Gender = Field(
        Gender.NEUTRAL,
        description="whose body; label (or input): as each person's files say, else neutral; auto: "
        "the same, else as proportions say, if at all",
    )
    genders: OptionalPath = Field(
        None,
        description="CSV of a classifier: photo,person,gender,probability (gender label, auto)",
    )
    age: Age = Field(
        Age.AUTO, description="whose proportions; auto: adult, child where the evidence says so"
    )
    kid_template: OptionalPath = Field(
        None, description=".npy of a small child (default: the one beside the body model)"
    )
    height: Metres = Field(
        None, ge=HEIGHTS[0], le=HEIGHTS[1], description="known stature of everybody, in metres"
    )
    collision: Collision = Field(
        True, description="keep bodies from passing through themselves, as the preset does"
    )
    scene: bool = Field(
        False, description="keep the people of an image from passing through each other, too"
    )
    video: bool = Field(
        False,
        description="the frames follow one another: people are tracked, and each fitted with one "
        "shape and even motion",
    )
    fps: Annotated[float, Shown("N")] = Field(
        30.0, ge=1, le=1000, description="frames a second of a video, by their numbers"
    )
    device: Device = Field("auto", description="auto, cpu, cuda or cuda:N")
    batch_size: BatchSize = Field(
        "auto", description="people fitted together; no result depends on it"
    )
    processes: Processes = Field(
        "auto", description="processes that fit a large job on a CPU; 1: all in this one"
    )

    focal: Pixels = Field(
        None, ge=10, le=1_000_000, description="focal length in pixels of the images"
    )
    fov: Degrees = Field(
        None, ge=0.1, le=150, description="horizontal field of view, instead of --focal"
    )
    focal_35mm: Millimetres = Field(
        None, ge=3, le=3000, description="35 mm-equivalent focal length, instead of --focal"
    )
    free_focal: bool = Field(
        False, description="fit the focal length too, from that guess; needs strong perspective"
    )
    cameras: OptionalPath = Field(None, description="JSON or CSV file with a K for each image")
    views: OptionalPath = Field(
        None,
        description="calibration of several cameras of one moment, a folder of KEYPOINTS for each "
        "(docs/views.md)",
    )

    min_keypoints: Annotated[int, Shown("N")] = Field(
        0, ge=0, le=25, description="leave out people with fewer confident body keypoints"
    )
    min_size: Annotated[float, Shown("PX", unit="px")] = Field(
        0, ge=0, description="leave out people smaller than so many pixels"
    )
    largest: Count = Field(None, ge=1, description="only the N largest people of each image")

    overlay: bool = Field(False, description="draw the people on their photos, into overlays/")
    mesh: MeshFormat | None = Field(None, description="write meshes, into meshes/")
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

    @model_validator(mode="after")
    def _one_focal_length(self) -> JobConfig:
        """Raises ValueError where the camera's focal length is given in two ways."""
        given = [name for name in _FOCAL_LENGTHS if getattr(self, name) is not None]
        if len(given) > 1:
            reason = "the same is said twice: give one"
            raise PydanticCustomError("twice", reason, {"fields": given})
        return self

    @model_validator(mode="after")
    def _genders_are_asked_for(self) -> JobConfig:
        """Raises ValueError for a table of genders that nobody would read."""
        if self.genders is not None and self.gender not in LABELLED:
            reason = f"is for gender label or auto, gender is {self.gender.value}"
            raise PydanticCustomError("unused", reason, {"fields": ["genders"]})
        return self

    @model_validator(mode="after")
    def _views_know_their_cameras(self) -> JobConfig:
        """Raises ValueError for what a job of several calibrated cameras does not take."""
        if self.views is None:
            return self
        given = [name for name in _NOT_OF_VIEWS if getattr(self, name) not in (None, False)]
        if given:
            reason = "is not for a job of views, whose cameras are calibrated"
            if given[0] in ("start", "scene", "recursive"):
                reason = "is not for a job of views yet"
            raise PydanticCustomError("views", reason, {"fields": given[:1]})
        return self

    @model_validator(mode="after")
    def _a_video_is_fitted_in_one_way(self) -> JobConfig:
        """Raises ValueError for what does not go together with a video."""
        if not self.video:
            return self
        for name in _NOT_OF_A_VIDEO:
            if getattr(self, name):
                reason = "do not go together, yet"
                raise PydanticCustomError("apart", reason, {"fields": ["video", name]})
        if self.gender is Gender.AUTO:
            reason = "auto looks at single frames: give label, neutral, female or male for a video"
            raise PydanticCustomError("apart", reason, {"fields": ["gender"]})
        return self

    @property
    def read_options(self) -> ReadOptions:
        """How the keypoint files are to be read."""
        from ..readers.options import ReadOptions  # here: --help does not wait for torch

        return ReadOptions(self.layout, self.keypoint_size, self.seen, self.confident)

    @property
    def facts(self) -> Mapping[str, object]:
        """What is said of everybody, by the words of a people sidecar."""
        return {"height": self.height}


_FOCAL_LENGTHS = ("focal", "fov", "focal_35mm")
_NOT_OF_VIEWS = (*_FOCAL_LENGTHS, "free_focal", "cameras", "start", "scene", "recursive")
_NOT_OF_A_VIDEO = ("scene", "start", "free_focal", "views")

# The headings of `smplifyx fit --help`, and what stands under each.
HEADINGS = MappingProxyType(
    {
        "what goes in, what comes out": (
            *("out", "images", "recursive", "layout", "keypoint_size", "seen", "confident"),
            "start",
        ),
        "how to fit": (
            *("preset", "prior", "model", "gender", "genders", "age", "kid_template", "height"),
            *("collision", "scene", "video", "fps"),
        ),
        "the camera (none: from EXIF, else a guess)": (
            *(*_FOCAL_LENGTHS, "free_focal", "cameras", "views"),
        ),
        "who is fitted": ("min_keypoints", "min_size", "largest"),
        "pictures and meshes": ("overlay", "report", "mesh", "renderer"),
        "how to run": ("device", "batch_size", "processes", "overwrite", "quiet"),
    }
)

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

    try:
        config = load_preset(job.preset)
    except ConfigError as error:
        raise FieldError("preset", str(error)) from error
    if job.prior:
        try:
            kind = kind_of(job.prior)
        except ValueError as error:
            raise FieldError("prior", str(error)) from error
        config = with_prior(config, job.prior, kind)
    if not job.collision:
        config = without_collision(config)
    if job.free_focal:
        config = with_free_focal(config)
    if job.views is not None:
        from ..fitting.views_fit import calibrated  # here: as above

        config = calibrated(config)
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
