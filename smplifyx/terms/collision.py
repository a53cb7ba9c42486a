"""Bodies do not pass through themselves: spheres inside the body held apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.invariant_linalg import picked
from ..features.jacobian_blocks import SphereBlock
from ..features.spheres import SPHERES
from .scene import Jacobian, Residual, Scene

NEAREST = 1e-6  # metres: spheres nearer than this have no direction to part in


@dataclass(frozen=True)
class Collision:
    """How deep each sphere lies in another that it is held apart from, in units of `spread` metres;
    the deepest ones.

    One residual per sphere, r_i + r_j + clear - |c_i - c_j| for the deepest of its candidates where
    that is positive, and of these the `most` deepest: the depth in the union of the others, which
    is continuous, and zero for bodies that touch nothing. Spheres lie inside the surface, so
    surfaces touch when spheres are `clear` metres apart, give or take one.
    """

    spread: float
    clear: float
    most: int = 32

    def __call__(self, scene: Scene) -> Residual:
        """The depths; see the class."""
        spheres, candidates = scene[SPHERES], scene.matches[SPHERES].spheres
        near = picked(
            spheres, candidates
        )  # [batch, n, m, 4]: first the sphere, then those it may meet
        own, others = near[:, :, :1], near[:, :, 1:]
        distance = (own[..., :3] - others[..., :3]).norm(dim=-1)
        depth = own[..., 3] + others[..., 3] + self.clear - distance
        # lists are filled up with the sphere itself, which it does not meet
        itself = candidates[:, :, 1:] == candidates[:, :, :1]
        depth = torch.where(itself, -torch.inf, depth)

        deepest, which = depth.max(-1)
        depth, chosen = deepest.topk(min(self.most, candidates.shape[1]))
        other = candidates.gather(2, which[..., None] + 1)
        ends = picked(torch.cat([candidates[..., :1], other], -1), chosen)  # [batch, r, 2]
        residual = torch.relu(depth) / self.spread
        return Residual(residual, lambda: self._jacobian(spheres, residual, ends))

    def _jacobian(self, spheres: Tensor, residual: Tensor, ends: Tensor) -> Jacobian:
        """Along the line of centres: apart is down, growth of either radius is up."""
        centers = picked(spheres[..., :3], ends)
        offset = centers[:, :, 0] - centers[:, :, 1]
        direction = offset / offset.norm(dim=-1, keepdim=True).clamp_min(NEAREST)
        growth = torch.ones_like(residual)[..., None]
        pulls = [torch.cat([sign * direction, growth], -1) for sign in (-1, 1)]
        active = (residual > 0).to(residual.dtype)[..., None, None] / self.spread
        return Jacobian(residual, {SPHERES: SphereBlock(ends, active * torch.stack(pulls, 2))})
