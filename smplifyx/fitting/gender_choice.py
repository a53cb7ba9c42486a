"""Female, male, or left open: what the evidence of one or several pictures of a person comes to.

The card in `priors/gender` makes odds of the evidence: `offset` is what a body that is neither
gets, `temperature` how much too sure energies are. Several pictures of one person are not
independent, since they show the same bones: their sum is divided by 1 + (n - 1) `correlation`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydantic
from jaxtyping import Float
from torch import Tensor

from ..body.model import BodyModel
from ..config import Settings, read_settings
from ..core import assets
from ..core.choices import BodyGender, Gender

CARD = "evidence.yaml"
DECIDED_AT = 0.9  # probability


class GenderCalibration(Settings):
    """The card: where the numbers come from, and what makes odds of evidence."""

    what: str
    source: str
    licence: str
    command: str
    preset: str
    bodies: Mapping[str, str]  # sha256 of the two files by gender: it holds for no others
    people: int
    pictures: int  # of each person
    offset: float
    temperature: float = pydantic.Field(gt=0)
    correlation: float = pydantic.Field(ge=0, le=1)

    def is_of(self, female: BodyModel, male: BodyModel) -> bool:
        """Whether these are the bodies that it was fitted to."""
        return dict(self.bodies) == {
            Gender.FEMALE.value: female.sha256,
            Gender.MALE.value: male.sha256,
        }

    def log_odds(self, evidence: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Log odds, female to male, of each picture by itself; NaN stays."""
        return (evidence - self.offset) / self.temperature

    def together(self, log_odds: Sequence[float | None]) -> float | None:
        """Log odds of several pictures of one person. None and NaN: nothing is known of one; None
        where nothing is of any.
        """
        known = [value for value in log_odds if value is not None and math.isfinite(value)]
        if not known:
            return None
        return math.fsum(known) / (1 + (len(known) - 1) * self.correlation)


@dataclass(frozen=True)
class GenderDecision:
    """Whose body a person gets.

    gender: neutral where it is left open. probability: of the likelier of female and male.
    log_odds: female to male, of all pictures together. None: there is no evidence.
    """

    gender: BodyGender
    probability: float | None
    log_odds: float | None


UNDECIDED = GenderDecision(Gender.NEUTRAL, None, None)  # nothing is known


def decide(
    log_odds: Sequence[float | None], card: GenderCalibration | None = None
) -> GenderDecision:
    """What the pictures of one person come to.

    log_odds: female to male, of each picture by itself, as results have them
    (`Origin.gender_log_odds`); None and NaN do not count. card: None, the one that ships.
    """
    total = (card or load_gender_calibration()).together(log_odds)
    if total is None:
        return UNDECIDED
    probability = 1 / (1 + math.exp(-min(abs(total), 500.0)))
    if probability < DECIDED_AT:
        return GenderDecision(Gender.NEUTRAL, probability, total)
    return GenderDecision(Gender.FEMALE if total > 0 else Gender.MALE, probability, total)


def load_gender_calibration(path: Path | None = None) -> GenderCalibration:
    """The card that ships, or another one. Raises ConfigError in one line."""
    return read_settings(path or assets.folder("priors") / "gender" / CARD, GenderCalibration)
