"""The perspective camera: intrinsics per image, no rotation (people carry their orientation in the
camera's frame).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .core.bundle import Bundle, rows_in_words

# (width, height) in pixels, of one image or of a batch
Sizes = Tensor | np.ndarray | Sequence[Any]
Numbers = Tensor | np.ndarray | Sequence[Any] | float | int
NEAREST = 0.05  # metres; a point nearer than this is projected as if it were this far away
FAULTS = (  # in the order in which `_faults` looks for them
    "K is not finite",
    "its focal length is not above 0",
    "its image has no size",
    "K has skew, which is not modelled: undistort the image, or set K[0, 1] to 0",
    "K is not [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] (transposed?)",
)


@dataclass(frozen=True)
class Camera(Bundle):
    """Pinhole cameras: x right, y down, z forward, in metres; pixels of the upright image.

    K is [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels; image_size is (width, height) in pixels.
    """

    K: Float[Tensor, "*batch 3 3"]
    image_size: Float[Tensor, "*batch 2"]

    @classmethod
    def from_focal(cls, focal: Numbers, image_size: Sizes) -> Camera:
        """Centred principal point, square pixels; focal in pixels, broadcast with image_size
        [*batch, 2]. An empty list of sizes is nobody's.

        Raises ValueError, one line, for what no camera has.
        """
        size = _sizes(image_size)
        focal = _numbers("focal", focal).to(size.dtype)
        try:
            batch = torch.broadcast_shapes(focal.shape, size.shape[:-1])
        except RuntimeError as error:
            raise ValueError(
                f"camera: {list(focal.shape)} focal lengths for {list(size.shape[:-1])} images"
            ) from error
        focal, size = focal.expand(batch), size.expand(*batch, 2).contiguous()
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
        camera = cls(K=K, image_size=size)
        if K.device.type == "cpu":  # a GPU would be waited for; `fit` looks at all of them at once
            camera.check()
        return camera

    @classmethod
    def from_fov(cls, degrees: Numbers, image_size: Sizes) -> Camera:
        """Centred principal point; `degrees` is the horizontal field of view, broadcast with
        image_size [*batch, 2].

        Raises ValueError, one line, for what no camera has.
        """
        size = _sizes(image_size)
        angle = _numbers("degrees", degrees).to(size.dtype)
        if angle.device.type == "cpu" and not ((angle > 0) & (angle < 180)).all():
            raise ValueError(f"camera: a field of view of {degrees} degrees: above 0, below 180")
        half_angle = torch.deg2rad(angle) / 2
        half_width = size[..., 0] / 2
        return cls.from_focal(half_width / torch.tan(half_angle), size)

    def check(self) -> None:
        """Raises ValueError, one line, for what no camera has: an infinite or skewed K, no focal
        length, no image, a K for each of other images.

        On a GPU this waits for it once.
        """
        if self.K.shape[-2:] != (3, 3) or self.image_size.shape[-1:] != (2,):
            shapes = f"{list(self.K.shape)} and {list(self.image_size.shape)}"
            raise ValueError(
                f"camera: expected K [..., 3, 3] and image_size [..., 2], got {shapes}"
            )
        batch, images = self.K.shape[:-2], self.image_size.shape[:-1]
        if batch != images:
            raise ValueError(f"camera: K of {list(batch)} cameras, image_size of {list(images)}")
        rows = _faults(self.K, self.image_size).reshape(-1, len(FAULTS))
        if not rows.any():
            return
        row = int(rows.any(-1).nonzero()[0])
        fault = FAULTS[int(rows[row].nonzero()[0])]
        which = f" of person {row}" if batch else ""
        K = self.K.reshape(-1, 3, 3)[row].tolist()
        size = self.image_size.reshape(-1, 2)[row].tolist()
        raise ValueError(f"camera{which}: {fault}; K {K}, image_size {size}")

    def __repr__(self) -> str:
        """How many, their focal lengths and image sizes."""
        focal, count = self.focal.flatten(), rows_in_words(self.K.shape[:-2], "camera", "cameras")
        if not focal.numel():
            return f"Camera({count})"
        size = self.image_size.reshape(-1, 2)
        same = bool((size == size[0]).all())
        images = f"{size[0, 0]:g} x {size[0, 1]:g} px" if same else "of several sizes"
        return f"Camera({count}: focal {_spread(focal)} px, images {images})"

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


def _numbers(what: str, given: object) -> Tensor:
    """As a tensor of float32. Raises ValueError for what holds no numbers."""
    try:
        return torch.as_tensor(given, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"camera: {what}: expected numbers, got {given!r:.60}") from error


def _sizes(image_size: Sizes) -> Float[Tensor, "*batch 2"]:
    """(width, height) of images. Raises ValueError for another shape."""
    size = _numbers("image_size", image_size)
    if size.shape == (0,):  # the images of nobody
        return size.reshape(0, 2)
    if not size.dim() or size.shape[-1] != 2:
        raise ValueError(
            f"camera: image_size: expected (width, height) or one for each person, "
            f"got {list(size.shape)}"
        )
    return size


def _faults(
    K: Float[Tensor, "*batch 3 3"], size: Float[Tensor, "*batch 2"]
) -> Bool[Tensor, "*batch faults"]:
    """Which of FAULTS each camera has."""
    focal = torch.stack([K[..., 0, 0], K[..., 1, 1]], -1)
    below = torch.stack([K[..., 1, 0], K[..., 2, 0], K[..., 2, 1], K[..., 2, 2] - 1], -1)
    found = [
        ~K.isfinite().flatten(-2).all(-1),
        ~(focal > 0).all(-1),
        ~((size > 0) & size.isfinite()).all(-1),
        K[..., 0, 1] != 0,
        (below != 0).any(-1),
    ]
    return torch.stack(found, -1)


def _spread(values: Tensor) -> str:
    """A number, or the least and the largest of several."""
    least, most = float(values.min()), float(values.max())
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"
