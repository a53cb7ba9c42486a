"""Where detectors look: the points of the body that OpenPose's hands and BODY_25 mean.

A detector's knee is no centre of rotation and its heel is not the rearmost vertex. A bone that is
longer in the body than in pictures must tilt in depth to fit, so these definitions decide poses.
Each point here moves with the skeleton and scales with the shape.

Limbs: mixtures of the usual points (joints, and named vertices). The shares were chosen by the
lengths of bones in pictures of people who were detected by OpenPose 1.3: half of 22 single people
and of 59 people in photos, whose longest seen bones (nine tenths of the distribution) should be as
long as the body's. `python -m benchmarks.points` measures it. Shares are round numbers: the
pictures tell them to some 3 percent of a bone.

Trunk and head: places beside the usual points, in millimetres of the T-pose. The same people were
fitted with the pose prior at its full weight, and of what was left between points and detections,
the part that turns with the bone was taken (and the neck is 6 mm higher than that, by bone
lengths). The other half of these people, and four cameras around one man, show the same within the
errors (3 to 5 mm; hips 8 mm, so theirs were halved).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from .tables import JOINT

Mixture = dict[str, float]
_OF_A_SIDE: dict[str, Mixture] = {
    # below the joint's centre, as the patella's tendon is; the malleolus above it
    "knee": {"knee": 0.95, "ankle": 0.05},
    "ankle": {"ankle": 0.98, "knee": 0.02},
    # where the hand begins, 3 and 5 mm from the joint: what the body means by it, and the hand
    "wrist": {"wrist": 0.97, "middle_1": 0.03},
    "hand_wrist": {"hand_wrist": 0.95, "middle_1": 0.05},
    # inside the foot, above the sole: some 200 mm from heel to toe, where the foot measures 260
    "heel": {"heel": 0.83, "ankle": 0.17},
    "big_toe": {"big_toe": 0.77, "ankle": 0.23},
    "small_toe": {"small_toe": 0.72, "big_toe": 0.05, "ankle": 0.23},
    # at the nail
    "thumb_4": {"thumb_4": 0.87, "thumb_3": 0.13},
    **{
        f"{finger}_4": {f"{finger}_4": 0.88, f"{finger}_3": 0.12}
        for finger in ("index", "middle", "ring", "pinky")
    },
}
OPENPOSE = MappingProxyType({
    f"{side}_{name}": {f"{side}_{part}": share for part, share in mixture.items()}
    for side in ("left", "right")
    for name, mixture in _OF_A_SIDE.items()
} | {
    # 6 mm farther out
    "left_ear": {"left_ear": 1.045, "right_ear": -0.045},
    "right_ear": {"right_ear": 1.045, "left_ear": -0.045},
})  # fmt: skip
MOST_PARTS = 3


class Beside(NamedTuple):
    """A place of the left side or the middle, beside a usual point of the body at rest."""

    joints: tuple[str, ...]  # the usual point is one of the left side, or the mean of two
    offset: tuple[float, float, float]  # millimetres: to the left, up, forward
    skin: tuple[str, ...]  # joints that the skin it is tied to goes with


_SHOULDER = ("spine3", "left_collar", "left_shoulder")
BESIDE: dict[str, Beside] = {
    "neck": Beside(
        ("left_shoulder", "right_shoulder"),
        (0, 16, -6),
        ("spine3", "neck", "left_collar", "right_collar"),
    ),
    "mid_hip": Beside(("left_hip", "right_hip"), (0, -7, 12), ("pelvis", "left_hip", "right_hip")),
    "left_hip": Beside(("left_hip",), (-4, -7, 12), ("pelvis", "spine1", "left_hip")),
    "left_shoulder": Beside(("left_shoulder",), (-9, 10, -4), _SHOULDER),
    "left_elbow": Beside(("left_elbow",), (-3, 8, -2), ("left_shoulder", "left_elbow")),
}
TIED = 0.9  # of a vertex' weight that must go with `skin`
NEAREST = 300  # vertices that are tried
MIDDLE = 1e-4  # metres from the middle plane within which a vertex is in it
FAR = 2e-3  # what a metre to a vertex counts, beside a metre off the place


def point_arrays(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, mirror: np.ndarray
) -> dict[str, np.ndarray]:
    """The arrays of a body file: `point_names` [n], and the names `point_parts` [n, 3] of what each
    is a mixture of with `point_shares` [n, 3], padded with its first part at 0.

    vertices [V, 3], joints [55, 3] at rest in metres; weights [V, 55]; mirror [V]: the vertex on
    the other side.
    """
    mixtures = dict(OPENPOSE)
    for name, place in BESIDE.items():
        tied = _tied(place, vertices, joints, weights)
        whole = (1 - sum(tied.values())) / len(place.joints)
        mixtures[name] = _mixture(place.joints, whole, tied)
        if name.startswith("left_"):
            joint, other = (one.replace("left_", "right_") for one in (place.joints[0], name))
            mixtures[other] = _mixture((joint,), whole, {mirror[v]: s for v, s in tied.items()})
    parts, shares = [], []
    for mixture in mixtures.values():
        names = list(mixture)
        unused = MOST_PARTS - len(names)
        parts.append(names + names[:1] * unused)
        shares.append([*mixture.values()] + [0.0] * unused)
    return {
        "point_names": np.array(list(mixtures)),
        "point_parts": np.array(parts),
        "point_shares": np.array(shares),
    }


def _mixture(joints: tuple[str, ...], share: float, tied: dict[int, float]) -> Mixture:
    return dict.fromkeys(joints, share) | {str(vertex): part for vertex, part in tied.items()}


def _tied(
    place: Beside, vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray
) -> dict[int, float]:
    """The vertices that share the place with its joints: two on a side, one in the middle; those
    that come nearest to it and are not far.
    """
    usual = np.mean([joints[JOINT[name]] for name in place.joints], 0)
    goal = np.array(place.offset) / 1000
    skin = weights[:, [JOINT[name] for name in place.skin]].sum(1) > TIED
    if len(place.joints) > 1:
        skin &= np.abs(vertices[:, 0]) < MIDDLE
    candidates = np.flatnonzero(skin)
    distance = np.linalg.norm(vertices[candidates] - usual, axis=1)
    candidates = np.sort(candidates[np.argsort(distance, kind="stable")[:NEAREST]])
    way = vertices[candidates] - usual
    shares = _shares_of_one(way, goal) if len(place.joints) > 1 else _shares_of_two(way, goal)

    miss = np.linalg.norm(shares @ way - goal, axis=-1)
    cost = miss + FAR * (shares > 0) @ np.linalg.norm(way, axis=1)
    within = (shares >= 0).all(-1) & (shares.sum(-1) <= 1) & (shares > 0).any(-1)
    best = shares[np.argmin(np.where(within, cost, np.inf))]
    return {int(candidates[i]): float(best[i]) for i in np.flatnonzero(best)}


def _shares_of_one(way: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Of each way [n, 3] alone, the share that comes nearest to the goal, [n, n]."""
    return np.diag(way @ goal / (way * way).sum(1))


def _shares_of_two(way: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Of each pair of ways [n, 3], the shares that come nearest to the goal, [pairs, n]."""
    first, second = np.triu_indices(len(way), 1)
    pairs = np.stack([way[first], way[second]], 1)  # [pairs, 2, 3]
    found = np.linalg.pinv(pairs.transpose(0, 2, 1)) @ goal
    shares = np.zeros((len(first), len(way)))
    shares[np.arange(len(first)), first] = found[:, 0]
    shares[np.arange(len(first)), second] = found[:, 1]
    return shares
