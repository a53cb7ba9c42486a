"""What a term sees, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from ..features.feature import Feature
from ..features.jacobian_blocks import JacobianBlock


class FeatureValues:
    """Where each feature is at one evaluation, worked out when a term first asks for it."""

    def __init__(
        self, place: Callable[[Feature], Tensor], known: Mapping[Feature, Tensor] | None = None
    ) -> None:
        """place: how to work out a feature that is not among the `known` ones."""
        self._place = place
        self._known: dict[Feature, Tensor] = dict(known or {})

    def __getitem__(self, feature: Feature) -> Tensor:
        """The feature of each body of the batch."""
        if feature not in self._known:
            self._known[feature] = self._place(feature)
        return self._known[feature]

    def continued(self, place: Callable[[Feature], Tensor]) -> FeatureValues:
        """The same, with another way to work out what is not known yet."""
        return FeatureValues(place, self._known)

    def rows(self, index: Int[Tensor, " kept"]) -> FeatureValues:
        """Those of some people.

        What has not been asked for is worked out for all: the bits are the same.
        """
        known = {feature: value.index_select(0, index) for feature, value in self._known.items()}
        return FeatureValues(lambda feature: self[feature].index_select(0, index), known)

    def asked_for(self) -> Iterable[Feature]:
        """The features that are known by now."""
        return tuple(self._known)


@dataclass(frozen=True)
class Scene:
    """One evaluation, rows along the first axis: quantities of the bodies, and what was seen of the
    people.

    `scene[POINTS]` is where a feature is (see `features`): everything that a slope may be taken of.
    `observed` holds what each kind of evidence says, by the evidence's class; `matches` what
    features keep for the time of a stage.
    """

    values: FeatureValues
    observed: Mapping[type, Any]  # each a Bundle with rows along its first axis
    matches: Mapping[Feature, Any]

    def __getitem__(self, feature: Feature) -> Tensor:
        """Where the feature is: [batch, ...]."""
        return self.values[feature]


@dataclass(frozen=True)
class Jacobian:
    """A linearised residual: the energy's gradient is exactly 2 J^T values, its curvature about 2
    J^T J.

    `blocks` say how the residuals move with each feature that they see. `values` are the residuals
    that these slopes belong to: a robust term may state other residuals than its energy's, of the
    same gradient and better curvature.
    """

    values: Float[Tensor, "batch r"]
    blocks: Mapping[Feature, JacobianBlock]

    def scaled(self, factor: float) -> Jacobian:
        """That of the residuals times `factor`."""
        blocks = {feature: block.scaled(factor) for feature, block in self.blocks.items()}
        return Jacobian(self.values * factor, blocks)


@dataclass(frozen=True)
class Residual:
    """What a term says of each person: its square sum is the energy.

    `jacobian` makes the closed form, where there is one; without, autograd finds it.
    """

    values: Float[Tensor, "batch r"]
    jacobian: Callable[[], Jacobian] | None = None


@runtime_checkable
class Term(Protocol):
    """A function from a scene to residuals."""

    def __call__(self, scene: Scene) -> Residual:
        """Everybody's residuals; one person's may not depend on another's, to the last bit."""
        ...


@dataclass(frozen=True)
class WeightedTerm:
    """A term of the energy by name; the weight multiplies its residuals.

    `matches`: features whose matches the term reads, which are found anew where a stage begins.
    """

    name: str
    weight: float
    term: Term
    matches: tuple[Feature, ...] = ()
