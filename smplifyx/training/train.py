"""From a folder of recordings to a prior, its card and its curve."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import torch

from .card import Recordings, draw_curve, write_card
from .classes import classify, kept_turns
from .contract import Description, History, Material, PoseSet, Product, Reconstructs, Schedule
from .fill import Fill, FillSettings, explain
from .kinds import plan, start
from .loop import TrainingProgress, TrainingRun, train
from .mixture import MixtureSettings, fit_mixture
from .options import Kind, TrainOptions
from .poses import Balance, pose_set, read_subjects, split
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
    at random `share` of the others; 0: all are trained on, and draw it too).
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
        schedule = plan(options.kind).schedule
        schedule = replace(
            schedule,
            seed=options.seed,
            minutes=options.minutes,
            epochs=options.epochs or schedule.epochs,
        )
        origin = Recordings(
            f"the recordings in {options.data.name}", "that of the recordings", _command(options)
        )
        wanted = (options.held_out, options.validation)
        return cls(
            options.data, options.kind, options.out, origin, schedule, None, Balance(), *wanted
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
    chosen = plan(request.kind)
    request = replace(
        request, schedule=request.schedule or chosen.schedule, fill=request.fill or chosen.fill
    )
    material, held_out, counts = _gather(request)
    product, history = _train(request, material, progress, device or _device())
    with torch.no_grad():
        figures = counts | _judge(product, material, held_out)
    return _write(request, product, history, figures | dict(request.origin.figures))


def _judge(product: Product, material: Material, held_out: PoseSet | None) -> dict[str, object]:
    """The figures on validation subjects and on held-out ones, these also class by class."""
    figures: dict[str, object] = {
        "validation": _rounded(product.validate(material.validation.rotations))
    }
    if held_out is not None:
        figures["held_out"] = _rounded(product.validate(held_out.rotations))
        classes = classify(held_out.rotations, material.rest_joints)
        figures["held_out_by_class"] = {
            kind.value: {"poses": int(member.sum())}
            | _of_poses(product.validate(held_out.rotations[member]))
            for kind, member in classes.items()
            if int(member.sum()) >= FEWEST
        }
    if isinstance(product, Reconstructs):
        probed = held_out or material.validation
        figures["share_kept_of_turns_the_mocap_lacks"] = _rounded(
            kept_turns(product, probed.rotations)
        )
    return figures


def _of_poses(figures: dict[str, float]) -> dict[str, float]:
    """Without those of samples, which no poses have a part in."""
    return _rounded(
        {name: value for name, value in figures.items() if not name.startswith("samples")}
    )


def _write(
    request: Request, product: Product, history: History, figures: dict[str, object]
) -> Trained:
    stem = request.out.with_suffix("") if request.out.suffix else request.out
    file = product.export(request.out, history)
    card, curve = stem.with_name(f"{stem.name}.card.yaml"), stem.with_name(f"{stem.name}.curve.png")
    write_card(file, card, (request.origin, _described(product.describe(), request)), figures)
    if history:
        draw_curve(history, curve)
    return Trained(file, card, curve if history else None, figures)


def _command(options: TrainOptions) -> str:
    parts = [
        f"smplifyx train-prior --data {options.data.name} --kind {options.kind.value} --out {options.out.name}"
    ]
    for name in ("epochs", "minutes", "seed"):
        if getattr(options, name):
            parts.append(f"--{name} {getattr(options, name)}")
    for name in ("held_out", "validation"):
        if getattr(options, name):
            parts.append(f"--{name.replace('_', '-')} {' '.join(getattr(options, name))}")
    return " ".join(parts)


def _gather(request: Request) -> tuple[Material, PoseSet | None, dict[str, object]]:
    rest = resting_joints()
    subjects = read_subjects(request.data, rest)
    if missing := sorted(set(request.held_out) - set(subjects)):
        raise ValueError(
            f"no subjects {', '.join(missing)} to hold out; there are {', '.join(subjects)}"
        )
    held_out = {s: poses for s, poses in subjects.items() if s in request.held_out}
    others = {s: poses for s, poses in subjects.items() if s not in request.held_out}
    parts = split(others, request.validation, request.share, request.schedule.seed)
    training, validation = (pose_set(part, rest, request.balance) for part in parts)
    joints = torch.from_numpy(rest[:22]).float()
    material = Material(training, validation, Fill.of(training, joints, request.fill), joints)
    counts = {
        "sound_frames": sum(len(poses.body_pose) for poses in others.values()),
        "subjects": {
            "training": list(parts[0]),
            "validation": list(parts[1]),
            "held_out": list(held_out),
        },
        "training_poses_with_mirrored": len(training.weights),
    }
    # alike for every training
    return material, pose_set(held_out, rest, Balance()) if held_out else None, counts


def _train(
    request: Request, material: Material, progress: TrainingProgress, device: torch.device
) -> tuple[Product, History]:
    if request.kind is Kind.GMM:
        return fit_mixture(
            material, request.fill, replace(request.mixture, seed=request.schedule.seed)
        ), ()
    with torch.random.fork_rng():
        torch.manual_seed(request.schedule.seed)
        trainee = start(request.kind, material)
    checkpoint = request.out.with_name(f"{request.out.name}.checkpoint")
    run = TrainingRun(checkpoint, _signature(request, material), device, KEEP_EVERY)
    history = train(trainee, material, request.schedule, run, progress)
    trainee.module.eval().cpu()
    return trainee, history


def _signature(request: Request, material: Material) -> str:
    """The same for two requests that would give the same prior."""
    digest = hashlib.sha256(repr((request.kind, request.schedule, request.fill)).encode())
    for poses in (material.training, material.validation):
        digest.update(poses.rotations.numpy().tobytes() + poses.weights.numpy().tobytes())
    return digest.hexdigest()


def _described(description: Description, request: Request) -> Description:
    settings = {"schedule": asdict(request.schedule)} if request.kind is not Kind.GMM else {}
    balance = {"balance": asdict(request.balance)}
    return replace(
        description,
        settings=description.settings | settings | balance | {"holes": explain(request.fill)},
    )


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.4g}") for name, value in figures.items()}
