"""One loaded body model: its arrays, its kind, and which of its points are the canonical 137."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.choices import Age, BodyAge, BodyGender, Gender
from .joints import BodyKind

__all__ = ["Age", "BodyKind", "BodyModel", "Gender", "HandSpace", "PointTable"]


@dataclass(frozen=True, eq=False)
class HandSpace:
    """The space of one hand's 15 joint rotations: axis-angle = mean + coefficients @ components, in
    radians.

    `sds` is the standard deviation of each coefficient; `measured` is False where the file does not
    tell it and a stated fallback (see `hand_space.py`) stands in.
    """

    mean: Float[Tensor, " 45"]
    components: Float[Tensor, "rows 45"]
    sds: Float[Tensor, " rows"]
    measured: bool


@dataclass(frozen=True, eq=False)
class PointTable:
    """Which points of a body are the canonical 137: each a weighted sum of three joints or
    vertices.

    Sources index the joints followed by the vertices: joint j is j, vertex v is J + v. Coefficients
    sum to 1. Where `known` is False the model has no such point and the row means nothing. The face
    contour (canonical points 67..83) depends on how the head is seen: `contour_*` hold a row per
    whole degree of yaw, 0..39 for 0..39 degrees and 40..78 for -1..-39; none where the model has no
    contour. `sources` has the contour as seen from the front.
    """

    sources: Int[Tensor, "137 3"]
    coefficients: Float[Tensor, "137 3"]
    known: Bool[Tensor, " 137"]
    contour_sources: Int[Tensor, "yaws 17 3"]
    contour_coefficients: Float[Tensor, "yaws 17 3"]


@dataclass(frozen=True, eq=False)
class BodyModel:
    """The arrays of one body model of V vertices, J joints, S shape and E expression directions;
    metres, y up.

    `name` and `sha256` tell the file it came from. `parents` holds -1 for the root. Models without
    fingers have no hands. Betas are in standard deviations of the model's own population; where
    `kid_sha256` names a kid template, the last is 0 for an adult and 1 for the child of the
    template.
    """

    name: str
    sha256: str
    kind: BodyKind
    gender: BodyGender
    v_template: Float[Tensor, "v 3"]
    shapedirs: Float[Tensor, "v 3 s"]
    expressiondirs: Float[Tensor, "v 3 e"]
    # 9 (J - 1): the entries of R - I of every joint but the root
    posedirs: Float[Tensor, "v 3 features"]
    J_regressor: Float[Tensor, "j v"]
    weights: Float[Tensor, "v j"]
    parents: tuple[int, ...]
    faces: Int[Tensor, "f 3"]
    left_hand: HandSpace | None
    right_hand: HandSpace | None
    points: PointTable
    kid_sha256: str = ""

    @property
    def age(self) -> BodyAge:
        """Whose proportions the body can take."""
        return Age.CHILD if self.kid_sha256 else Age.ADULT

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> BodyModel:
        """A copy on `device`, its floating-point arrays as `dtype` (None: as they are)."""
        return _moved(self, device, dtype)

    def sized(self, betas: int, expressions: int) -> BodyModel:
        """The body with so many betas and expressions at most, the first ones, and a child's last;
        itself if it has.
        """
        return _sized(self, betas, expressions)

    @cached_property
    def has_posedirs(self) -> bool:
        """Whether the pose corrects the surface at all."""
        return bool((self.posedirs != 0).any())

    @cached_property
    def joint_template(self) -> Float[Tensor, "j 3"]:
        """The joints of the mean body at rest, in metres."""
        return self.J_regressor @ self.v_template

    @cached_property
    def joint_directions(self) -> Float[Tensor, "j 3 n"]:
        """How the resting joints move with betas and expression (n = S + E)."""
        directions = torch.cat([self.shapedirs, self.expressiondirs], -1)
        return (self.J_regressor @ directions.flatten(1)).unflatten(1, (3, -1))


# the same few sizes for every batch of a job, and what is folded for one serves all
@lru_cache(maxsize=8)
def _sized(body: BodyModel, betas: int, expressions: int) -> BodyModel:
    kid = body.shapedirs.shape[-1] - int(body.age is Age.CHILD)
    if kid <= betas and body.expressiondirs.shape[-1] <= expressions:
        return body
    shapedirs = torch.cat([body.shapedirs[..., : min(betas, kid)], body.shapedirs[..., kid:]], -1)
    return dataclasses.replace(
        body, shapedirs=shapedirs, expressiondirs=body.expressiondirs[..., :expressions]
    )


def _moved(value: object, device: torch.device | str | None, dtype: torch.dtype | None) -> object:
    if isinstance(value, Tensor):
        return value.to(device=device, dtype=dtype if value.is_floating_point() else None)
    if not isinstance(value, (BodyModel, HandSpace, PointTable)):
        return value
    fields = {
        f.name: _moved(getattr(value, f.name), device, dtype) for f in dataclasses.fields(value)
    }
    return dataclasses.replace(value, **fields)
