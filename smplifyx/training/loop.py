"""The training loop: draws, augments, steps, validates; stopped, it goes on where it was, to the
same result.
"""

from __future__ import annotations

import math
import operator
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..core.files import boundary
from ..pose_priors.torch_files import CheckpointError, read_checkpoint
from .contract import Epoch, History, Material, Schedule, Trainee

VALIDATIONS = 100  # at most so many points of the curve
SEED_STRIDE = 1_000_003  # epochs of neighbouring seeds must not share their numbers


@runtime_checkable
class TrainingProgress(Protocol):
    """Whom a training tells how far it is."""

    def begin(self, what: str, total: int) -> None:
        """So many steps follow."""

    def advance(self, note: str) -> None:
        """One is done; `note` says how it stands."""


@dataclass(frozen=True)
class TrainingRun:
    """One training: where its checkpoint lies, what tells it from others, where it computes."""

    checkpoint: Path
    signature: str
    device: torch.device
    keep_every: float  # seconds between checkpoints


@dataclass
class _State:
    """What changes from epoch to epoch, and is kept in the checkpoint."""

    trainee: Trainee
    optimiser: torch.optim.Optimizer
    epoch: int = 0  # so many are done
    seconds: float = 0.0  # that they took, those before an interruption included
    history: list[Epoch] = field(default_factory=list)

    def done(self, schedule: Schedule) -> float:
        """The share of the training that is done, by epochs or by time, whichever is further."""
        by_epochs = self.epoch / schedule.epochs
        by_time = self.seconds / (60 * schedule.minutes) if schedule.minutes else 0.0
        return max(by_epochs, by_time)


def train(
    trainee: Trainee,
    material: Material,
    schedule: Schedule,
    run: TrainingRun,
    progress: TrainingProgress,
) -> History:
    """Trains in place, from the run's checkpoint on where there is one; removes the checkpoint at
    the end.

    Every epoch is seeded by its number, so that a run that was stopped ends as one that was not.
    Raises CheckpointError where the checkpoint belongs to a run with other settings or data, or is
    damaged.
    """
    state = _begin(trainee, schedule, run)
    progress.begin("epochs", schedule.epochs - state.epoch)
    validate_every = math.ceil(schedule.epochs / VALIDATIONS)
    # as if it had begun so much earlier: a time limit counts all parts of an interrupted run
    started = time.monotonic() - state.seconds
    kept_at = time.monotonic()
    while state.done(schedule) < 1:
        train_loss = _run_epoch(state, material, schedule, run.device)
        state.epoch += 1
        state.seconds = time.monotonic() - started
        if state.epoch % validate_every == 0 or state.done(schedule) >= 1:
            figures = _validate(trainee, material, run.device)
            state.history.append(Epoch(state.epoch, train_loss, figures))
        if time.monotonic() - kept_at >= run.keep_every:
            _save(state, run)
            kept_at = time.monotonic()
        progress.advance(_note(state.history))
    run.checkpoint.unlink(missing_ok=True)
    return tuple(state.history)


def _run_epoch(
    state: _State, material: Material, schedule: Schedule, device: torch.device
) -> float:
    """As many poses as the training set has, in batches; the mean loss.

    The global random state stays as it is.
    """
    # By the number of the epoch, not by what was drawn before: an epoch is the same whether the
    # run was interrupted or not.
    seed = schedule.seed * SEED_STRIDE + state.epoch
    generator = torch.Generator().manual_seed(seed)
    batches = _batches(material, schedule.batch, device, generator)
    module = state.trainee.module.train()
    done_before = state.done(schedule)
    mean_loss = 0.0
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # for layers that draw by themselves: dropout
        for at, batch in enumerate(batches):
            progress = min(1.0, done_before + at / len(batches) / schedule.epochs)
            for group in state.optimiser.param_groups:
                group["lr"] = schedule.rate * (1 + math.cos(math.pi * progress)) / 2
            state.optimiser.zero_grad()
            loss = state.trainee.loss(batch, progress, generator)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), schedule.clip)
            state.optimiser.step()
            mean_loss += float(loss.detach()) / len(batches)
    return mean_loss


def _batches(
    material: Material, size: int, device: torch.device, generator: torch.Generator
) -> list[Tensor]:
    """An epoch's augmented poses, [batch, 21, 3, 3] each; no batch of one: it has no statistics."""
    count = len(material.training.weights)
    poses = material.augment(material.training.draw(count, generator), generator)
    return [batch.to(device) for batch in poses.split(size) if len(batch) > 1]


def _validate(trainee: Trainee, material: Material, device: torch.device) -> dict[str, float]:
    trainee.module.eval()
    with torch.no_grad():
        return trainee.validate(material.validation.rotations.to(device))


def _note(history: list[Epoch]) -> str:
    """The latest figures, on one line; nothing before the first."""
    if not history:
        return ""
    return ", ".join(f"{name} {value:.3g}" for name, value in history[-1].validation.items())


def _begin(trainee: Trainee, schedule: Schedule, run: TrainingRun) -> _State:
    """The state of the run's checkpoint, or that of a training which begins."""
    module = trainee.module.to(run.device)
    optimiser = torch.optim.AdamW(
        module.parameters(), lr=schedule.rate, weight_decay=schedule.weight_decay, fused=True
    )
    state = _State(trainee, optimiser)
    if not run.checkpoint.exists():
        return state
    what = "the checkpoint of a training; delete it to begin anew"
    with boundary(run.checkpoint, what, CheckpointError):
        _resume(state, read_checkpoint(run.checkpoint), run)
    return state


def _resume(state: _State, kept: Any, run: TrainingRun) -> None:
    """Puts what a checkpoint holds into the state. Raises anything where it is not one."""
    if kept["signature"] != run.signature:
        raise CheckpointError(
            f"{run.checkpoint}: of a training with other settings or data; delete it to begin anew"
        )
    module = state.trainee.module
    module.load_state_dict(kept["module"])
    if not all(tensor.isfinite().all() for tensor in module.state_dict().values()):
        raise ValueError("weights that are not finite")
    state.optimiser.load_state_dict(kept["optimiser"])
    state.epoch = operator.index(kept["epoch"])
    state.seconds = float(kept["seconds"])
    if not (state.epoch >= 0 and 0 <= state.seconds < math.inf):
        raise ValueError("so many epochs or seconds cannot be")
    state.history = [Epoch(**entry) for entry in kept["history"]]


def _save(state: _State, run: TrainingRun) -> None:
    """Atomically: a kill leaves the checkpoint before or this one."""
    run.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "signature": run.signature,
        "module": state.trainee.module.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "epoch": state.epoch,
        "seconds": state.seconds,
        "history": [asdict(epoch) for epoch in state.history],
    }
    partial = run.checkpoint.with_name(run.checkpoint.name + ".part")
    torch.save(content, partial)
    os.replace(partial, run.checkpoint)
