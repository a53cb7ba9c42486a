"""What may be known of people, one kind a class: the fit, jobs and processes hand it on unopened.

A kind of evidence is a frozen bundle with one row per person. It says which points of the body it
looks at, what a stage compares the body with, and by which terms. A new kind is one file in this
room, a line in `kinds`, and a weight in `config.Weights`; what of it fits into a word and a number
comes with people's sidecars (`facts`), the rest needs a reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from ..body.model import BodyModel
from ..config import StageConfig
from ..core.bundle import Bundle
from ..features.fold import PointSet
from ..terms.scene import WeightedTerm


@runtime_checkable
class Evidence(Protocol):
    """One kind of evidence about a batch of people; implementations are `Bundle`s."""

    def points(self, stage: StageConfig, body: BodyModel) -> PointSet:
        """The points of the body that it looks at in a stage; none for most kinds."""
        ...

    def observe(self, stage: StageConfig, points: PointSet) -> Bundle:
        """What the terms of a stage compare the body with; terms find it in `scene.observed` by its
        class.

        points: those that the stage has folded, in the order of `scene[POINTS]`.
        """
        ...

    def terms(self, stage: StageConfig, body: BodyModel) -> Sequence[WeightedTerm]:
        """The terms that compare the body with it, weighted as the stage says; those of weight 0
        left out.
        """
        ...


@runtime_checkable
class SavedEvidence(Evidence, Protocol):
    """Evidence that a result keeps, since it decided the result. Rows without batch axes.

    What files and the command say of single people in plain words reaches it as `facts`.
    """

    @classmethod
    def facts(cls) -> tuple[str, ...]:
        """The words of a sidecar `X.people.json` that it understands."""
        ...

    @classmethod
    def from_facts(cls, facts: Mapping[str, object]) -> SavedEvidence:
        """One person's, from what is said of them; what is not said or None is not known.

        Raises ValueError for a value that cannot be.
        """
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays by the names that they have in a result file."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> SavedEvidence:
        """From all arrays of a result file; of an older file that lacks them, that nothing was
        known.
        """
        ...


EvidenceRows = dict[type, Bundle]  # a batch's evidence by kind: a bundle indexes all of it at once


def by_kind(evidence: Iterable[Bundle]) -> EvidenceRows:
    """Evidence by its class. Raises ValueError for two of one kind."""
    found: EvidenceRows = {}
    for one in evidence:
        if type(one) in found:
            raise ValueError(f"evidence of one kind is given twice: {type(one).__name__}")
        found[type(one)] = one
    return found


def check_rows(evidence: Iterable[Bundle], count: int) -> None:
    """Raises ValueError where evidence is not about `count` people."""
    for one in evidence:
        lengths = {len(tensor) for tensor in _tensors(one)}
        if lengths - {count}:
            name = type(one).__name__
            raise ValueError(f"{name} is about {sorted(lengths)} people, the batch has {count}")


def _tensors(bundle: Bundle) -> list[Tensor]:
    found: list[Tensor] = []

    def noted(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    bundle.map(noted)
    return found
