"""What a fit tells whoever watches it: one report for each stage that people have passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from ..body.params import BodyParams


@dataclass(frozen=True, eq=False)
class StageReport:
    """Some people who have just passed a stage: their best hypothesis each.

    A stage reports several times: people pass in cohorts, and in pieces of the batch that run side
    by side.
    """

    stage: str  # its name in the preset
    person: Int[Tensor, " people"]  # their rows in the batch that was given to `Fitter.fit`
    bodies: BodyParams  # [people]
    energy: Float[Tensor, " people"]
    by_term: dict[str, Float[Tensor, " people"]]
    steps: Int[Tensor, " people"]  # of the solver, over all stages so far
    running: int  # people whom the stage is not done with, and who go on beside the next


# Called after every stage, one call at a time though perhaps from several threads; must not change
# anything.
Watch = Callable[[StageReport], None]
