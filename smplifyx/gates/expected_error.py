"""How far off a fit is expected to be, from what it tells of itself: a card that was made on
generated people, whose truth is known (`priors/uncertainty/person_errors.yaml`).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pydantic

from ..config import Settings, read_settings
from ..core import assets

CARD = "person_errors.yaml"


class PartError(Settings):
    """The expected error of a part: scale_mm times the product of (1 + measure)^power."""

    scale_mm: float = pydantic.Field(gt=0)
    # by the names of measures, in their units; none is below 0: whatever grows is worse
    powers: dict[str, float]

    @pydantic.field_validator("powers")
    @classmethod
    def _none_helps(cls, given: dict[str, float]) -> dict[str, float]:
        if not given or min(given.values()) < 0:
            raise ValueError(f"expected powers of at least 0, got {given}")
        return given


class ErrorCard(Settings):
    """The card: where the numbers come from, and those of each part."""

    what: str
    source: str
    licence: str
    command: str
    preset: str
    people: int
    body: PartError


@lru_cache(maxsize=1)
def load_person_errors(path: Path | None = None) -> ErrorCard:
    """The card that ships, or another one. Raises ConfigError in one line."""
    return read_settings(path or assets.folder("priors") / "uncertainty" / CARD, ErrorCard)
