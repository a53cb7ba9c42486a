"""From a folder of recordings to a prior, its card and its curve."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ..data.retarget import Poses
from .card import Recordings, draw_curve, write_card
from .classes import classify, kept_turns
from .contract import Description, History, Material, PoseSet, Product, Reconstructs, Schedule
from .fill import Fill, FillSettings, explain
from .kinds import Plan, plan, start
from .loop import TrainingProgress, TrainingRun, train
from .mixture import MixtureSettings, fit_mixture, read_mixture
from .options import Kind, TrainOptions
from .poses import Balance, PersonPart, pose_set_of, read_subjects, split
from .skeleton import resting_joints

KEEP_EVERY = 20.0  # seconds between checkpoints
NEEDED = MappingProxyType(
    {Kind.VPOSER: ("matplotlib",), Kind.FLOW: ("zuko", "matplotlib"), Kind.GMM: ("sklearn",)}
)
FEWEST = 20  # poses of a class, for figures of its own


@dataclass(frozen=True)
class Request:
    """What is to be trained. `schedule`, `fill`: None for the kind's own.

    `out` is a file for a mixture and a flow, a folder for VPoser. `held_out` subjects are never
    trained on: figures on them go into the card. `validation` subjects draw the curve (none named:
    at random `share` of the others; 0: all are trained on, and draw it too). `parts`: recordings
    of many packs that were read already; then `data` is not looked at, and those named for
    validation draw the curve (none named: all that are trained on). `joined_with`: the file of a
    mixture that gets half of the weight, next to the new one.
    """

    data: Path
    kind: Kind
    out: Path
    origin: Recordings
    schedule: Schedule | None = None
    fill: FillSettings | None = None
    balance: Balance = field(default_factory=Balance)
    held_out: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    share: float = 0.1
    mixture: MixtureSettings = field(default_factory=MixtureSettings)
    parts: tuple[PersonPart, ...] = ()
    joined_with: Path | None = None

    @classmethod
    def of(cls, options: TrainOptions) -> Request:
        """As asked on the command line; the recordings' terms are not known.

        Raises ValueError for no time at all, and where `out` exists already.
        """
        for name, value in (("epochs", options.epochs), ("minutes", options.minutes)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above zero, not {value}")
        if options.out.exists():
            raise ValueError(f"{options.out} exists already: delete it or name another --out")
        usual = plan(options.kind).schedule
        return cls(
            data=options.data,
            kind=options.kind,
            out=options.out,
            origin=Recordings(
                source=f"the recordings in {options.data.name}",
                licence="that of the recordings",
                command=_command(options),
            ),
            schedule=replace(
                usual,
                seed=options.seed,
                minutes=options.minutes,
                epochs=options.epochs or usual.epochs,
            ),
            held_out=options.held_out,
            validation=options.validation,
        )


@dataclass(frozen=True)
class Trained:
    """What a training wrote; `curve` is None for a mixture."""

    file: Path
    card: Path
    curve: Path | None
    figures: dict[str, object]


def train_prior(
    request: Request, progress: TrainingProgress, device: torch.device | None = None
) -> Trained:
    """Reads, trains on `device` (None: CUDA where there is one), writes the prior, its card and
    curve.

    A run that was stopped goes on where it was when asked for again. Raises FileNotFoundError and
    ValueError as `read_subjects`, `split` and `loop.train` do, ImportError where the extra [train]
    is missing.
    """
    for module in NEEDED[request.kind]:
        if find_spec(module) is None:
            raise ImportError(
                f"training a {request.kind.value} needs {module}: pip install 'smplifyx[train]'"
            )
    usual = plan(request.kind)
    chosen = Plan(
        schedule=request.schedule or usual.schedule,
        fill=request.fill or usual.fill,
    )
    gathered = _gather(request, chosen)
    if device is None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    product, history = _train(request, chosen, gathered.material, progress, device)
    with torch.no_grad():
        judged = _judge(product, gathered)
    figures = gathered.counts | judged | dict(request.origin.figures)
    return _write(request, chosen, product, history, figures)


@dataclass(frozen=True, eq=False)
class _Gathered:
    """What was read for a training."""

    material: Material
    held_out: PoseSet | None  # poses of subjects that are never trained on
    held_out_by_source: dict[str, PoseSet]  # where there are several sources
    counts: dict[str, object]  # for the card


@dataclass(frozen=True)
class _Groups:
    """Who is for what."""

    training: list[PersonPart]
    validation: list[PersonPart]
    held_out: list[PersonPart]
    frames: int  # sound ones that are not held out


def _gather(request: Request, chosen: Plan) -> _Gathered:
    """Reads the recordings and splits their subjects."""
    rest = resting_joints()
    groups = _divide(request) if request.parts else _read(request, chosen, rest)
    training = pose_set_of(groups.training, rest, request.balance)
    validation = training
    if groups.validation is not groups.training:  # thinning a hundred thousand poses takes minutes
        validation = pose_set_of(groups.validation, rest, request.balance)
    body_joints = torch.from_numpy(rest[:22]).float()
    material = Material(
        training=training,
        validation=validation,
        augment=Fill.of(training, body_joints, chosen.fill),
        rest_joints=body_joints,
    )
    counts: dict[str, object] = {
        "sound_frames": groups.frames,
        "subjects": {
            "training": _names(groups.training),
            "validation": _names(groups.validation),
            "held_out": _names(groups.held_out),
        },
        "training_poses_with_mirrored": len(training.weights),
    }
    # in the usual balance, whatever the request's: figures of all trainings can be compared
    held_out = pose_set_of(groups.held_out, rest, Balance()) if groups.held_out else None
    by_source: dict[str, PoseSet] = {}
    sources = dict.fromkeys(part.source for part in groups.held_out)
    if len(sources) > 1 and held_out is not None:
        counts["sound_frames_by_source"] = _frames_by_source(groups.training)
        by_source = _by_source(groups.held_out, rest)
    return _Gathered(material, held_out, by_source, counts)


def _read(request: Request, chosen: Plan, rest: Float[NDArray, "joints 3"]) -> _Groups:
    """The subjects of the request's folder."""
    subjects = read_subjects(request.data, rest)
    _require_known(request.held_out, list(subjects))
    held_out = {name: poses for name, poses in subjects.items() if name in request.held_out}
    others = {name: poses for name, poses in subjects.items() if name not in request.held_out}
    training, validation = split(others, request.validation, request.share, chosen.schedule.seed)

    def parts_of(group: Mapping[str, Poses]) -> list[PersonPart]:
        return [PersonPart(name, "", poses) for name, poses in group.items()]

    return _Groups(
        training=parts_of(training),
        validation=parts_of(validation),
        held_out=parts_of(held_out),
        frames=sum(len(poses.body_pose) for poses in others.values()),
    )


