"""How to fit: the schema of a preset in `cfg_files/`, and its loader.

It never names a path or a machine.
"""

from __future__ import annotations

import itertools
from enum import Enum
from pathlib import Path
from typing import TypeVar

import pydantic

from .core import assets
from .core.fields import faults_of, told
from .core.files import boundary
from .core.yaml_files import read_yaml

HEIGHTS = (0.3, 2.8)  # metres, of anybody whose height is stated: the least and the most


class Block(str, Enum):
    """A group of unknowns that a stage may set free."""

    GLOBAL_ORIENT = "global_orient"
    TRANSL = "transl"
    BODY = "body"  # the latent of the body-pose prior
    BETAS = "betas"
    EXPRESSION = "expression"
    LEFT_HAND = "left_hand"  # PCA coefficients
    RIGHT_HAND = "right_hand"
    JAW = "jaw"
    LEYE = "leye"
    REYE = "reye"
    FOCAL = "focal"  # log of the factor on the camera's focal length


# what a collision must not change
NEVER_PUSHED = (Block.BETAS, Block.EXPRESSION, Block.FOCAL)


class Part(str, Enum):
    """A part of the 137 points."""

    BODY = "body"
    HANDS = "hands"
    FACE = "face"
    CONTOUR = "contour"


class Unit(str, Enum):
    """What a reprojection residual of 1 means."""

    # one sigma, in metres at the person's own scale: independent of the image's resolution
    PERSON = "person"
    IMAGE_HEIGHT = "image_height"  # one pixel of an image 1000 pixels high, as in 2019


class Start(str, Enum):
    """How the first guess of orientation and place is made."""

    PNP = "pnp"
    SIMILAR_TRIANGLES = "similar_triangles"


class HandPrior(str, Enum):
    """Where the hands' mean, components and spreads come from."""

    # recorded hands, `priors/hands`: finger angles mean the same in every SMPL-X-like body
    RECORDED = "recorded"
    BODY = "body"  # the body model's own file


class SolverKind(str, Enum):
    """The minimisers."""

    LEVENBERG_MARQUARDT = "levenberg_marquardt"
    LBFGS = "lbfgs"
    ADAM = "adam"


class Settings(pydantic.BaseModel):
    """Base of all settings: frozen, unknown keys are errors, and so are numbers without end."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


AnySettings = TypeVar("AnySettings", bound=Settings)


class PerPart(Settings):
    """One number per group of points."""

    body: float = 1.0
    head: float = 1.0  # nose, eyes, ears of the body skeleton
    hips: float = 1.0
    neck: float = 1.0
    hands: float = 1.0
    face: float = 1.0
    contour: float = 1.0


class ReprojectionConfig(Settings):
    """The data term: gain x GMoF((projected - detected) / unit)."""

    unit: Unit = Unit.PERSON
    sigma: PerPart = PerPart(
        body=0.022, head=0.018, hips=0.035, neck=0.030, hands=0.010, face=0.008, contour=0.020
    )
    # GMoF rho, in units
    outlier: PerPart = PerPart(body=30, head=30, hips=30, neck=30, hands=20, face=8, contour=8)
    per_coordinate: bool = False  # rho acts on x and y apart (2019) or on their length
    min_confidence: float = 0.1  # less confident points are unseen
    ignore: tuple[str, ...] = ()  # names of points that never count


class BoneDepthConfig(Settings):
    """What a network reads of the bones' depths from 2D keypoints (`evidence.bone_depth`)."""

    # GMoF rho, in standard deviations
    outlier: float = pydantic.Field(default=6.0, gt=0)


class Weights(Settings):
    """The factor on each term's residual; 0 leaves the term out."""

    reprojection: float = 1.0
    pose_prior: float = 0.0
    limits: float = 0.0
    bending: float = 0.0
    shape: float = 0.0
    height: float = 1.0  # counts only for people whose height is known
    expression: float = 0.0
    hand_prior: float = 0.0
    hand_size: float = 0.0
    hand_limits: float = 0.0
    jaw: tuple[float, float, float] = (0.0, 0.0, 0.0)
    eyes: float = 0.0
    upright: float = 0.0
    depth: float = 0.0
    bone_depth: float = 0.0
    pose_estimate: float = 0.0  # counts only for people of whom there is a prediction
    keypoints3d: float = 1.0  # counts only for people of whom points in space are known
    focal: float = 0.0
    collision: float = 0.0


class SolverConfig(Settings):
    """Which minimiser, and when it stops."""

    kind: SolverKind = SolverKind.LEVENBERG_MARQUARDT
    max_steps: int = pydantic.Field(default=10, ge=1, le=100_000)
    tolerance: float = pydantic.Field(default=1e-6, ge=0)  # relative decrease of the energy
    lr: float = pydantic.Field(default=0.01, gt=0)  # Adam


