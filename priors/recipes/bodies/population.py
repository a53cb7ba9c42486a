"""A plausible adult population: MakeHuman's sliders drawn at random and turned into blend-shape
coefficients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import product
from types import MappingProxyType

import numpy as np

from .source import Source

Weights = dict[str, np.ndarray]


class Gender(Enum):
    """Which bodies a model covers."""

    NEUTRAL = "neutral"
    FEMALE = "female"
    MALE = "male"


# Standard deviation of each local change, clipped to +-1.
LOCAL: dict[str, float] = {
    "arms/measure-upperarm-length": 0.15, "arms/measure-lowerarm-length": 0.15, "legs/measure-upperleg-height": 0.12,
    "legs/measure-lowerleg-height": 0.12, "torso/measure-napetowaist-dist": 0.18, "torso/measure-shoulder-dist": 0.25,
    "torso/measure-hips-circ": 0.25, "torso/measure-waist-circ": 0.25, "torso/measure-bust-circ": 0.15,
    "neck/measure-neck-height": 0.2, "legs/measure-thigh-circ": 0.2, "legs/measure-calf-circ": 0.2,
    "head/head-scale-vert": 0.2, "head/head-scale-horiz": 0.2, "head/head-scale-depth": 0.2,
    "stomach/stomach-tone": 0.2,
}  # fmt: skip
Ages = Mapping[str, float]  # MakeHuman's anchors by name and place on the slider, youngest first
ADULT_AGES: Ages = MappingProxyType({"child": 1 / 3, "young": 2 / 3, "old": 1.0})
INFANT_AGES: Ages = MappingProxyType({"baby": 0.0, "child": 1 / 3})


@dataclass(frozen=True)
class FitBatch:
    """MakeHuman sliders of n people, each [n] in 0..1; race [n, 3] sums to 1; local [n, changes] in
    -1..1.
    """

    gender: np.ndarray  # 0 male, 1 female
    age: np.ndarray  # 0 baby, 1/3 child, 2/3 young, 1 old
    muscle: np.ndarray
    weight: np.ndarray
    height: np.ndarray
    proportions: np.ndarray
    cupsize: np.ndarray
    firmness: np.ndarray
    race: np.ndarray
    local: np.ndarray


def draw(gender: Gender, count: int, rng: np.random.Generator) -> FitBatch:
    """Draw people from the sampling ranges of the body notes (adults; see docs/body.md)."""
    low, high = {Gender.MALE: (0.0, 0.1), Gender.FEMALE: (0.9, 1.0), Gender.NEUTRAL: (0.0, 0.12)}[
        gender
    ]
    sex = rng.uniform(low, high, count)
    if gender is Gender.NEUTRAL:
        sex = np.where(np.arange(count) % 2 == 0, sex, 1 - sex)
    unit = lambda mean, sd: np.clip(rng.normal(mean, sd, count), 0, 1)  # noqa: E731
    age = np.clip(2 / 3 + np.abs(rng.normal(0, 0.13, count)) - 0.03, 0.62, 1)
    sliders = (
        unit(0.5, 0.18),
        unit(0.6, 0.3),
        unit(0.366, 0.062),
        unit(0.5, 0.2),
        unit(0.45, 0.18),
        unit(0.5, 0.18),
    )
    race = rng.dirichlet([0.6] * 3, count)
    local = np.clip(rng.normal(0, 1, (count, len(LOCAL))) * np.array(list(LOCAL.values())), -1, 1)
    return FitBatch(sex, age, *sliders, race, local)


def reference() -> FitBatch:
    """The one shape at which bone heads are tied to the skin: between the sexes, young, average,
    height .4.
    """
    return average_person(age=2 / 3, height=0.4)


def average_person(age: float, height: float) -> FitBatch:
    """One person between the sexes and races, average but for age and height."""
    value = lambda x: np.full(1, x)  # noqa: E731
    average = (value(0.5), value(0.5), value(height), value(0.5), value(0.5), value(0.5))
    return FitBatch(
        value(0.5), value(age), *average, np.full((1, 3), 1 / 3), np.zeros((1, len(LOCAL)))
    )


def _hat(value: np.ndarray, anchors: Ages) -> Weights:
    """Piecewise linear weights of the anchors."""
    places = list(anchors.values())
    return {
        name: np.interp(value, places, np.eye(len(anchors))[i]) for i, name in enumerate(anchors)
    }


def _thirds(value: np.ndarray, suffix: str) -> Weights:
    return _hat(value, {f"min{suffix}": 0, f"average{suffix}": 0.5, f"max{suffix}": 1})


def _combine(prefix: str, *parts: Weights) -> Weights:
    names = product(*(part.items() for part in parts))
    return {
        prefix + "-".join(n for n, _ in item): np.prod([w for _, w in item], axis=0)
        for item in names
    }


def coefficients(people: FitBatch, ages: Ages = ADULT_AGES) -> Weights:
    """Coefficient [n] of every blend shape that describes people, by name (a name without a file
    adds nothing).
    """
    sex = {"male": 1 - people.gender, "female": people.gender}
    age = _hat(people.age, ages)
    build = (sex, age, _thirds(people.muscle, "muscle"), _thirds(people.weight, "weight"))
    race = dict(zip(("african", "asian", "caucasian"), people.race.T, strict=True))
    height = {"minheight": 1 - people.height, "maxheight": people.height}
    proportions = {
        "uncommonproportions": 1 - people.proportions,
        "idealproportions": people.proportions,
    }
    bust = (_thirds(people.cupsize, "cup"), _thirds(people.firmness, "firmness"))
    out = _combine("macrodetails/", race, sex, age) | _combine("macrodetails/universal-", *build)
    out |= _combine("macrodetails/height/", *build, height)
    out |= _combine("macrodetails/proportions/", *build, proportions)
    out |= _combine("breast/", {"female": people.gender}, *build[1:], *bust)
    for name, value in zip(LOCAL, people.local.T, strict=True):
        out |= {f"{name}-incr": np.maximum(value, 0), f"{name}-decr": np.maximum(-value, 0)}
    return out


@dataclass(frozen=True)
class ShapeSpace:
    """Base mesh plus the blend shapes that exist, as one matrix."""

    base: np.ndarray  # [19158, 3]
    names: tuple[str, ...]
    shapes: np.ndarray  # [names, 19158*3] float32
    ages: Ages

    @classmethod
    def read(cls, source: Source, base: np.ndarray, ages: Ages = ADULT_AGES) -> ShapeSpace:
        """Load every blend shape that people of `ages` can need (about 350 files for adults)."""
        names = tuple(name for name in coefficients(reference(), ages) if source.has_target(name))
        return cls(
            base,
            names,
            np.stack([source.target(name).ravel() for name in names]).astype(np.float32),
            ages,
        )

    def vertices(self, people: FitBatch) -> np.ndarray:
        """A-pose vertices [n, 19158, 3] in metres."""
        table = coefficients(people, self.ages)
        matrix = np.stack([table[name] for name in self.names], 1).astype(np.float32)
        return self.base + (matrix @ self.shapes).reshape(len(matrix), -1, 3)
