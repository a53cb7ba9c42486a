"""How each kind of prior is trained unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from .contract import Material, Schedule, Trainee
from .fill import FillSettings
from .options import Kind


@dataclass(frozen=True)
class Plan:
    """The schedule of a training, and how its poses are filled."""

    schedule: Schedule
    fill: FillSettings


def plan(kind: Kind) -> Plan:
    """The settings that the shipped prior of this kind was trained with, but for the flow's epochs.

    Those here suit a dozen people (5,000 poses); the shipped flow saw eighteen times as many, fewer
    times (its card).
    """
    if kind is Kind.FLOW:
        # without noise, since the flow sees the poses under that of the floors
        return Plan(
            schedule=Schedule(epochs=60, batch=512, rate=1e-3, weight_decay=1e-2),
            fill=FillSettings(recombine=0.5).without_noise(),
        )
    if kind is Kind.VPOSER:
        return Plan(
            schedule=Schedule(epochs=300, batch=128, rate=1.5e-3),
            fill=FillSettings(recombine=0.3, clamped=True),
        )
    # a mixture is fitted in one go: of its schedule only the seed counts
    return Plan(schedule=Schedule(epochs=1), fill=FillSettings(recombine=0.3))


def start(kind: Kind, material: Material) -> Trainee:
    """An untrained prior; its weights come from torch's global random numbers.

    Raises ValueError for a mixture, which is not trained by steps, and ImportError where the
    library that a flow is trained with is missing.
    """
    if kind is Kind.VPOSER:
        from .vae import VaeSettings, VaeTrainee

        return VaeTrainee(material, VaeSettings())
    if kind is Kind.FLOW:
        from .flow import FlowSettings, FlowTrainee  # here: the extra [train]

        return FlowTrainee(material, FlowSettings())
    raise ValueError(f"{kind.value} is fitted in one go")
