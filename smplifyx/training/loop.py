"""The training loop: draws, augments, steps, validates; stopped, it goes on where it was, to the
same result.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from .contract import Epoch, History, Material, Schedule, Trainee

VALIDATIONS = 100  # at most so many points of the curve
SEED_STRIDE = 1_000_003  # epochs of neighbouring seeds must not share their numbers


@runtime_checkable
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
    epoch: int = 0
    seconds: float = 0.0
    history: list[Epoch] = field(default_factory=list)


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
    Raises ValueError where the checkpoint belongs to a run with other settings or data.
    """
    state = _begin(trainee, schedule, run)
    progress.begin("epochs", schedule.epochs - state.epoch)
    started, kept = time.monotonic() - state.seconds, time.monotonic()
    while _done(state, schedule) < 1:
        loss = _epoch(state, material, schedule, run.device)
        state.epoch, state.seconds = state.epoch + 1, time.monotonic() - started
        if (
            state.epoch % math.ceil(schedule.epochs / VALIDATIONS) == 0
            or _done(state, schedule) >= 1
        ):
            state.history.append(
                Epoch(state.epoch, loss, _validate(state.trainee, material, run.device))
            )
        if time.monotonic() - kept >= run.keep_every:
            _save(state, run)
            kept = time.monotonic()
        progress.advance(_note(state.history))
    run.checkpoint.unlink(missing_ok=True)
    return tuple(state.history)


def _done(state: _State, schedule: Schedule) -> float:
    """The share of the training that is done, by epochs or by time, whichever is further."""
    by_time = state.seconds / (60 * schedule.minutes) if schedule.minutes else 0.0
    return max(state.epoch / schedule.epochs, by_time)


def _epoch(state: _State, material: Material, schedule: Schedule, device: torch.device) -> float:
    """As many poses as the training set has, in batches; the mean loss.

    The global random state stays as it is.
    """
    module, total = state.trainee.module.train(), 0.0
    seed = schedule.seed * SEED_STRIDE + state.epoch
    generator = torch.Generator().manual_seed(seed)
    poses = material.augment(
        material.training.draw(len(material.training.weights), generator), generator
    )
    # one has no statistics
    batches = [batch.to(device) for batch in poses.split(schedule.batch) if len(batch) > 1]
    begin = _done(state, schedule)
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # for layers that draw by themselves: dropout
        for at, batch in enumerate(batches):
            progress = min(1.0, begin + at / len(batches) / schedule.epochs)
            _set_rate(state.optimiser, schedule.rate * (1 + math.cos(math.pi * progress)) / 2)
            state.optimiser.zero_grad()
            loss = state.trainee.loss(batch, progress, generator)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), schedule.clip)
            state.optimiser.step()
            total += float(loss.detach()) / len(batches)
    return total


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _validate(trainee: Trainee, material: Material, device: torch.device) -> dict[str, float]:
    trainee.module.eval()
    with torch.no_grad():
        return trainee.validate(material.validation.rotations.to(device))


def _note(history: list[Epoch]) -> str:
    return (
        ", ".join(f"{name} {value:.3g}" for name, value in history[-1].validation.items())
        if history
        else ""
    )


def _begin(trainee: Trainee, schedule: Schedule, run: TrainingRun) -> _State:
    module = trainee.module.to(run.device)
    decay = schedule.weight_decay
    optimiser = torch.optim.AdamW(
        module.parameters(), lr=schedule.rate, weight_decay=decay, fused=True
    )
    state = _State(trainee, optimiser)
    if run.checkpoint.exists():
        kept = torch.load(run.checkpoint, map_location=run.device, weights_only=True)
        if kept.get("signature") != run.signature:
            raise ValueError(
                f"{run.checkpoint}: of a training with other settings or data; delete it to begin anew"
            )
        module.load_state_dict(kept["module"])
        optimiser.load_state_dict(kept["optimiser"])
        state.epoch, state.seconds = kept["epoch"], kept["seconds"]
        state.history = [Epoch(**entry) for entry in kept["history"]]
    return state


def _save(state: _State, run: TrainingRun) -> None:
    """Atomically: a kill leaves the checkpoint before or this one."""
    run.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "signature": run.signature, "module": state.trainee.module.state_dict(),
        "optimiser": state.optimiser.state_dict(), "epoch": state.epoch, "seconds": state.seconds,
        "history": [asdict(entry) for entry in state.history],
    }  # fmt: skip
    partial = run.checkpoint.with_name(run.checkpoint.name + ".part")
    torch.save(content, partial)
    os.replace(partial, run.checkpoint)
