"""What a term sees, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ..bundle import Bundle
from ..camera import Camera


@dataclass(frozen=True)
class Observation(Bundle):
    """What was seen of each person: per-row data that the terms compare the body with.

    The data term's residual is `gain * GMoF((projected - target) / unit, rho)`; a gain of 0 means unseen.
    """

    camera: Camera
    target: Float[Tensor, "*batch p 2"]  # pixels
    gain: Float[Tensor, "*batch p"]
    unit: Float[Tensor, "*batch p"]  # pixels
    rho: Float[Tensor, "*batch p"]  # units
    depth: Float[Tensor, "*batch"]  # metres: the first guess


@dataclass(frozen=True)
class Scene:
    """One evaluation, rows along the first axis. `inputs` holds everything a slope may be taken of:

    `points` [b, p, 3] in the camera's frame; `body_pose` [b, 63], `left_hand_pose`, `right_hand_pose` [b, 45] as
    axis-angle; `up` [b, 3] the direction of the pelvis' y axis in the camera's frame; and the unknowns by the name of
    their `config.Block`.
    """

    inputs: Mapping[str, Tensor]
    observation: Observation

    def __getitem__(self, name: str) -> Tensor:
        return self.inputs[name]


@dataclass(frozen=True)
class Slopes:
    """Linearised rows: the energy's gradient is exactly `2 wrt^T rows`, its curvature about `2 wrt^T wrt`.

    wrt[name]: [b, r, d] or, shared by the batch, [r, d]; for `points` also [b, p, k, 3] where row (p, k) sees point p
    alone.
    """

    rows: Float[Tensor, "b r"]
    wrt: Mapping[str, Tensor]


@dataclass(frozen=True)
class Rows:
    """The residual of a term, its square sum the energy, and its slopes when they have a closed form."""

    residual: Float[Tensor, "b r"]
    slopes: Callable[[], Slopes] | None = None


Term = Callable[[Scene], Rows]
