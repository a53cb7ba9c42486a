"""A gate as text: a list of tests that people or their parts must pass (`cfg_files/gates/`)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import pydantic

from ..config import ConfigError, Settings, read_settings
from ..core import assets
from ..keypoints.confidence import SEEN
from .facts import GatePart
from .measures import MEASURES, Measure

DEFAULT = "smplifyx"
Bound = Annotated[float, pydantic.Field(gt=0)]  # above 0, so that there is a ratio to it


class GateTest(Settings):
    """One bound on one measure of one part."""

    part: GatePart
    measure: Measure
    at_most: Bound | None = None
    at_least: Bound | None = None
    confidence: float = pydantic.Field(SEEN, ge=0, le=1)  # from which a keypoint counts as seen
    # whether how far the bound is met counts in the score; else it is only met or not
    ranks: bool = True
    keep_unknown: bool = False  # where the result does not tell the measure

    @pydantic.model_validator(mode="after")
    def _one_bound(self) -> GateTest:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("expected either at_most or at_least")
        if self.part not in MEASURES[self.measure].parts:
            allowed = ", ".join(part.value for part in MEASURES[self.measure].parts)
            raise ValueError(f"{self.measure.value} is of {allowed}, not of {self.part.value}")
        return self

    def bound(self, margin: float = 0.0) -> float:
        """What the measure must reach for that margin: `1 - value / at_most` or
        `1 - at_least / value`.
        """
        if self.at_least is not None:
            return math.inf if margin >= 1 else self.at_least / (1 - margin)
        return (self.at_most or 0.0) * (1 - margin)


class Gate(Settings):
    """Which people and parts are kept. A person is kept who keeps all parts that are `needed`."""

    summary: str
    source: str  # where the bounds come from
    needed: tuple[GatePart, ...] = pydantic.Field((GatePart.BODY,), min_length=1)
    tests: tuple[GateTest, ...] = pydantic.Field(min_length=1)


def gate_names() -> tuple[str, ...]:
    """The names of the gates in `cfg_files/gates/`."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def gate_name(name: str | Path) -> str:
    """What a gate's files are called: its name, or that of its file without the suffix."""
    path = Path(name)
    return path.stem if _is_file_name(path) else str(name)


def load_gate(name: str | Path) -> Gate:
    """The gate of that name, or the YAML file at that path. Raises ConfigError in one line."""
    path = Path(name)
    if _is_file_name(path):
        return read_settings(path, Gate)
    if str(name) not in gate_names():
        known = ", ".join(gate_names())
        raise ConfigError(f"no gate {str(name)!r}; there are {known}, or give a .yaml file")
    return read_settings(_folder() / f"{name}.yaml", Gate)


def _folder() -> Path:
    return assets.folder("cfg_files") / "gates"


def _is_file_name(path: Path) -> bool:
    return path.suffix in (".yaml", ".yml")
