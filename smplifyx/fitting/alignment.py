"""Where a posed body stands in the image: orientations to try, and a roll and place for each."""

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
    """Upright bodies in the camera's frame: one that faces the camera, then turns about its axis.

    The dtype and the device are those of `like`.
    """
    yaw = torch.arange(count, dtype=like.dtype, device=like.device) * (2 * math.pi / count)
    # The body's y points up, the camera's down: half a turn about x makes it stand and face us.
    upright = rotations.about("x", math.pi, like)
    return upright @ rotations.about("y", yaw, like)


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
    camera. With nothing to align there is no roll, and `scale` alone tells the depth.
    """
    # On the plane one metre ahead: a far body of depth z lies there as rays = points / z.
    rays = (xy - camera.center[..., None, :]) / camera.focal[..., None, :]

    total = weight.sum(-1, keepdim=True).clamp(min=1e-6)[..., None]
    w = weight[..., None]
    body_mean = (w * points).sum(-2, keepdim=True) / total  # [*batch, 1, 3]
    ray_mean = (w * rays).sum(-2, keepdim=True) / total  # [*batch, 1, 2]
    body = (points - body_mean)[..., :2]
    ray = rays - ray_mean

    # With points of the plane as complex numbers, the best turn and size is one complex factor:
    # sum(w conj(body) ray) / sum(w |body|^2).
    power = (w * body * body).sum((-1, -2)).clamp(min=1e-9)
    real = (w * body * ray).sum((-1, -2)) / power
    cross = body[..., 0] * ray[..., 1] - body[..., 1] * ray[..., 0]
    imaginary = (weight * cross).sum(-1) / power
    size = torch.sqrt(real * real + imaginary * imaginary).clamp(min=1e-9)
    cos = torch.where(size > 1e-8, real / size, 1.0)
    sin = torch.where(size > 1e-8, imaginary / size, 0.0)
    zero = torch.zeros_like(cos)
    one = torch.ones_like(cos)
    roll = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], -1)
    roll = roll.unflatten(-1, (3, 3))

    # A body seen from the wrong side aligns too small: the depth keeps near the measured scale.
    believed = scale / camera.focal.mean(-1)
    size = torch.minimum(torch.maximum(size, SCALE_RANGE[0] * believed), SCALE_RANGE[1] * believed)
    depth = 1 / size.clamp(min=1e-6)
    center = torch.cat([ray_mean[..., 0, :] * depth[..., None], depth[..., None]], -1)
    return roll, center - (roll @ body_mean[..., 0, :, None])[..., 0]


def depth_by_similar_triangles(
    rest: Float[Tensor, "137 3"], xy: Float[Tensor, "batch 137 2"], camera: Camera
) -> Float[Tensor, " batch"]:
    """Depth in metres, at most 100, from how long the two sides of the torso look (the 2019 rule).

    rest: the canonical points of the body at rest, metres; xy: pixels. Confidences are not used.
    """
    shoulders = [names.POINT_INDEX[shoulder] for shoulder, _ in TORSO_EDGES]
    hips = [names.POINT_INDEX[hip] for _, hip in TORSO_EDGES]
    length = (rest[shoulders] - rest[hips]).norm(dim=-1).mean()
    length_px = (xy[:, shoulders] - xy[:, hips]).norm(dim=-1).mean(-1)
    return (camera.focal[:, 0] * length / length_px.clamp(min=1e-3)).clamp(max=100.0)
