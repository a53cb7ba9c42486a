"""From how unsure joints are to how unsure the skin around them is, for pictures."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ...body import skinning
from ...body.model import BodyModel
from ...body.params import BodyParams
from ...fitting.joint_calibration import JOINTS
from ...fitting.joint_depth import joint_depth_sd
from ...fitting.result import FitResult

NEAR = 0.03  # metres: within this distance a joint alone decides
SHARPNESS = 2  # of the fall with the squared distance


def unsure_skin(result: FitResult, body: BodyModel) -> Float[Tensor, " v"] | None:
    """The standard deviation in depth of each vertex of one person, metres; None where the result
    does not tell it.
    """
    if result.joint_covariance is None:
        return None
    sd = joint_depth_sd(result.joint_covariance).to(body.v_template)
    known = sd.isfinite()
    if not known.any():
        return None
    shares = body.derived(_shares)[:, known]
    return (shares * sd[known]).sum(-1) / shares.sum(-1)


def _shares(body: BodyModel) -> Float[Tensor, "v 67"]:
    """How much each joint has to say about each vertex: by their distance in the T-pose, where no
    limb lies beside another. 0 for joints that the body lacks.
    """
    rest = BodyParams.zeros(
        (), body.shapedirs.shape[-1], body.expressiondirs.shape[-1], body.v_template
    )
    joints = skinning.points(body, rest)[:JOINTS]
    lacking = ~joints.isfinite().all(-1)
    square = torch.cdist(skinning.vertices(body, rest), joints.nan_to_num()).square()
    return ((square + NEAR**2) ** -SHARPNESS).masked_fill(lacking, 0.0)