def _divide(request: Request) -> _Groups:
    """The request's own parts."""
    people = list(dict.fromkeys(part.person for part in request.parts))
    _require_known((*request.held_out, *request.validation), people)
    held_out = [part for part in request.parts if part.person in request.held_out]
    others = [part for part in request.parts if part.person not in request.held_out]
    training = [part for part in others if part.person not in request.validation]
    validating = [part for part in others if part.person in request.validation]
    return _Groups(
        training=training,
        validation=validating or training,
        held_out=held_out,
        frames=sum(len(part.poses.body_pose) for part in others),
    )


def _require_known(named: tuple[str, ...], subjects: list[str]) -> None:
    missing = sorted(set(named) - set(subjects))
    if missing:
        raise ValueError(
            f"no subjects {', '.join(missing)} to hold out; there are {', '.join(subjects)}"
        )


def _names(parts: list[PersonPart]) -> list[str]:
    """Of the people, each once."""
    return list(dict.fromkeys(part.person for part in parts))


def _frames_by_source(parts: list[PersonPart]) -> dict[str, int]:
    frames: dict[str, int] = {}
    for part in parts:
        frames[part.source] = frames.get(part.source, 0) + len(part.poses.body_pose)
    return frames


def _by_source(parts: list[PersonPart], rest: Float[NDArray, "joints 3"]) -> dict[str, PoseSet]:
    """The poses of each source, with what it lacks left as it is."""
    return {
        source: pose_set_of([part for part in parts if part.source == source], rest, Balance())
        for source in dict.fromkeys(part.source for part in parts)
    }


