"""What one recording does not show, taken from another that does.

Skeletons of motion capture lack joints: CMU's files hold collars and toes still, some hands only
twist, some skeletons have no hands. A joint that a pose lacks is taken from one of the poses
nearest to it, among those whose recording has the joint, by what the joint goes along with: a
collar with its arm, toes with their leg, a hand with its forearm.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from ..body.joints import BODY_POSE_JOINTS as JOINTS

NEAREST = 8  # poses to choose from
SIDES = ("left", "right")


class Hole(Enum):
    """What a recording may lack, on both sides.

    COLLAR: the shoulder girdle.
    HAND: the wrist, also its twist.
    HAND_BEND: the wrist but for its twist.
    TOES: the joint at the ball of the foot.
    """

    COLLAR = "collar"
    HAND = "hand"
    HAND_BEND = "hand bend"
    TOES = "toes"


Lacks = Mapping[Hole, Bool[NDArray, " poses"]]


def borrow(
    angles: Float[NDArray, "poses 21 3"], lacks: Lacks, seed: int = 0
) -> Float[NDArray, "poses 21 3"]:
    """The poses (axis-angles, radians) with their holes filled from one another.

    An arm whose collar is borrowed keeps its direction in space. A hole that no pose can fill stays
    as it is.
    """
    generator = np.random.default_rng(seed)
    filled = angles.copy()
    for hole in Hole:
        lacking = lacks.get(hole)
        if lacking is None or not lacking.any():
            continue
        donors = ~lacking
        if hole is Hole.HAND_BEND and Hole.HAND in lacks:
            donors &= ~lacks[Hole.HAND]  # those that have just borrowed one are no donors
        if hole is Hole.HAND and Hole.HAND_BEND in lacks:
            donors &= ~lacks[Hole.HAND_BEND]
        if not donors.any():
            continue
        for side in SIDES:
            near = _nearest(_company(angles, hole, side), lacking, donors, generator)
            _take(filled, angles, hole, side, np.flatnonzero(lacking), near)
    return filled


def _nearest(
    features: Float[NDArray, "poses features"],
    lacking: Bool[NDArray, " poses"],
    donors: Bool[NDArray, " poses"],
    generator: np.random.Generator,
) -> NDArray:
    """For each pose that lacks, one of the donors nearest to it."""
    places = np.flatnonzero(donors)
    count = min(NEAREST, len(places))
    _, near = KDTree(features[places]).query(features[lacking], k=count)
    near = near.reshape(-1, count)
    chosen = generator.integers(count, size=len(near))
    return places[near[np.arange(len(near)), chosen]]


def _company(
    angles: Float[NDArray, "poses 21 3"], hole: Hole, side: str
) -> Float[NDArray, "poses features"]:
    """What the joint goes along with: directions of length one, and radians."""

    def turn(joint: str) -> Rotation:
        return Rotation.from_rotvec(angles[:, JOINTS.index(f"{side}_{joint}")])

    if hole is Hole.TOES:
        leg = [JOINTS.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle")]
        return angles[:, leg, 0]  # bends forward and back
    outward = np.array([1.0 if side == "left" else -1.0, 0.0, 0.0])
    arm = turn("collar") * turn("shoulder")
    upper = arm.apply(outward)
    if hole is Hole.COLLAR:
        return upper
    fore = (arm * turn("elbow")).apply(outward)
    if hole is Hole.HAND:
        return np.concatenate([upper, fore], 1)
    twist = angles[:, JOINTS.index(f"{side}_wrist"), :1]
    return np.concatenate([upper, fore, twist], 1)


def _take(
    filled: Float[NDArray, "poses 21 3"],
    angles: Float[NDArray, "poses 21 3"],
    hole: Hole,
    side: str,
    rows: NDArray,
    donors: NDArray,
) -> None:
    """Puts the donors' joint into these rows."""
    if hole is Hole.TOES:
        foot = JOINTS.index(f"{side}_foot")
        filled[rows, foot] = angles[donors, foot]
        return
    if hole is Hole.COLLAR:
        collar = JOINTS.index(f"{side}_collar")
        shoulder = JOINTS.index(f"{side}_shoulder")
        before = Rotation.from_rotvec(angles[rows, collar])
        after = Rotation.from_rotvec(angles[donors, collar])
        arm = before * Rotation.from_rotvec(angles[rows, shoulder])
        filled[rows, collar] = angles[donors, collar]
        filled[rows, shoulder] = (after.inv() * arm).as_rotvec()
        return
    wrist = JOINTS.index(f"{side}_wrist")
    first = 0 if hole is Hole.HAND else 1  # about x the forearm twists
    filled[rows, wrist, first:] = angles[donors, wrist, first:]
