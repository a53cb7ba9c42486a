"""Which spheres of a body are held apart: rules on lengths of the resting body, no list of names.

Spheres that touch in life without harm are near each other at rest and either lie along one limb or
trunk, so that bending it closes their gap (throat and chest, belly and thigh, the finger's root and
the palm), or their skin goes with other bones too, so that it does not do what one rigid sphere
does (armpit, groin, top of the shoulder).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from ...body.model import Age, BodyModel
from ..parts import parts_of

# standard deviations of each shape and expression direction within which no pair overlaps at rest,
SHAPES = 2.0
FIRST = 10  # of so many of the first directions of both
CLEAR = 2.5e-3  # metres that are left between them: spheres lie a little inside the surface
STRAIGHT, FOLD = 0.6, 1.25  # see `PairReason.FOLDING`
STRAY = 2.5  # see `PairReason.STRAYING`


class PairReason(IntEnum):
    """Why two spheres may overlap; the first that holds."""

    PARTS = 1  # their parts may pass through each other
    TOUCHING = 2  # they come within `CLEAR` in the T-pose of some shape within `SHAPES`
    # the bones lead from one to the other almost straight (distance > `STRAIGHT` of the way along
    # the
    FOLDING = 3
    # bones), and the gap is below `FOLD` times the sum of their radii
    # the gap is below `STRAY` times the sum of their radii, each times the share of the skin around
    # the
    STRAYING = 4
    # sphere that goes with other bones


@dataclass(frozen=True)
class RestSpheres:
    """Spheres in the T-pose: their joint, place and radius in metres, and the slopes of both along
    the shape directions.

    `own` is the share of the skin around each that goes with its joint.
    """

    joint: Int[NDArray, " s"]
    center: Float[NDArray, "s 3"]
    radius: Float[NDArray, " s"]
    slopes: Float[NDArray, "s 4 n"]
    own: Float[NDArray, " s"]


def pair_reasons(body: BodyModel, spheres: RestSpheres) -> Int[NDArray, "s s"]:
    """The `PairReason` of each pair that may overlap, 0 of those held apart; symmetric."""
    reason = np.zeros((len(spheres.joint),) * 2, dtype=np.int64)
    radii = spheres.radius[:, None] + spheres.radius
    distance = np.linalg.norm(spheres.center[:, None] - spheres.center, axis=-1)
    gap = distance - radii
    stray = (1 - spheres.own) * spheres.radius
    reason[gap < STRAY * (stray[:, None] + stray)] = PairReason.STRAYING
    reason[(gap < FOLD * radii) & (distance > STRAIGHT * _along_bones(body, spheres))] = (
        PairReason.FOLDING
    )
    reason[_least_gaps(body, spheres) < CLEAR] = PairReason.TOUCHING
    reason[~_parts_apart(body, spheres)] = PairReason.PARTS
    return reason


def _parts_apart(body: BodyModel, spheres: RestSpheres) -> Bool[NDArray, "s s"]:
    return parts_of(body).held_apart.cpu().numpy()[spheres.joint[:, None], spheres.joint]


def _along_bones(body: BodyModel, spheres: RestSpheres) -> Float[NDArray, "s s"]:
    """The way from sphere to sphere by the joints that turn one against the other; 0 where there
    are none.
    """
    joints, parts = body.joint_template.double().cpu().numpy(), np.unique(spheres.joint).tolist()
    steps = np.linalg.norm(joints[:, None] - joints, axis=-1)
    first, last, bones = (
        np.zeros(steps.shape, int),
        np.zeros(steps.shape, int),
        np.zeros(steps.shape),
    )
    for a, b in itertools.permutations(parts, 2):
        between = _between(body.parents, a, b)
        first[a, b], last[a, b], bones[a, b] = (
            between[0],
            between[-1],
            steps[between[:-1], between[1:]].sum(),
        )
    pair, sphere = (spheres.joint[:, None], spheres.joint), np.arange(len(spheres.joint))
    to_joint = np.linalg.norm(spheres.center[:, None] - joints, axis=-1)
    length = to_joint[sphere[:, None], first[pair]] + bones[pair] + to_joint[sphere, last[pair]]
    return np.where(pair[0] == pair[1], 0.0, length)


def _between(parents: tuple[int, ...], a: int, b: int) -> list[int]:
    """The joints that turn part b against part a, from a to b: those below their nearest common
    ancestor.
    """
    above_a, above_b = _upwards(parents, a), _upwards(parents, b)
    shared = set(above_a) & set(above_b)
    return [j for j in above_a if j not in shared] + [
        j for j in reversed(above_b) if j not in shared
    ]


def _upwards(parents: tuple[int, ...], joint: int) -> list[int]:
    walked = []
    while joint >= 0:
        walked.append(joint)
        joint = parents[joint]
    return walked


def _least_gaps(body: BodyModel, spheres: RestSpheres) -> Float[NDArray, "s s"]:
    """A lower bound of the gap between each two spheres in the T-pose, over all shapes within
    `SHAPES`.

    The distance of two centres is convex in the shape, so its tangent at the mean shape is below
    it.
    """
    offset = spheres.center[:, None] - spheres.center
    distance = np.linalg.norm(offset, axis=-1)
    direction = offset / distance[..., None].clip(1e-9)
    low, high = _shape_bounds(body)
    least = distance - spheres.radius[:, None] - spheres.radius
    for index in np.flatnonzero(high > low):
        shift, growth = spheres.slopes[:, :3, index], spheres.slopes[:, 3, index]
        mine = np.einsum("abi,ai->ab", direction, shift)
        # the direction from b to a is minus that from a to b
        along = mine + mine.T - growth[:, None] - growth
        least += np.minimum(low[index] * along, high[index] * along)
    return least


def _shape_bounds(body: BodyModel) -> tuple[Float[NDArray, " n"], Float[NDArray, " n"]]:
    """The least and largest coefficient of each shape and expression direction."""
    betas, expressions = body.shapedirs.shape[-1], body.expressiondirs.shape[-1]
    high = SHAPES * np.concatenate([np.arange(betas) < FIRST, np.arange(expressions) < FIRST])
    low = -high
    if body.age is Age.CHILD:
        low[betas - 1], high[betas - 1] = 0.0, 1.0
    return low, high
