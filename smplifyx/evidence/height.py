"""Evidence: how tall a person is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..body.model import BodyModel
from ..body.stature import Stature, stature_of
from ..config import HEIGHTS, StageConfig
from ..core.bundle import Bundle
from ..features.fold import PointSet
from ..features.jacobian_blocks import DenseBlock
from ..features.unknowns import BETAS
from ..terms.regularisers import Silent
from ..terms.scene import Jacobian, Residual, Scene, WeightedTerm

_KEY = "known_height_m"  # in a result file
SPREAD = 0.01  # metres: how well people know their height


@dataclass(frozen=True)
class KnownHeight(Bundle):
    """Statures as people state them; NaN where one is not known."""

    metres: Float[Tensor, "*batch"]

    @classmethod
    def of(cls, heights: Tensor | Sequence[float | None] | None, like: Tensor) -> KnownHeight:
        """Heights of a batch as `like` [batch] is stored; None: nobody's is known."""
        if heights is None:
            return cls(torch.full_like(like, torch.nan))
        if isinstance(heights, Tensor):
            return cls(heights.to(like))
        return cls(like.new_tensor([math.nan if h is None else h for h in heights]))

    @classmethod
    def facts(cls) -> tuple[str, ...]:
        """One word."""
        return ("height",)

    @classmethod
    def from_facts(cls, facts: Mapping[str, object]) -> KnownHeight:
        """One person's `height` in metres. Raises ValueError for anything that is not."""
        value = facts.get("height")
        if value is None:
            return cls(torch.tensor(math.nan))
        least, most = HEIGHTS
        is_bool = isinstance(value, bool)  # which Python takes for a number
        if isinstance(value, int | float) and not is_bool and least <= value <= most:
            return cls(torch.tensor(float(value)))
        raise ValueError(f"height should be metres, {least} to {most}, got {value!r:.40}")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As a result file keeps it."""
        return {_KEY: self.metres.detach().cpu().numpy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> KnownHeight:
        """From a result file; unknown where it does not say. Raises ValueError for no number."""
        height = np.array(arrays.get(_KEY, np.float32(math.nan)))
        if height.shape or height.dtype.kind != "f":
            raise ValueError(f"{_KEY} is no number")
        return cls(torch.from_numpy(height))

    def points(self, stage: StageConfig, body: BodyModel) -> PointSet:
        """None: a stature is told by the shape alone."""
        return PointSet()

    def observe(self, stage: StageConfig, points: PointSet) -> KnownHeight:
        """The heights themselves, in every stage."""
        return self

    def terms(self, stage: StageConfig, body: BodyModel) -> tuple[WeightedTerm, ...]:
        """One term; a silent one where nobody's height is known, so that every batch has the same
        terms.
        """
        if not stage.weights.height:
            return ()
        known = bool(self.metres.isfinite().any())
        term = StatureTerm(stature_of(body), SPREAD) if known else Silent()
        return (WeightedTerm("height", stage.weights.height, term),)


@dataclass(frozen=True)
class StatureTerm:
    """The body's stature in its T-pose against the person's known height, in units of `spread`
    metres.

    Zero for people whose height is not known.
    """

    stature: Stature
    spread: float

    def __call__(self, scene: Scene) -> Residual:
        """One residual."""
        value, slope = self.stature(scene[BETAS])  # [batch], [batch, betas]
        height = scene.observed[KnownHeight].metres
        known = height.isfinite()
        off = torch.where(known, value - height, 0.0) / self.spread
        pull = torch.where(known[:, None], slope, 0.0) / self.spread
        residual = off[:, None]
        return Residual(residual, lambda: Jacobian(residual, {BETAS: DenseBlock(pull[:, None])}))
