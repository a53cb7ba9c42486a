"""The hypotheses of people while they are fitted: which still run, how good they are, which are the
same body.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.bundle import Bundle
from ..features.variables import State


@dataclass(frozen=True)
class Hypotheses(Bundle):
    """The hypotheses still running: leading axes [batch, hypotheses]."""

    state: State
    person: Int[Tensor, "*batch"]  # whose it is
    index: Int[Tensor, "*batch"]  # its number among all hypotheses of the person
    valid: Bool[Tensor, "*batch"]  # still running
    steps: Int[Tensor, "*batch"]
    energy: Float[Tensor, "*batch"]  # of the last stage; inf where it did not run
    # of the last stage, in the order of its terms; before it: none
    by_term: Float[Tensor, "*batch terms"]
    joints: Float[Tensor, "*batch joints 3"]  # from the pelvis, as the camera sees them

    @classmethod
    def begun(
        cls, state: State, valid: Bool[Tensor, "batch hypotheses"], person: Int[Tensor, " batch"]
    ) -> Hypotheses:
        """Hypotheses before the first stage; `valid`: which of them are tried."""
        index = torch.arange(valid.shape[1], device=valid.device).expand_as(valid)
        none_yet = torch.full_like(state.transl[..., 0], torch.inf)
        nothing = none_yet[..., None, None].expand(*valid.shape, 0, 3)
        whose = person[:, None].expand_as(valid)
        return cls(
            state, whose, index, valid, torch.zeros_like(index), none_yet, nothing[..., 0], nothing
        )

    def ranked(self) -> Hypotheses:
        """Best first."""
        order = self.energy.sort(dim=1, stable=True).indices
        rows = torch.arange(len(order), device=order.device)[:, None]
        return self.map(lambda t: t[rows, order])

    def distinct(self, radius: float) -> Hypotheses:
        """Of ranked hypotheses, those drop out whose joints lie on average within `radius` metres
        of a better one's.
        """
        if not radius:
            return self
        apart = (self.joints[:, :, None] - self.joints[:, None]).norm(dim=-1).mean(-1)
        near, valid = apart < radius, self.valid.clone()
        for later in range(1, valid.shape[1]):
            valid[:, later] &= ~(near[:, later, :later] & valid[:, :later]).any(-1)
        return self.replace(valid=valid, energy=torch.where(valid, self.energy, torch.inf)).ranked()

    def gap(self) -> Float[Tensor, " batch"]:
        """Of ranked hypotheses, the runner-up's energy minus the best's; nan where there is none."""
        if self.energy.shape[1] < 2:
            return torch.full_like(self.energy[:, 0], torch.nan)
        best, second = self.energy[:, 0], self.energy[:, 1]
        return torch.where(second.isfinite(), second - best, torch.nan)
