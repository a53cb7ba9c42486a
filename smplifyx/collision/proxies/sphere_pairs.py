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
from jaxtyping import Float, Int
from numpy.typing import NDArray

from ...body.model import Age, BodyModel
from ..parts import parts_of

# No pair overlaps at rest within so many standard deviations of each shape and expression direction
SHAPES = 2.0
FIRST = 10  # ... of so many of the first directions of both
CLEAR = 2.5e-3  # metres that are left between them: spheres lie a little inside the surface
STRAIGHT, FOLD = 0.6, 1.25  # see `SpherePairReason.FOLDING`
STRAY = 2.5  # see `SpherePairReason.STRAYING`


class SpherePairReason(IntEnum):
    """Why two spheres may overlap; the first that holds."""

    PARTS = 1  # their parts may pass through each other
    TOUCHING = 2  # they come within `CLEAR` in the T-pose of some shape within `SHAPES`
    # The bones lead from one to the other almost straight (distance > `STRAIGHT` of the way along
    # the bones), and the gap is below `FOLD` times the sum of their radii.
    FOLDING = 3
    # The gap is below `STRAY` times the sum of their radii, each times the share of the skin around
    # the sphere that goes with other bones.
    STRAYING = 4


@dataclass(frozen=True, eq=False)
class RestSpheres:
    """Spheres in the T-pose: their joint, place and radius in metres, and the slopes of both (three
    of the centre, one of the radius) along the shape directions.

    `own` is the share of the skin around each that goes with its joint.
    """

    joint: Int[NDArray, " s"]
    center: Float[NDArray, "s 3"]
    radius: Float[NDArray, " s"]
    slopes: Float[NDArray, "s 4 n"]
    own: Float[NDArray, " s"]


def pair_reasons(body: BodyModel, spheres: RestSpheres) -> Int[NDArray, "s s"]:
    """The `SpherePairReason` of each pair that may overlap, 0 of those held apart; symmetric."""
    radii = spheres.radius[:, None] + spheres.radius  # of each pair, added up
    distance = np.linalg.norm(spheres.center[:, None] - spheres.center, axis=-1)
    gap = distance - radii

    stray = (1 - spheres.own) * spheres.radius
    straying = gap < STRAY * (stray[:, None] + stray)
    folding = (gap < FOLD * radii) & (distance > STRAIGHT * _along_bones(body, spheres))
    touching = _least_gaps(body, spheres) < CLEAR
    part_of_each = (spheres.joint[:, None], spheres.joint)
    parts_apart = parts_of(body).held_apart.cpu().numpy()[part_of_each]

    # the first reason that holds is written last
    reason = np.zeros(radii.shape, dtype=np.int64)
    reason[straying] = SpherePairReason.STRAYING
    reason[folding] = SpherePairReason.FOLDING
    reason[touching] = SpherePairReason.TOUCHING
    reason[~parts_apart] = SpherePairReason.PARTS
    return reason


def _along_bones(body: BodyModel, spheres: RestSpheres) -> Float[NDArray, "s s"]:
    """The way from sphere to sphere by the joints that turn one against the other; 0 where there
    are none.
    """
    joints = body.joint_template.double().cpu().numpy()
    steps = np.linalg.norm(joints[:, None] - joints, axis=-1)

    # By parts: the joints at both ends of the way, and the length of the bones between these.
    first = np.zeros(steps.shape, dtype=int)
    last = np.zeros(steps.shape, dtype=int)
    bones = np.zeros(steps.shape)
    for a, b in itertools.permutations(np.unique(spheres.joint).tolist(), 2):
        way = _joints_between(body.parents, a, b)
        first[a, b] = way[0]
        last[a, b] = way[-1]
        bones[a, b] = steps[way[:-1], way[1:]].sum()

    # By spheres: to the first joint, along the bones, from the last joint.
    a, b = spheres.joint[:, None], spheres.joint[None]
    sphere = np.arange(len(spheres.joint))
    to_joint = np.linalg.norm(spheres.center[:, None] - joints, axis=-1)  # [s, j]
    length = to_joint[sphere[:, None], first[a, b]] + bones[a, b] + to_joint[sphere, last[a, b]]
    return np.where(a == b, 0.0, length)


def _joints_between(parents: tuple[int, ...], a: int, b: int) -> list[int]:
    """The joints that turn part b against part a, from a to b: those below their nearest common
    ancestor.
    """
    above_a = _upwards(parents, a)
    above_b = _upwards(parents, b)
    shared = set(above_a) & set(above_b)
    up = [joint for joint in above_a if joint not in shared]
    down = [joint for joint in reversed(above_b) if joint not in shared]
    return up + down


def _upwards(parents: tuple[int, ...], joint: int) -> list[int]:
    """The joint and all above it."""
    walked: list[int] = []
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
    # one direction at a time: all together would not fit the cache
    for index in np.flatnonzero(high > low):
        shift = spheres.slopes[:, :3, index]
        growth = spheres.slopes[:, 3, index]
        mine = np.einsum("abi,ai->ab", direction, shift)
        # the direction from b to a is minus that from a to b
        along = mine + mine.T - growth[:, None] - growth
        least += np.minimum(low[index] * along, high[index] * along)
    return least


def _shape_bounds(body: BodyModel) -> tuple[Float[NDArray, " n"], Float[NDArray, " n"]]:
    """The least and largest coefficient of each shape and expression direction."""
    betas = body.shapedirs.shape[-1]
    expressions = body.expressiondirs.shape[-1]
    bounded = np.concatenate([np.arange(betas) < FIRST, np.arange(expressions) < FIRST])
    high = SHAPES * bounded
    low = -high
    if body.age is Age.CHILD:
        low[betas - 1] = 0.0
        high[betas - 1] = 1.0
    return low, high
