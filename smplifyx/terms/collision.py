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
        spheres = scene[SPHERES]  # [batch, s, 4]
        candidates = scene.matches[SPHERES].spheres  # [batch, n, m]: a sphere, those it may meet
        sphere = candidates[..., :1]  # [batch, n, 1]
        may_meet = candidates[..., 1:]  # [batch, n, m - 1]

        near = picked(spheres, candidates)  # [batch, n, m, 4]
        own = near[:, :, :1]
        others = near[:, :, 1:]
        distance = (own[..., :3] - others[..., :3]).norm(dim=-1)
        depth = own[..., 3] + others[..., 3] + self.clear - distance
        # Lists are filled up with the sphere itself, which it does not meet.
        depth = torch.where(may_meet == sphere, -torch.inf, depth)

        # Of each sphere the other in which it lies deepest, then the deepest spheres of all.
        depth_of_sphere, which = depth.max(-1)
        other = may_meet.gather(2, which[..., None])
        pairs = torch.cat([sphere, other], -1)  # [batch, n, 2]
        depth, chosen = depth_of_sphere.topk(min(self.most, pairs.shape[1]))
        ends = picked(pairs, chosen)  # [batch, r, 2]
        residual = torch.relu(depth) / self.spread
        return Residual(residual, lambda: self._jacobian(spheres, residual, ends))

    def _jacobian(self, spheres: Tensor, residual: Tensor, ends: Tensor) -> Jacobian:
        """Along the line of centres: apart is down, growth of either radius is up."""
        centers = picked(spheres[..., :3], ends)  # [batch, r, 2, 3]
        offset = centers[:, :, 0] - centers[:, :, 1]
        distance = offset.norm(dim=-1, keepdim=True)
        direction = offset / distance.clamp_min(NEAREST)  # from the second to the first

        by_radius = torch.ones_like(distance)
        of_first = torch.cat([-direction, by_radius], -1)
        of_second = torch.cat([direction, by_radius], -1)
        pull = torch.stack([of_first, of_second], 2)  # [batch, r, 2, 4]

        # Spheres that do not meet are held by nothing.
        meets = (residual > 0).to(residual.dtype)[..., None, None]
        return Jacobian(residual, {SPHERES: SphereBlock(ends, meets / self.spread * pull)})
