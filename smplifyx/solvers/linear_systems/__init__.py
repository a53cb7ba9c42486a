"""What an energy looks like near a point, and how its damped Newton step is solved."""

from .arrow import Arrow
from .dense import Dense
from .frame_blocks import BlockBanded, BlockDiagonal
from .quadratic import Factor, Quadratic, Step

__all__ = [
    "Arrow",
    "BlockBanded",
    "BlockDiagonal",
    "Dense",
    "Factor",
    "Quadratic",
    "Step",
]
