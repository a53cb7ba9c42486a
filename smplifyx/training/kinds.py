"""How each kind of prior is trained unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from .contract import Material, Schedule, Trainee
from .fill import FillSettings
from .options import Kind


@dataclass(frozen=True)
class Plan:
    """The schedule of a kind, and how its poses are filled."""

    schedule: Schedule
    fill: FillSettings


def plan(kind: Kind) -> Plan:
    """The settings that the shipped prior of this kind was trained with."""
    if kind is Kind.FLOW:
        from .flow import FILL, SCHEDULE

        return Plan(SCHEDULE, FILL)
    if kind is Kind.VPOSER:
        return Plan(
            Schedule(epochs=300, batch=128, rate=1.5e-3), FillSettings(recombine=0.3, clamped=True)
        )
    return Plan(Schedule(epochs=1), FillSettings(recombine=0.3))


def start(kind: Kind, material: Material) -> Trainee:
    """An untrained prior; its weights come from torch's global random numbers.

    Raises ValueError for a mixture, which is not trained by steps.
    """
    if kind is Kind.VPOSER:
        from .vae import VaeSettings, VaeTrainee

        return VaeTrainee(material, VaeSettings())
    if kind is Kind.FLOW:
        from .flow import FlowTrainee

        return FlowTrainee(material)
    raise ValueError(f"{kind.value} is fitted in one go")