class StageConfig(Settings):
    """One minimisation: what is free, the weights, the solver, how many hypotheses survive it."""

    name: str
    free: tuple[Block, ...] = pydantic.Field(min_length=1)
    parts: tuple[Part, ...] = (Part.BODY,)
    part_weights: PerPart = PerPart()
    only: tuple[str, ...] = ()  # names of the only points that count, when given
    # each hypothesis starts also with one limb mirrored in depth, for each limb
    mirror: bool = False
    # squared distances: no robustness, no confidence, no list of ignored points (2019 camera)
    plain: bool = False
    weights: Weights = Weights()
    solver: SolverConfig = SolverConfig()
    # metres: of hypotheses nearer than this, one goes on
    merge: float = pydantic.Field(default=0.0, ge=0)
    # how many hypotheses go on, the best ones
    keep: int = pydantic.Field(default=1, ge=1, le=1000)


class ClipConfig(Settings):
    """How the frames of a clip hold together (`fitting.clip_fit`): weights of what lies between
    them, each in units of how people move.
    """

    acceleration: float = pydantic.Field(default=0.25, ge=0)  # of points of body and hands
    depth: float = pydantic.Field(default=1.0, gt=0)  # on it along the view, where errors are large
    # GMoF rho, in standard deviations of the acceleration
    outlier: float = pydantic.Field(default=4.0, gt=0)
    turns: float = pydantic.Field(default=0.3, ge=0)  # second differences of the body's angles
    hands: float = pydantic.Field(default=1.0, ge=0)  # and of hands' coefficients
    face: float = pydantic.Field(default=1.0, ge=0)  # and of jaw and expression
    # feet slower than 5 cm/s keep still
    stand: float = pydantic.Field(default=0.0, ge=0)
    # how many frames, spread over a track, tell its shape; and for how many of them each counts
    shape_frames: int = pydantic.Field(default=24, ge=1, le=256)
    shape_evidence: float = pydantic.Field(default=0.1, gt=0, le=1)
    survivors: int = pydantic.Field(
        default=4, ge=1, le=16
    )  # bodies of a frame that paths lead through
    # frames that are solved together, and how many of the next they look at
    chunk: int = pydantic.Field(default=64, ge=8, le=1024)
    ahead: int = pydantic.Field(default=16, ge=0, le=512)


class StartConfig(Settings):
    """The first guess and its hypotheses."""

    kind: Start = Start.PNP
    yaws: int = pydantic.Field(default=4, ge=1, le=72)
    poses: tuple[str, ...] = pydantic.Field(default=("standing",), max_length=16)
    # 2019: try the back view too when the shoulders are nearer than this
    flip_below_shoulder_px: float = 0.0


class FitConfig(Settings):
    """A preset."""

    name: str
    summary: str
    pose_prior: str = "gaussian"
    # on the weights of pose_prior where `with_prior` puts in a prior of that kind
    prior_scales: dict[str, float] = {}
    betas: int = pydantic.Field(default=10, ge=0, le=1000)
    expressions: int = pydantic.Field(default=10, ge=0, le=1000)
    hand_prior: HandPrior = HandPrior.RECORDED
    hand_components: int = pydantic.Field(default=12, ge=0, le=45)
    # overrides the camera's focal length (2019 used 5000 for every image)
    focal_px: float | None = None
    reprojection: ReprojectionConfig = ReprojectionConfig()
    # the network behind the weights of bone_depth: `many_people`, or an .npz
    depth_prior: str = "many_people"
    bone_depth: BoneDepthConfig = BoneDepthConfig()
    first_guess: StartConfig = StartConfig()
    clip: ClipConfig = ClipConfig()
    stages: tuple[StageConfig, ...] = pydantic.Field(min_length=1, max_length=64)

    @pydantic.field_validator("stages")
    @classmethod
    def _collision_moves_bodies_alone(
        cls, stages: tuple[StageConfig, ...]
    ) -> tuple[StageConfig, ...]:
        """A body that would pass through itself changes its pose and place. Left free, it buys its
        way out with a shape that nobody has (10 sd were seen), or with the camera.
        """
        for stage in stages:
            held = [block.value for block in stage.free if block in NEVER_PUSHED]
            if stage.weights.collision and held:
                names = ", ".join(held)
                raise ValueError(
                    f"stage {stage.name!r}: collision moves pose and place alone, "
                    f"but {names} are free beside it"
                )
        return stages


class ConfigError(ValueError):
    """A preset or job that does not load; the message is one line."""


