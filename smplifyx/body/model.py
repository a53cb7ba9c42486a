"""One loaded body model: its arrays, its kind, and which of its points are the canonical 137."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.choices import Age, BodyAge, BodyGender, Detector, Gender
from .derived import DerivedValues
from .joints import BodyKind

__all__ = ["Age", "BodyKind", "BodyModel", "Gender", "HandSpace", "PointTable"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class HandSpace:
    """The space of one hand's 15 joint rotations: axis-angle = mean + coefficients @ components, in
    radians.

    `sds` is the standard deviation of each coefficient; `measured` is False where the file does not
    tell it and a stated fallback (see `hand_space.py`) stands in.
    """

    mean: Float[Tensor, " 45"]
    components: Float[Tensor, "components 45"]
    sds: Float[Tensor, " components"]
    measured: bool

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> HandSpace:
        """A copy on `device`, its arrays as `dtype` (None: as they are)."""
        return HandSpace(
            mean=self.mean.to(device=device, dtype=dtype),
            components=self.components.to(device=device, dtype=dtype),
            sds=self.sds.to(device=device, dtype=dtype),
            measured=self.measured,
        )


@dataclass(frozen=True, eq=False)
class PointTable:
    """Which points of a body are the canonical 137: each a weighted sum of three joints or
    vertices.

    Sources index the joints followed by the vertices: joint j is j, vertex v is J + v. Coefficients
    sum to 1. Where `known` is False the model has no such point and its line means nothing. The
    face contour (canonical points 67..83) depends on how the head is seen: `contour_*` hold a line
    per whole degree of yaw, 0..39 for 0..39 degrees and 40..78 for -1..-39; none where the model
    has no contour. `sources` has the contour as seen from the front.
    """

    sources: Int[Tensor, "137 3"]
    coefficients: Float[Tensor, "137 3"]
    known: Bool[Tensor, " 137"]
    contour_sources: Int[Tensor, "yaws 17 3"]
    contour_coefficients: Float[Tensor, "yaws 17 3"]

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> PointTable:
        """A copy on `device`, its coefficients as `dtype` (None: as they are)."""
        return PointTable(
            sources=self.sources.to(device=device),
            coefficients=self.coefficients.to(device=device, dtype=dtype),
            known=self.known.to(device=device),
            contour_sources=self.contour_sources.to(device=device),
            contour_coefficients=self.contour_coefficients.to(device=device, dtype=dtype),
        )


@dataclass(frozen=True, eq=False)
class BodyModel:
    """The arrays of one body model of V vertices, J joints, S shape and E expression directions;
    metres, y up.

    `name` and `sha256` tell the file it came from. `parents` holds -1 for the root. Models without
    fingers have no hands. `points` are where a detector looks; `model_points` are where the model's
    format has them, and so other programs. Betas are in standard deviations of the model's own
    population; where `kid_sha256` names a kid template, the last is 0 for an adult and 1 for the
    child of the template.

    A body also keeps what is worked out from it, see `derived`. A copy, a moved body, a replaced
    one and an unpickled one start without.
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
    model_points: PointTable
    kid_sha256: str = ""
    detector: Detector = Detector.OPENPOSE  # whose points `points` are
    # no argument of the constructor, so `dataclasses.replace` makes a new one
    _derived: DerivedValues = field(default_factory=DerivedValues, init=False, repr=False)

    def __repr__(self) -> str:
        """What it is, and how large."""
        like = self.v_template
        who = f"{self.name}, {self.kind.value}, {self.gender.value} {self.age.value}"
        sizes = (
            f"{len(like)} vertices, {len(self.parents)} joints, {self.shapedirs.shape[-1]} betas, "
            f"{self.expressiondirs.shape[-1]} expressions"
        )
        return f"BodyModel({who}: {sizes}; {str(like.dtype).removeprefix('torch.')}, {like.device})"

    @property
    def age(self) -> BodyAge:
        """Whose proportions the body can take."""
        return Age.CHILD if self.kid_sha256 else Age.ADULT

    def derived(self, function: Callable[..., T], *arguments: Hashable) -> T:
        """`function(self, *arguments)`, worked out once for this body and kept as long as it lives.

        `function`: one of a module; a lambda or a local function is new, and so kept again, at
        every call. See `DerivedValues` for threads.
        """
        return self._derived.value((function, *arguments), lambda: function(self, *arguments))

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> BodyModel:
        """A copy on `device`, its floating-point arrays as `dtype` (None: as they are)."""
        return dataclasses.replace(
            self,
            v_template=self.v_template.to(device=device, dtype=dtype),
            shapedirs=self.shapedirs.to(device=device, dtype=dtype),
            expressiondirs=self.expressiondirs.to(device=device, dtype=dtype),
            posedirs=self.posedirs.to(device=device, dtype=dtype),
            J_regressor=self.J_regressor.to(device=device, dtype=dtype),
            weights=self.weights.to(device=device, dtype=dtype),
            faces=self.faces.to(device=device),
            left_hand=None if self.left_hand is None else self.left_hand.to(device, dtype),
            right_hand=None if self.right_hand is None else self.right_hand.to(device, dtype),
            points=self.points.to(device, dtype),
            model_points=self.model_points.to(device, dtype),
        )

    def sized(self, betas: int, expressions: int) -> BodyModel:
        """The body with so many betas and expressions at most, the first ones, and a child's last.

        Itself where it has no more; else the same object every time it is asked for these sizes, so
        that what is derived from the smaller body is made once.
        """
        adult_betas = self.shapedirs.shape[-1] - int(self.age is Age.CHILD)
        all_expressions = self.expressiondirs.shape[-1]
        if adult_betas <= betas and all_expressions <= expressions:
            return self  # not kept in its own store: it would hold itself
        return self.derived(_cut, min(betas, adult_betas), min(expressions, all_expressions))

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

    def __getstate__(self) -> dict[str, object]:
        """The arguments of the constructor: what `copy` and `pickle` take along.

        Not the derived values nor the cached properties: a lock cannot be pickled, and a copy may
        be moved to another process, which makes its own.
        """
        given = [f.name for f in dataclasses.fields(self) if f.init]
        return {name: getattr(self, name) for name in given}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _derived=DerivedValues())


def _cut(body: BodyModel, betas: int, expressions: int) -> BodyModel:
    """The body with its first `betas` and `expressions`; a child keeps its last beta, age."""
    adult_betas = body.shapedirs.shape[-1] - int(body.age is Age.CHILD)
    first = body.shapedirs[..., :betas]
    age = body.shapedirs[..., adult_betas:]  # none for an adult
    return dataclasses.replace(
        body,
        shapedirs=torch.cat([first, age], -1),
        expressiondirs=body.expressiondirs[..., :expressions],
    )
