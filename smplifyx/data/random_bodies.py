"""Random bodies in given poses: shapes, faces and hands."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..body.model import Age, BodyModel, HandSpace
from ..body.params import BodyParams
from ..config import HandPrior
from ..core import rotations
from ..pose_priors.hands import recorded_hands
from .draws import Draws
from .generate_options import GenerateOptions
from .random_views import random_view, without_heading
from .retarget import Poses

SHRINKING = 0.5  # of shape differences between adult and toddler, who is half as tall


def random_people(
    body: BodyModel, poses: Poses, draws: Draws, options: GenerateOptions
) -> BodyParams:
    """Bodies around the origin, turned as their cameras see them, on the CPU.

    Random numbers are drawn in this order: pose, jaw, view, shape, expression, left hand, right
    hand.
    """
    like = torch.zeros(1)
    shapes = body.shapedirs.shape[-1]
    expressions = body.expressiondirs.shape[-1]
    chosen = draws.index(len(poses.body_pose))
    global_orient = torch.as_tensor(poses.global_orient).float()[chosen]
    tilt = without_heading(rotations.exp(global_orient))
    left_space, right_space = body.left_hand, body.right_hand
    if options.hands is HandPrior.RECORDED and body.left_hand is not None:
        left_space, right_space = recorded_hands(like)

    jaw = torch.deg2rad(draws.uniform(options.jaw_open))
    seen_orient = rotations.log(random_view(draws, options) @ tilt)
    betas = _betas(body, draws, options)
    expression = draws.truncated_normal(expressions, options.sigmas)
    left_hand_pose = _hand_pose(left_space, draws, options)
    right_hand_pose = _hand_pose(right_space, draws, options)

    at_rest = BodyParams.zeros((draws.count,), shapes, expressions, like=like)
    return at_rest.replace(
        global_orient=seen_orient,
        body_pose=torch.as_tensor(poses.body_pose).float()[chosen],
        betas=betas,
        expression=expression,
        jaw_pose=torch.stack([jaw, torch.zeros_like(jaw), torch.zeros_like(jaw)], -1),
        left_hand_pose=left_hand_pose,
        right_hand_pose=right_hand_pose,
    )


def _betas(
    body: BodyModel, draws: Draws, options: GenerateOptions
) -> Float[Tensor, "count shapes"]:
    """Shapes; the last beta of a child says how small it is."""
    betas = draws.truncated_normal(body.shapedirs.shape[-1], options.sigmas)
    if body.age is Age.ADULT:
        return betas
    kid = draws.uniform(options.kid, 1)
    return torch.cat([(1 - SHRINKING * kid) * betas[:, :-1], kid], -1)


def _hand_pose(
    space: HandSpace | None, draws: Draws, options: GenerateOptions
) -> Float[Tensor, "count 15 3"]:
    """Poses of one hand; flat where the body knows no space of hands."""
    if space is None:
        return torch.zeros(draws.count, 15, 3)
    mean = space.mean.cpu().float()
    components = space.components.cpu().float()
    deviations = space.sds.cpu().float()
    coefficients = draws.truncated_normal(len(deviations), options.sigmas) * deviations
    return (mean + coefficients @ components).unflatten(-1, (15, 3))
