"""The people of a fit, and what all stages share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from ..camera import Camera
from ..core.bundle import Bundle, static
from ..evidence.evidence import Evidence
from ..evidence.keypoints2d import Keypoints2D
from ..keypoints import Keypoints
from .setup import FitSetup


@dataclass(frozen=True)
class FitBatch(Bundle):
    """The people of a batch [batch]: what is known of each, and what they are fitted with."""

    seen: Keypoints2D  # where the first guess comes from
    others: dict[type, Any]  # further evidence by its kind, each a Bundle [batch]
    setup: FitSetup = static()

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """All of it."""
        return (self.seen, *self.others.values())

    @property
    def keypoints(self) -> Keypoints:
        """As detected."""
        return self.seen.keypoints

    @property
    def camera(self) -> Camera:
        """As guessed or given."""
        return self.seen.camera

    @property
    def scale(self) -> Float[Tensor, " batch"]:
        """Pixels per metre of each person."""
        return self.seen.scale

    def __len__(self) -> int:
        """How many people."""
        return len(self.seen.scale)
