"""The first guess: orientations of a few poses, each placed by weighted alignment with every seen
body point.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ..camera import Camera
from ..core import rotations
from ..keypoints import names

TORSO_EDGES = (("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"))
# of the person's measured scale: how far the alignment's own scale is believed
SCALE_RANGE = (0.7, 1.4)


def yaw_orientations(count: int, like: Tensor) -> Float[Tensor, "count 3 3"]:
    """Upright bodies in the camera's frame that face the camera, then turn about their own axis."""
    yaw = torch.arange(count, dtype=like.dtype, device=like.device) * (2 * math.pi / count)
    return rotations.about("x", math.pi, like) @ rotations.about("y", yaw, like)


def align(
    points: Float[Tensor, "*batch p 3"],
    xy: Float[Tensor, "*batch p 2"],
    weight: Float[Tensor, "*batch p"],
    scale: Float[Tensor, "*batch"],
    camera: Camera,
) -> tuple[Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch 3"]]:
    """The roll about the viewing axis and the translation that lay `points` on their detections.

    points: the body about its pelvis, metres, in the camera's orientation; xy pixels; weight >= 0;
    scale: pixels per metre. A weighted two-dimensional Procrustes alignment, exact for a far
    camera. With nothing to align: no roll, 2 m ahead.
    """
    total = weight.sum(-1, keepdim=True).clamp(min=1e-6)[..., None]
    rays = (xy - camera.center[..., None, :]) / camera.focal[..., None, :]
    w = weight[..., None]
    body_mean, ray_mean = (
        (w * points).sum(-2, keepdim=True) / total,
        (w * rays).sum(-2, keepdim=True) / total,
    )
    body, ray = (points - body_mean)[..., :2], rays - ray_mean
    power = (w * body * body).sum((-1, -2)).clamp(min=1e-9)
    real = (w * body * ray).sum((-1, -2)) / power
    imaginary = (weight * (body[..., 0] * ray[..., 1] - body[..., 1] * ray[..., 0])).sum(-1) / power
    size = torch.sqrt(real * real + imaginary * imaginary).clamp(min=1e-9)
    roll = _roll(
        torch.where(size > 1e-8, real / size, 1.0), torch.where(size > 1e-8, imaginary / size, 0.0)
    )
    believed = scale / camera.focal.mean(-1)
    size = torch.minimum(torch.maximum(size, SCALE_RANGE[0] * believed), SCALE_RANGE[1] * believed)
    depth = 1 / size.clamp(min=1e-6)
    center = torch.cat([ray_mean[..., 0, :] * depth[..., None], depth[..., None]], -1)
    return roll, center - (roll @ body_mean[..., 0, :, None])[..., 0]


def _roll(cos: Tensor, sin: Tensor) -> Tensor:
    """Rotation about the viewing axis."""
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    return torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], -1).unflatten(-1, (3, 3))


def depth_by_similar_triangles(
    rest: Float[Tensor, "137 3"], xy: Float[Tensor, "batch 137 2"], camera: Camera
) -> Float[Tensor, " batch"]:
    """Depth from the mean length of the two torso sides, confidences unused (the 2019 rule); at
    most 100 m.
    """
    a, b = ([names.POINT_INDEX[edge[i]] for edge in TORSO_EDGES] for i in (0, 1))
    body = (rest[a] - rest[b]).norm(dim=-1).mean()
    image = (xy[:, a] - xy[:, b]).norm(dim=-1).mean(-1)
    return (camera.focal[:, 0] * body / image.clamp(min=1e-3)).clamp(max=100.0)
