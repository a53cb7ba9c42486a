"""Detections with the errors of a detector's card: what it sees, how surely, and how far off."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..camera import Camera
from ..keypoints import Keypoints, names
from .detector_noise import BAND_EDGES, BANDS, NoiseTable
from .draws import Draws

MIDDLE = names.POINT_INDEX["mid_hip"]  # whose distance tells how large a person is in the image
GROSS_SPREAD = 0.5  # standard deviation of the logarithm of how far gross errors go


def as_detected(
    points: Float[Tensor, "people 137 3"],
    hidden: Bool[Tensor, "people 137"],
    camera: Camera,
    noise: NoiseTable,
    draws: Draws,
) -> Keypoints:
    """What `detected_points` draws of all canonical points, as keypoints."""
    xy, confidence = detected_points(points, hidden, camera, noise, draws)
    return Keypoints(xy, confidence, torch.ones_like(confidence))


def detected_points(
    points: Float[Tensor, "people n 3"],
    hidden: Bool[Tensor, "people n"],
    camera: Camera,
    noise: NoiseTable,
    draws: Draws,
) -> tuple[Float[Tensor, "people n 2"], Float[Tensor, "people n"]]:
    """Pixels and confidences (0: unseen) of points in the camera's frame (metres), on the CPU.

    noise: of these points, all canonical ones or some.
    hidden: points behind the person's own body, which a detector sees more rarely and less surely.
    Random numbers are drawn in this order: bands, confidences, errors, which are gross, how far
    and where to, what clusters share.
    """
    count = points.shape[1]
    shares = torch.where(hidden[..., None], noise.bands_hidden, noise.bands)
    band = _drawn(shares, draws.uniform((0.0, 1.0), count))
    edges = torch.tensor(BAND_EDGES)
    inside = draws.uniform((0.0, 1.0), count)
    confidence = edges[band] + inside * (edges[band + 1] - edges[band])

    sigma = noise.sigma.expand(len(points), -1, -1).gather(-1, band[..., None])
    pixels_per_metre = camera.focal[:, None, :] / points[..., 2:]
    at_hips = pixels_per_metre[:, MIDDLE, 0].float().contiguous()
    size_factor = noise.size_factors[torch.bucketize(at_hips, noise.size_edges)]
    sigma = sigma * torch.where(hidden, noise.hidden_factor, 1.0)[..., None]
    own = draws.normal(count, 2)
    is_gross = draws.uniform((0.0, 1.0), count) < noise.gross
    far = noise.gross_m * (GROSS_SPREAD * draws.normal(count)).exp()
    angle = draws.uniform((0.0, 2 * torch.pi), count)
    jump = far[..., None] * torch.stack([angle.cos(), angle.sin()], -1)
    shared = draws.normal(int(noise.cluster.max()) + 1, 2)[:, noise.cluster]
    correlation = noise.shared[:, None]
    unit = (1 - correlation).sqrt() * own + correlation.sqrt() * shared
    error = size_factor[:, None, None] * sigma * unit
    error = torch.where(is_gross[..., None], jump, error)

    xy = camera.project(points) + error.to(points) * pixels_per_metre
    size = camera.image_size[:, None, :]
    within = ((xy >= 0) & (xy < size)).all(-1)  # false for what is not finite
    seen = (band > 0) & within
    return torch.where(seen[..., None], xy, 0.0), torch.where(seen, confidence, 0.0).to(xy.dtype)


def _drawn(shares: Float[Tensor, "*n bands"], uniform: Float[Tensor, "*n"]) -> Tensor:
    """Which band each uniform number in 0..1 falls into, [*n]."""
    return (uniform[..., None] >= shares.cumsum(-1)).sum(-1).clamp(max=BANDS - 1)
