"""How far each joint may stray from what the mocap shows: floors of the standard deviations of
Gaussian priors.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ..body.joints import BODY_POSE_JOINTS, sideless

Spread = tuple[float, float, float]  # radians about the joint's own x, y, z

# Standard deviation in radians added in quadrature, about x, y, z of the joint at rest; both sides
# alike. And why.
FLOORS: Mapping[str, tuple[Spread, str]] = MappingProxyType({
    "spine3": ((0.25, 0.25, 0.25), "nearly frozen in the mocap (sd .08)"),
    "neck": (
        (0.2, 0.2, 0.2),
        "the mocap's subjects look ahead; people in photos look down, up and around",
    ),
    "head": ((0.2, 0.2, 0.2), "as neck, which shares its rotation"),
    "collar": ((0.25, 0.25, 0.25), "constant in the mocap; shrugs and raised arms need it"),
    "wrist": (
        (0.15, 0.2, 0.3),
        "the mocap's wrist only twists (x); deviation (y) and flexion (z) are constant",
    ),
    "foot": ((0.2, 0.1, 0.1), "constant in the mocap; toes bend about x at push-off"),
})  # fmt: skip
DEFAULT_FLOOR: tuple[Spread, str] = (
    (0.15, 0.15, 0.15),
    "12 subjects are few, and detectors' joints are not the mocap's",
)


def floor_of(table: Mapping[str, Spread]) -> Float[NDArray, " 63"]:
    """The table's entry (radians) for each of the 21 joints, `table["others"]` or the default for
    the rest.
    """
    others = table.get("others", DEFAULT_FLOOR[0])
    return np.array([table.get(sideless(name), others) for name in BODY_POSE_JOINTS]).ravel()


def standard_floor() -> Float[NDArray, " 63"]:
    """The floors of `FLOORS`, radians."""
    return floor_of({kind: spread for kind, (spread, _) in FLOORS.items()})


def explain_floors() -> dict[str, str]:
    """What each floor is and why, for the card."""
    return {kind: f"{list(spread)}: {why}" for kind, (spread, why) in FLOORS.items()}
