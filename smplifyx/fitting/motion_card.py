"""How people move: the card of `priors/motion/`, usual second differences of recorded motion."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated

import pydantic

from ..body.joints import sideless
from ..config import Settings, read_settings
from ..core import assets
from ..keypoints import names

CARD = "accelerations.yaml"


class MotionCard(Settings):
    """Where the numbers come from, and how large second differences usually are.

    points: standard deviation of the acceleration of points along each axis, m/s^2, by their names
    without a side. The others are differences from frame to frame to frame at `fps`: `turn` of the
    body's axis-angles, radians; `hand` of hands' coefficients, in their spreads; `jaw`, radians;
    `expression`, coefficients.
    """

    what: str
    source: str
    licence: str
    command: str
    fps: float = pydantic.Field(gt=0)
    points: dict[str, Annotated[float, pydantic.Field(gt=0)]]
    turn: float = pydantic.Field(gt=0)
    hand: float = pydantic.Field(gt=0)
    jaw: float = pydantic.Field(gt=0)
    expression: float = pydantic.Field(gt=0)

    @cached_property
    def accelerations(self) -> dict[int, float]:
        """The standard deviation of each canonical point that the card knows."""
        found: dict[int, float] = {}
        for point, name in enumerate(names.POINT_NAMES):
            if sideless(name) in self.points:
                found[point] = self.points[sideless(name)]
        return found


def load_motion(path: Path | None = None) -> MotionCard:
    """The card that ships, or another one. Raises ConfigError in one line."""
    shipped = assets.folder("priors") / "motion" / CARD
    return read_settings(path or shipped, MotionCard)
