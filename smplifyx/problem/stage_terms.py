"""Which term each weight of a stage stands for: a new term adds one line here, one weight, one
function.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ..body.joints import JOINT_INDEX
from ..body.model import Age, BodyModel
from ..body.stature import stature_of
from ..collision.proxies.sphere_pairs import CLEAR
from ..config import Block, FitConfig, Weights
from ..pose_priors.limits import JointLimits, body_limits, hand_limits
from ..terms.collision import Collision
from ..terms.regularisers import (
    Bending,
    BodyPrior,
    Depth,
    HandSize,
    Height,
    Limits,
    Scaled,
    Silent,
    Upright,
)
from ..terms.reprojection import Reprojection
from .problem import WeightedTerm
from .variables import Decoder, shape_sizes

FOCAL_SPREAD = 0.3  # standard deviation of the log focal length around its guess
EYE_SPREAD = 0.2  # radians
HEIGHT_SPREAD = 0.01  # metres: how well people know their height
KID_SOFTNESS = 0.05
COLLISION_SPREAD = 0.005  # metres of overlap
LEAN_SPREAD = 0.3  # sine of the angle between the pelvis and the image's vertical
BENDING = (
    ("left_elbow", 1, 1.0),
    ("right_elbow", 1, -1.0),
    ("left_knee", 0, -1.0),
    ("right_knee", 0, -1.0),
)


def stage_terms(
    weights: Weights, body: BodyModel, decoder: Decoder, config: FitConfig, heights: bool = True
) -> tuple[WeightedTerm, ...]:
    """The weighted terms of a stage, those of weight 0 left out; heights: whether anybody's is
    known.
    """
    data = Reprojection(config.reprojection.per_coordinate)
    return _stage_terms(weights, body, decoder, data, shape_sizes(body, config), heights)


@lru_cache(maxsize=64)  # every batch of a job asks for those of the same few stages
def _stage_terms(
    weights: Weights,
    body: BodyModel,
    decoder: Decoder,
    data: Reprojection,
    sizes: tuple[int, int],
    heights: bool,
) -> tuple[WeightedTerm, ...]:
    like = body.v_template
    shapes, expressions = sizes
    hands = ((Block.LEFT_HAND, decoder.left_hand), (Block.RIGHT_HAND, decoder.right_hand))
    table = [
        ("reprojection", weights.reprojection, data),
        ("pose_prior", weights.pose_prior, BodyPrior(decoder.prior)),
        ("limits", weights.limits, _limits("body_pose", body_limits(like))),
        ("bending", weights.bending, _bending(like)),
        ("shape", weights.shape, Scaled(Block.BETAS, _shape_factors(body, shapes))),
        ("kid", weights.shape if body.age is Age.CHILD else 0.0, _kid_range(body, shapes)),
        (
            "height",
            weights.height,
            Height(stature_of(body), HEIGHT_SPREAD) if heights else Silent(),
        ),
        ("expression", weights.expression, Scaled(Block.EXPRESSION, like.new_ones(expressions))),
        ("jaw", float(any(weights.jaw)), Scaled(Block.JAW, like.new_tensor(weights.jaw))),
        ("upright", weights.upright, Upright(LEAN_SPREAD)),
        ("depth", weights.depth, Depth()),
        ("focal", weights.focal, Scaled(Block.FOCAL, like.new_full((1,), 1 / FOCAL_SPREAD))),
    ]
    table += [
        (f"{block.value}_prior", weights.hand_prior, Scaled(block, 1 / hand.sds))
        for block, hand in hands
    ]
    table += [
        (f"{block.value}_size", weights.hand_size, HandSize(block, hand.components))
        for block, hand in hands
    ]
    table += [
        (f"{block.value}_limits", weights.hand_limits, _limits(f"{block.value}_pose", limits))
        for (block, _), limits in zip(hands, hand_limits(like), strict=True)
    ]
    table += [
        (block.value, weights.eyes, Scaled(block, like.new_full((3,), 1 / EYE_SPREAD)))
        for block in (Block.LEYE, Block.REYE)
    ]
    if weights.collision:
        table.append(("collision", weights.collision, Collision(COLLISION_SPREAD, CLEAR)))
    return tuple(WeightedTerm(name, weight, term) for name, weight, term in table if weight)


def _limits(source: str, limits: JointLimits) -> Limits:
    return Limits(source, limits.at, limits.lower, limits.upper, limits.softness)


def _shape_factors(body: BodyModel, shapes: int) -> Tensor:
    """Betas are in standard deviations; the kid component has a range instead."""
    children = int(body.age is Age.CHILD)
    return torch.cat(
        [body.v_template.new_ones(shapes - children), body.v_template.new_zeros(children)]
    )


def _kid_range(body: BodyModel, shapes: int) -> Limits:
    """Every age between adult (0) and the template's (1) is as likely; a little beyond is possible."""
    like = body.v_template
    last = torch.tensor([shapes - 1], device=like.device)
    return Limits(
        Block.BETAS.value,
        last,
        like.new_zeros(1),
        like.new_ones(1),
        like.new_full((1,), KID_SOFTNESS),
    )


def _bending(like: Tensor) -> Bending:
    """Hinges of elbows (y) and knees (x) among the 63 body angles."""
    at = torch.tensor(
        [3 * (JOINT_INDEX[joint] - 1) + axis for joint, axis, _ in BENDING], device=like.device
    )
    return Bending(at, like.new_tensor([sign for _, _, sign in BENDING]))
