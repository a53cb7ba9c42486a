"""`smplifyx train-prior`: a body-pose prior from recordings."""

from __future__ import annotations

from ..training.options import TrainOptions
from ..training.train import Request, train_prior
from .bars import TrainingBar
from .codes import DONE
from .terminal import Terminal


def run(options: TrainOptions, terminal: Terminal) -> int:
    """Trains; raises as `train_prior` does."""
    bar = TrainingBar(options.quiet)
    try:
        trained = train_prior(Request.of(options), bar)
    finally:
        bar.end()
    to_look_at = [trained.card] + ([trained.curve] if trained.curve else [])
    if not options.quiet:
        terminal.say(f"wrote {trained.file}; see {', '.join(map(str, to_look_at))}")
    return DONE
