"""Bodies do not pass through themselves: spheres inside the body held apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.invariant_linalg import picked
from .scene import OnSpheres, Rows, Scene, Slopes

NEAREST = 1e-6  # metres: spheres nearer than this have no direction to part in


@dataclass(frozen=True)
class Collision:
    """How deep each sphere lies in another that it is held apart from, in units of `spread` metres;
    the deepest ones.

    One row per sphere, r_i + r_j + clear - |c_i - c_j| for the deepest of its partners where that
    is positive, and of these the `most` deepest: the depth in the union of the others, which is
    continuous, and zero for bodies that touch nothing. Spheres lie inside the surface, so surfaces
    touch when spheres are `clear` metres apart, give or take one.
    """

    spread: float
    clear: float
    most: int = 32

    def __call__(self, scene: Scene) -> Rows:
        spheres, candidates = scene["spheres"], scene.observation.candidates
        near = picked(spheres, candidates)
        distance = (near[:, :, :1, :3] - near[:, :, 1:, :3]).norm(dim=-1)
        depth = near[:, :, :1, 3] + near[:, :, 1:, 3] + self.clear - distance
        depth = torch.where(candidates[:, :, 1:] == candidates[:, :, :1], -torch.inf, depth)
        deepest, which = depth.max(-1)
        depth, row = deepest.topk(min(self.most, candidates.shape[1]))
        other = candidates.gather(2, which[..., None] + 1)
        at = picked(torch.cat([candidates[..., :1], other], -1), row)
        rows = torch.relu(depth) / self.spread
        return Rows(rows, lambda: self._slopes(spheres, rows, at))

    def _slopes(self, spheres: Tensor, rows: Tensor, at: Tensor) -> Slopes:
        """Along the line of centres: apart is down, growth is up."""
        centers = picked(spheres[..., :3], at)
        offset = centers[:, :, 0] - centers[:, :, 1]
        direction = offset / offset.norm(dim=-1, keepdim=True).clamp_min(NEAREST)
        growth = torch.ones_like(rows)[..., None]
        ends = [torch.cat([sign * direction, growth], -1) for sign in (-1, 1)]
        active = (rows > 0).to(rows.dtype)[..., None, None] / self.spread
        return Slopes(rows, {"spheres": OnSpheres(at, active * torch.stack(ends, 2))})
