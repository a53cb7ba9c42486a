"""The hypotheses of people while they are fitted: which run, how good they are, which are alike."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.bundle import Bundle
from ..features.variables import State
from ..keypoints import names

BODY_POINTS = names.BODY.stop


@dataclass(frozen=True)
class Hypotheses(Bundle):
    """The hypotheses of people between two stages: leading axes [batch, hypotheses]."""

    state: State
    person: Int[Tensor, "*batch"]  # whose it is
    index: Int[Tensor, "*batch"]  # its number among all hypotheses of the person
    valid: Bool[Tensor, "*batch"]  # still running
    steps: Int[Tensor, "*batch"]
    energy: Float[Tensor, "*batch"]  # of the last stage; inf where it did not run
    # of the last stage, in the order of its terms; before it: none
    by_term: Float[Tensor, "*batch terms"]
    joints: Float[Tensor, "*batch joints 3"]  # from the pelvis, as the camera sees them
    # the body's canonical points from the middle of the hips, metres, as the camera sees them; NaN
    # where the last stage did not look at them
    points: Float[Tensor, "*batch 25 3"]

    @classmethod
    def begun(
        cls, state: State, valid: Bool[Tensor, "batch hypotheses"], person: Int[Tensor, " batch"]
    ) -> Hypotheses:
        """Hypotheses before the first stage.

        state: where they start; valid: which of them are tried; person: the number of each row.
        """
        index = torch.arange(valid.shape[1], device=valid.device).expand_as(valid)
        no_energy = torch.full_like(state.transl[..., 0], torch.inf)
        no_joints = no_energy[..., None, None].expand(*valid.shape, 0, 3)
        no_points = torch.full_like(no_energy, torch.nan)[..., None, None]
        return cls(
            state=state,
            person=person[:, None].expand_as(valid),
            index=index,
            valid=valid,
            steps=torch.zeros_like(index),
            energy=no_energy,
            by_term=no_joints[..., 0],
            joints=no_joints,
            points=no_points.expand(*valid.shape, BODY_POINTS, 3),
        )

    def ranked(self) -> Hypotheses:
        """Each person's hypotheses, best first; equally good ones keep their order."""
        order = self.energy.sort(dim=1, stable=True).indices
        rows = torch.arange(len(order), device=order.device)[:, None]
        return self.map(lambda tensor: tensor[rows, order])

    def distinct(self, radius: float) -> Hypotheses:
        """Ranked hypotheses without those that are the same body as a better one.

        Two are the same whose joints lie within `radius` metres of each other on average. A
        hypothesis drops out only for one that stays.
        """
        if not radius:
            return self
        distance = (self.joints[:, :, None] - self.joints[:, None]).norm(dim=-1).mean(-1)
        near = distance < radius  # [batch, hypotheses, hypotheses]
        valid = self.valid.clone()
        for later in range(1, valid.shape[1]):
            same_as_better = near[:, later, :later] & valid[:, :later]
            valid[:, later] &= ~same_as_better.any(-1)
        energy = torch.where(valid, self.energy, torch.inf)
        return self.replace(valid=valid, energy=energy).ranked()

    def gap(self) -> Float[Tensor, " batch"]:
        """The second energy minus the best, of ranked hypotheses; NaN where there is no second."""
        if self.energy.shape[1] < 2:
            return torch.full_like(self.energy[:, 0], torch.nan)
        best = self.energy[:, 0]
        second = self.energy[:, 1]
        return torch.where(second.isfinite(), second - best, torch.nan)