class FieldError(ConfigError):
    """A field's value that cannot be used, though it is of the field's kind: the message is "FIELD:
    REASON".
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def preset_names() -> tuple[str, ...]:
    """The names of the presets in `cfg_files/`."""
    return tuple(sorted(path.stem for path in assets.folder("cfg_files").glob("*.yaml")))


def load_preset(name: str | Path) -> FitConfig:
    """The preset of that name, or the YAML file at that path. Raises ConfigError in one line."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = assets.folder("cfg_files") / f"{name}.yaml"
    if path == Path(name) and not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    if not path.is_file():
        raise ConfigError(
            f"no preset {str(name)!r}; there are {', '.join(preset_names())}, or give a .yaml file"
        )
    return read_settings(path, FitConfig)


def as_preset(given: FitConfig | str | Path | None) -> FitConfig:
    """A preset itself, or the one of that name; None: `smplx`. Raises ConfigError in one line."""
    if isinstance(given, FitConfig):
        return given
    if given is None or isinstance(given, str | Path):
        return load_preset(given or "smplx")
    kind = type(given).__name__
    raise ConfigError(f"config: expected a preset, its name or its .yaml file, got {kind}")


def read_settings(path: Path, schema: type[AnySettings]) -> AnySettings:
    """A YAML file as `schema`. Raises ConfigError naming file, field and fault."""
    content = read_yaml(path, ConfigError)
    with boundary(path, "settings of smplifyx", ConfigError):
        try:
            return schema.model_validate(content)
        except pydantic.ValidationError as error:
            raise ConfigError(f"{path}: {told(faults_of(error, schema))}") from error


def with_prior(config: FitConfig, name: str, kind: str | None = None) -> FitConfig:
    """The preset with another body-pose prior: a name, or a path (see `pose_priors.load_prior`) to
    one of that kind.

    Latents of few numbers have less energy than poses of many: `prior_scales` tells what that
    kind's weights take.
    """
    scale = config.prior_scales.get(kind or name, 1.0)
    scaled = with_prior_weight(config, scale)
    return scaled.model_copy(update={"pose_prior": name})


def with_prior_weight(config: FitConfig, scale: float) -> FitConfig:
    """The preset with the weight of the pose prior times `scale` in every stage."""
    return with_term_scaled(config, "pose_prior", scale)


def with_term_scaled(config: FitConfig, term: str, scale: float) -> FitConfig:
    """The preset with one term's weight, a field of `Weights`, times `scale` in every stage."""
    stages: list[StageConfig] = []
    for stage in config.stages:
        stages.append(_with_weight(stage, term, scale * getattr(stage.weights, term)))
    return config.model_copy(update={"stages": tuple(stages)})


def without_collision(config: FitConfig) -> FitConfig:
    """The preset with bodies that may pass through themselves.

    A stage that only weighs collision more than the one before it, whatever its solver, has no
    purpose then and goes.
    """
    first = config.stages[0]
    stages = [_with_weight(first, "collision", 0.0)]
    for before, stage in itertools.pairwise(config.stages):
        if not _only_adds_collision(stage, before):
            stages.append(_with_weight(stage, "collision", 0.0))
    return config.model_copy(update={"stages": tuple(stages)})


def _only_adds_collision(stage: StageConfig, before: StageConfig) -> bool:
    """Whether a stage differs from the one before it, but for name, solver and unknowns that it
    holds, in a larger weight of collision alone.
    """
    if stage.weights.collision <= before.weights.collision:
        return False
    if not set(stage.free) <= set(before.free):
        return False
    changed = {"name": stage.name, "solver": stage.solver, "free": stage.free}
    like_before = before.model_copy(update=changed)
    return _with_weight(stage, "collision", 0.0) == _with_weight(like_before, "collision", 0.0)


def with_free_focal(config: FitConfig) -> FitConfig:
    """The preset with each person's focal length free, held near its guess (30 % is one sigma),
    where all is free.

    Only strong perspective tells it; people of one image get focal lengths of their own.
    """
    everything = max((stage.free for stage in config.stages), key=len)
    with_focal = everything if Block.FOCAL in everything else (*everything, Block.FOCAL)
    stages: list[StageConfig] = []
    for stage in config.stages:
        if stage.free == everything:
            stage = _with_weight(stage, "focal", stage.weights.focal or 1.0)
            stage = stage.model_copy(update={"free": with_focal})
        stages.append(stage)
    return config.model_copy(update={"stages": tuple(stages)})


def _with_weight(stage: StageConfig, term: str, weight: float) -> StageConfig:
    """The stage with another weight of one term, a field of `Weights`."""
    weights = stage.weights.model_copy(update={term: weight})
    return stage.model_copy(update={"weights": weights})
