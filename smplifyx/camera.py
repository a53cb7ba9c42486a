"""The perspective camera: intrinsics per image, no rotation (people carry their orientation in the
camera's frame).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .core.bundle import Bundle

NEAREST = 0.05  # metres; a point nearer than this is projected as if it were this far away


@dataclass(frozen=True)
class Camera(Bundle):
    """Pinhole cameras: x right, y down, z forward, in metres; pixels of the upright image.

    K is [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels; image_size is (width, height) in pixels.
    """

    K: Float[Tensor, "*batch 3 3"]
    image_size: Float[Tensor, "*batch 2"]

    @classmethod
    def from_focal(cls, focal: float | Tensor, image_size: Tensor | Sequence) -> Camera:
        """Centred principal point, square pixels; focal in pixels, broadcast over image_size
        [*batch, 2].
        """
        size = torch.as_tensor(image_size, dtype=torch.float32)
        focal = torch.as_tensor(focal, dtype=size.dtype).expand(size.shape[:-1])
        zero, one = torch.zeros_like(focal), torch.ones_like(focal)
        rows = [focal, zero, size[..., 0] / 2, zero, focal, size[..., 1] / 2, zero, zero, one]
        return cls(K=torch.stack(rows, -1).unflatten(-1, (3, 3)), image_size=size)

    @classmethod
    def from_fov(cls, degrees: float | Tensor, image_size: Tensor | Sequence) -> Camera:
        """Centred principal point; `degrees` is the horizontal field of view, broadcast over
        image_size [*batch, 2].
        """
        size = torch.as_tensor(image_size, dtype=torch.float32)
        half = torch.deg2rad(torch.as_tensor(degrees, dtype=size.dtype)) / 2
        return cls.from_focal(size[..., 0] / 2 / torch.tan(half), size)

    @property
    def focal(self) -> Float[Tensor, "*batch 2"]:
        """(fx, fy) in pixels."""
        return torch.stack([self.K[..., 0, 0], self.K[..., 1, 1]], -1)

    @property
    def center(self) -> Float[Tensor, "*batch 2"]:
        """The principal point in pixels."""
        return self.K[..., :2, 2]

    def with_focal(self, focal: float) -> Camera:
        """The same cameras with another focal length in pixels."""
        return self.zoomed(focal / self.focal)

    def zoomed(self, factor: Float[Tensor, "*batch"] | Float[Tensor, "*batch 2"]) -> Camera:
        """The same cameras with their focal lengths multiplied."""
        factor = (
            factor if factor.dim() == self.K.dim() - 1 else factor[..., None].expand_as(self.focal)
        )
        scale = torch.diag_embed(torch.cat([factor, torch.ones_like(factor[..., :1])], -1))
        upright = self.K * torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).to(
            self.K
        )
        return self.replace(K=scale @ upright + (self.K - upright))

    def project(self, points: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*batch n 2"]:
        """Points in the camera's frame (metres) to pixels."""
        depth = points[..., 2:].clamp(min=NEAREST)
        return points[..., :2] / depth * self.focal[..., None, :] + self.center[..., None, :]

    def projection_jacobian(
        self, points: Float[Tensor, "*batch n 3"]
    ) -> Float[Tensor, "*batch n 2 3"]:
        """d pixels / d point of `project`; the depth column is zero where the depth is clamped."""
        x, y, z = points.unbind(-1)
        depth = z.clamp(min=NEAREST)
        free = (z > NEAREST).to(points.dtype)
        fx, fy = (self.focal[..., None, :] / depth[..., None]).unbind(-1)
        zero = torch.zeros_like(fx)
        rows = [fx, zero, -fx * x / depth * free, zero, fy, -fy * y / depth * free]
        return torch.stack(rows, -1).unflatten(-1, (2, 3))
