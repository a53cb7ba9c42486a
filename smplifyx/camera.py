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

# (width, height) in pixels, of one image or of a batch
Sizes = Tensor | Sequence[float] | Sequence[Sequence[float]]
NEAREST = 0.05  # metres; a point nearer than this is projected as if it were this far away


@dataclass(frozen=True)
class Camera(Bundle):
    """Pinhole cameras: x right, y down, z forward, in metres; pixels of the upright image.

    K is [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels; image_size is (width, height) in pixels.
    """

    K: Float[Tensor, "*batch 3 3"]
    image_size: Float[Tensor, "*batch 2"]

    @classmethod
    def from_focal(cls, focal: float | Tensor, image_size: Sizes) -> Camera:
        """Centred principal point, square pixels; focal in pixels, broadcast over image_size
        [*batch, 2].
        """
        size = torch.as_tensor(image_size, dtype=torch.float32)
        focal = torch.as_tensor(focal, dtype=size.dtype).expand(size.shape[:-1])
        center_x = size[..., 0] / 2
        center_y = size[..., 1] / 2
        zero = torch.zeros_like(focal)
        one = torch.ones_like(focal)
        entries = [
            focal, zero, center_x,
            zero, focal, center_y,
            zero, zero, one,
        ]  # fmt: skip
        K = torch.stack(entries, -1).unflatten(-1, (3, 3))
        return cls(K=K, image_size=size)

    @classmethod
    def from_fov(cls, degrees: float | Tensor, image_size: Sizes) -> Camera:
        """Centred principal point; `degrees` is the horizontal field of view, broadcast over
        image_size [*batch, 2].
        """
        size = torch.as_tensor(image_size, dtype=torch.float32)
        half_angle = torch.deg2rad(torch.as_tensor(degrees, dtype=size.dtype)) / 2
        half_width = size[..., 0] / 2
        return cls.from_focal(half_width / torch.tan(half_angle), size)

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
        """The same cameras with their focal lengths multiplied: one factor for both, or one for fx
        and one for fy.
        """
        one_for_both = factor.dim() != self.K.dim() - 1
        if one_for_both:
            factor = factor[..., None].expand_as(self.focal)
        one = torch.ones_like(factor[..., :1])
        scale = torch.diag_embed(torch.cat([factor, one], -1))  # [*batch, 3, 3]
        # the principal point stays: only the left upper block of K is multiplied
        block = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).to(self.K)
        multiplied = self.K * block
        kept = self.K - multiplied
        return self.replace(K=scale @ multiplied + kept)

    def project(self, points: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*batch n 2"]:
        """Points in the camera's frame (metres) to pixels."""
        depth = points[..., 2:].clamp(min=NEAREST)
        focal = self.focal[..., None, :]  # [*batch, 1, 2]
        center = self.center[..., None, :]
        return points[..., :2] / depth * focal + center

    def projection_jacobian(
        self, points: Float[Tensor, "*batch n 3"]
    ) -> Float[Tensor, "*batch n 2 3"]:
        """d pixels / d point of `project`; the depth column is zero where the depth is clamped."""
        x, y, z = points.unbind(-1)
        depth = z.clamp(min=NEAREST)
        moves_with_depth = (z > NEAREST).to(points.dtype)
        pixels_per_metre = self.focal[..., None, :] / depth[..., None]
        fx, fy = pixels_per_metre.unbind(-1)
        zero = torch.zeros_like(fx)
        entries = [
            fx, zero, -fx * x / depth * moves_with_depth,
            zero, fy, -fy * y / depth * moves_with_depth,
        ]  # fmt: skip
        return torch.stack(entries, -1).unflatten(-1, (2, 3))
