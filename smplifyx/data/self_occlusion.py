"""Which points of a body the camera cannot see, because the body itself is in front of them."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..body import skinning
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..collision.proxies.spheres import place, spheres_of
from ..keypoints import names

# A point lies in the flesh. What is nearer to the camera than the point by more than this many
# times its depth under the skin, and some centimetres, is another part of the body.
TIMES_ITS_DEPTH, SPARE = 1.5, 0.03


def hidden_points(
    body: BodyModel,
    people: BodyParams,
    points: Float[Tensor, "people n 3"],
    joint_shifts: Float[Tensor, "people j 3"] | None = None,
    which: range = range(names.COUNT),
) -> Bool[Tensor, "people n"]:
    """Whether a sphere of the body stands between the camera (at the origin) and each point.

    points: canonical ones, metres, those that `which` numbers. joint_shifts: how far the spheres of
    each joint have moved from where `people` has them. Points that are NaN are not hidden. Takes
    spheres, not the mesh: their surface is within some millimetres.
    """
    spheres = spheres_of(body)
    with torch.no_grad():
        center, radius = place(spheres, body, people)
    if joint_shifts is not None:
        center = center + joint_shifts[:, spheres.joint]
    nearer = body.derived(margins)[which.start : which.stop]  # [n]
    # one person at a time: people x points x spheres would be large
    rows = zip(points, center, radius, strict=True)
    return torch.stack([_behind(*row, nearer) for row in rows])


def margins(body: BodyModel) -> Float[Tensor, " n"]:
    """How many metres before each point the surface must be to hide it; inf without the point."""
    like = body.v_template
    mean = BodyParams.zeros((), 0, 0, like)
    with torch.no_grad():
        points = skinning.points(body, mean)
    known = points.isfinite().all(-1)
    depth = torch.cdist(points.nan_to_num(), like).amin(-1)
    return torch.where(known, TIMES_ITS_DEPTH * depth + SPARE, torch.inf)


def _behind(
    points: Float[Tensor, "n 3"],
    center: Float[Tensor, "s 3"],
    radius: Float[Tensor, " s"],
    margin: Float[Tensor, " n"],
) -> Bool[Tensor, " n"]:
    """Whether the ray to each point meets a sphere more than `margin` metres before it."""
    distance = points.norm(dim=-1)  # [n]
    ray = points / distance[:, None]
    along = ray @ center.T  # [n, s]
    aside = (center * center).sum(-1) - along**2  # squared distance of centres from the ray
    inside = radius**2 - aside
    entry = along - inside.clamp(min=0).sqrt()
    met = (inside > 0) & (entry > 0) & (entry < (distance - margin)[:, None])
    return met.any(-1)
