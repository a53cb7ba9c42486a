"""The people of a fit, and what all stages share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor

from ..camera import Camera
from ..core.bundle import Bundle, static
from ..evidence.bone_depth import BoneDepth
from ..evidence.evidence import Evidence
from ..evidence.keypoints2d import Keypoints2D, seen_confidence
from ..evidence.views import Views
from ..keypoints import Keypoints
from .setup import FitSetup


@dataclass(frozen=True)
class FitBatch(Bundle):
    """The people of a batch [batch]: what is known of each, and what they are fitted with."""

    seen: Keypoints2D  # where the first guess comes from
    others: dict[type, Any]  # further evidence by its kind, each a Bundle [batch]
    setup: FitSetup = static()
    # what follows from the keypoints themselves, by its kind
    inferred: dict[type, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, seen: Keypoints2D, others: Mapping[type, Any], setup: FitSetup) -> FitBatch:
        """With what the preset infers from the keypoints."""
        network, config = setup.depth_network, setup.config
        inferred: dict[type, Any] = {}
        others = dict(others)
        views = others.get(Views)
        if views is not None:
            others[Views] = views.measured_against(setup.neutral_points, config.reprojection)
        if network is not None:
            confidence = seen_confidence(seen.keypoints, config.reprojection)
            depths = BoneDepth.read(seen, confidence, network, config.bone_depth)
            if views is not None:  # they measure what the network guesses
                depths = depths.without(views.measured(confidence))
            inferred[BoneDepth] = depths
        return cls(seen, others, setup, inferred)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """All of it."""
        return (self.seen, *self.others.values(), *self.inferred.values())

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
