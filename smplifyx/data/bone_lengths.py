"""People whose bones are not as the shape space has them: each of a person's segments is longer or
shorter than the body's.
"""

from __future__ import annotations

from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from ..body import skinning
from ..body.joints import JOINT_INDEX, joint_names, levels, sideless
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..keypoints import names

# segment -> the joints, sideless, at whose end it lies; both sides are as long
SEGMENTS = MappingProxyType({
    "hips": ("hip",), "thigh": ("knee",), "shin": ("ankle",), "foot": ("foot",),
    "trunk": ("spine1", "spine2", "spine3"), "neck": ("neck", "head"),
    "shoulders": ("collar", "shoulder"), "upper arm": ("elbow",), "forearm": ("wrist",),
})  # fmt: skip


def segment_factors(
    normal: Float[Tensor, "people segments"], sd: float
) -> Float[Tensor, "people segments"]:
    """Log-normal factors on the length of each of SEGMENTS; sd: of their logarithm."""
    return (sd * normal).exp()


def joint_shifts(
    body: BodyModel, people: BodyParams, factors: Float[Tensor, "people segments"]
) -> Float[Tensor, "people j 3"]:
    """Metres by which each joint moves when the segments between pelvis and it are scaled; the
    directions of all bones stay.
    """
    with torch.no_grad():
        _, place, _ = skinning.bones(body, people)
    factor = torch.ones_like(place[..., 0])  # of the bone that ends at each joint
    segment = {joint: i for i, joints in enumerate(SEGMENTS.values()) for joint in joints}
    for joint, name in enumerate(joint_names(body.kind)):
        if sideless(name) in segment:
            factor[:, joint] = factors[:, segment[sideless(name)]].to(factor)
    shifts = torch.zeros_like(place)
    for level in levels(body.parents)[1:]:
        for joint in level:
            parent = body.parents[joint]
            bone = place[:, joint] - place[:, parent]
            shifts[:, joint] = shifts[:, parent] + (factor[:, joint, None] - 1) * bone
    return shifts


def moved(
    body: BodyModel,
    points: Float[Tensor, "people 137 3"],
    shifts: Float[Tensor, "people j 3"],
) -> Float[Tensor, "people 137 3"]:
    """The points after their joints moved; the skin goes as far as it is tied to each."""
    return points + torch.einsum("nj,pjc->pnc", body.derived(_ties), shifts)


def _ties(body: BodyModel) -> Float[Tensor, "137 j"]:
    """How far each point goes with each joint; the face contour goes with the head."""
    table = body.points
    like = body.weights
    joints = torch.eye(len(body.parents)).to(like)
    tied = torch.cat([joints, like])[table.sources]  # [137, 3, j]
    ties = (tied * table.coefficients[..., None]).sum(-2)
    ties[names.CONTOUR] = joints[JOINT_INDEX["head"]]
    return torch.where(table.known[:, None], ties, 0.0)