def _train(
    request: Request,
    chosen: Plan,
    material: Material,
    progress: TrainingProgress,
    device: torch.device,
) -> tuple[Product, History]:
    """The trained prior, on the CPU, and its history; none for a mixture."""
    seed = chosen.schedule.seed
    if request.kind is Kind.GMM:
        mixture = fit_mixture(material, chosen.fill, replace(request.mixture, seed=seed))
        if request.joined_with is not None:
            mixture = mixture.joined(read_mixture(request.joined_with))
        return mixture, ()
    # new networks draw their weights from torch's global numbers
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        trainee = start(request.kind, material)
    run = TrainingRun(
        checkpoint=request.out.with_name(f"{request.out.name}.checkpoint"),
        signature=_signature(request.kind, chosen, material),
        device=device,
        keep_every=KEEP_EVERY,
    )
    history = train(trainee, material, chosen.schedule, run, progress)
    trainee.module.eval().cpu()
    return trainee, history


def _signature(kind: Kind, chosen: Plan, material: Material) -> str:
    """The same for two requests that would give the same prior."""
    settings = (kind, chosen.schedule, chosen.fill)
    digest = hashlib.sha256(repr(settings).encode())
    for poses in (material.training, material.validation):
        digest.update(poses.rotations.numpy().tobytes())
        digest.update(poses.weights.numpy().tobytes())
    return digest.hexdigest()


def _judge(product: Product, gathered: _Gathered) -> dict[str, object]:
    """The figures on validation subjects and on held-out ones, these also class by class."""
    material = gathered.material
    held_out = gathered.held_out
    figures: dict[str, object] = {
        "validation": _rounded(product.validate(material.validation.rotations))
    }
    if held_out is not None:
        figures["held_out"] = _rounded(product.validate(held_out.rotations))
        if gathered.held_out_by_source:
            figures["held_out_by_source"] = {
                source: {"poses": len(poses.weights)} | _rounded(product.validate(poses.rotations))
                for source, poses in gathered.held_out_by_source.items()
            }
        figures["held_out_by_class"] = _judge_classes(product, held_out, material.rest_joints)
    if isinstance(product, Reconstructs):
        probed = held_out or material.validation
        kept = kept_turns(product, probed.rotations)
        figures["share_kept_of_turns_the_mocap_lacks"] = _rounded(kept)
    return figures


def _judge_classes(
    product: Product, held_out: PoseSet, rest_joints: Float[Tensor, "22 3"]
) -> dict[str, object]:
    """The figures on each class that has poses enough."""
    by_class: dict[str, object] = {}
    for kind, is_member in classify(held_out.rotations, rest_joints).items():
        count = int(is_member.sum())
        if count < FEWEST:
            continue
        figures = _rounded(product.validate(held_out.rotations[is_member]))
        # those of samples are left out: no poses have a part in them
        of_poses = {
            name: value for name, value in figures.items() if not name.startswith("samples")
        }
        by_class[kind.value] = {"poses": count} | of_poses
    return by_class


def _write(
    request: Request,
    chosen: Plan,
    product: Product,
    history: History,
    figures: dict[str, object],
) -> Trained:
    """The prior, and with its name the card and the curve."""
    file = product.export(request.out, history)
    stem = request.out.with_suffix("") if request.out.suffix else request.out
    card = stem.with_name(f"{stem.name}.card.yaml")
    description = _with_settings(product.describe(), request, chosen)
    write_card(file, card, request.origin, description, figures)
    curve = None
    if history:
        curve = stem.with_name(f"{stem.name}.curve.png")
        draw_curve(history, curve)
    return Trained(file, card, curve, figures)


def _with_settings(description: Description, request: Request, chosen: Plan) -> Description:
    """The description with the settings of the training."""
    settings = dict(description.settings)
    if request.kind is not Kind.GMM:  # which follows no schedule
        settings["schedule"] = asdict(chosen.schedule)
    settings["balance"] = asdict(request.balance)
    settings["holes"] = explain(chosen.fill)
    return replace(description, settings=settings)


def _command(options: TrainOptions) -> str:
    """The command that asks for this training, without the folders of its paths."""
    parts = [
        "smplifyx train-prior",
        f"--data {options.data.name}",
        f"--kind {options.kind.value}",
        f"--out {options.out.name}",
    ]
    if options.epochs:
        parts.append(f"--epochs {options.epochs}")
    if options.minutes:
        parts.append(f"--minutes {options.minutes}")
    if options.seed:
        parts.append(f"--seed {options.seed}")
    if options.held_out:
        parts.append(f"--held-out {' '.join(options.held_out)}")
    if options.validation:
        parts.append(f"--validation {' '.join(options.validation)}")
    return " ".join(parts)


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    """To four digits."""
    return {name: float(f"{value:.4g}") for name, value in figures.items()}
