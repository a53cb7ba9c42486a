"""How the people of a job are fitted, as work that a launcher does here or in other processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch

from ..config import FitConfig, load_preset
from ..fitting.age_choice import fit_best_age
from ..parallel.halving import middle
from .batches import BatchFit, Bodies, Failure, FitAnswer, FitTask, fit_people
from .scenes import fit_scenes

LOG = logging.getLogger(__name__)
# people that a process fits at once, where there are so many: more cost no less each
MOST = 256


@dataclass(frozen=True)
class FitRecipe:
    """How people are fitted, small enough to be told to another process, which loads preset and
    bodies itself; a `parallel.launcher.Work`.

    model, kid_template: as for `Bodies`. fit: a function that pickles. scene: the people of an
    image are held apart.
    """

    activity: ClassVar[str] = "fits"
    unit: ClassVar[str] = "people"

    config: FitConfig = field(default_factory=lambda: load_preset("smplx"))
    model: Path | None = None
    kid_template: Path | None = None
    fit: BatchFit = fit_best_age
    scene: bool = False

    @property
    def largest(self) -> int | None:
        """The most people that a process gets at once; None: images stay whole, so batches do."""
        return None if self.scene else MOST

    def load(self) -> Callable[[Sequence[FitTask]], list[FitAnswer]]:
        """What fits people on the CPU, and keeps the bodies that it has loaded."""
        bodies = Bodies(self.model, torch.device("cpu"), self.kid_template)
        return partial(self.fitted, bodies=bodies)

    def fitted(self, people: Sequence[FitTask], bodies: Bodies) -> list[FitAnswer]:
        """The answers for these people, in order, on the device of the bodies."""
        answers = fit_people(people, bodies, self.config, self.fit)
        return fit_scenes(people, answers, bodies, self.config) if self.scene else answers

    def cut(self, people: Sequence[FitTask]) -> int:
        """Near the middle; between images, as far as there are several, where these are fitted as a
        whole.
        """
        count = len(people)
        between = [i for i in range(1, count) if people[i].stem != people[i - 1].stem]
        if not self.scene or not between:
            return middle(people)
        return min(between, key=lambda i: abs(2 * i - count))

    def give_up(self, person: FitTask, death: Exception) -> FitAnswer:
        """The answer for a person over whose fit processes die."""
        LOG.warning("%s person %d: the process died: %s", person.stem, person.origin.person, death)
        return Failure(f"the process that fitted this person died: {death}")
