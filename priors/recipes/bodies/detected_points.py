"""Where detectors look: the points of the body that OpenPose's hands and BODY_25 mean, and what
others mean that is elsewhere.

A detector's knee is no centre of rotation and its heel is not the rearmost vertex. A bone that is
longer in the body than in pictures must tilt in depth to fit, so these definitions decide poses.
Each point here is a mixture of joints and named vertices, which moves with the skeleton and scales
with the shape.

Two measurements of people who were detected by OpenPose 1.3, half of 22 single people and of 59
people in photos, say where they are. Lengths of bones: the longest seen ones (nine tenths of the
distribution) should be as long as the body's; `python -m benchmarks.points` measures it. And for
neck, shoulders and ears, what is left between points and detections when the pose prior is at its
full weight: the part of it that turns with the trunk or the head. The other half of these people,
and four cameras around one man, show the same within 3 to 5 mm. Shares are round numbers: the
pictures tell them to some 3 percent of a bone.

Detectors that learned from COCO's annotations, and COCO-WholeBody's, have the same points as OpenPose,
which did too; but their neck is computed, and so lies between the shoulders. Halpe's, MPII's, LSP's and
CrowdPose's is annotated on the neck.

Left alone: hips (26 mm farther forward in one half of the people, 6 mm in the other, 8 mm either
way) and elbows (8 mm to the outside).
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from .mediapipe_points import MEDIAPIPE_MIDDLE, MEDIAPIPE_OF_A_SIDE, Mixture

_OF_A_SIDE: dict[str, Mixture] = {
    # 10 mm farther in and up, on the acromion
    "shoulder": {"shoulder": 0.95, "spine3": 0.09, "pelvis": -0.04},
    # below the joint's centre, as the patella's tendon is; the malleolus above it
    "knee": {"knee": 0.95, "ankle": 0.05},
    "ankle": {"ankle": 0.98, "knee": 0.02},
    # 6 mm above the joint: what the body means by it; the hand means the joint
    "wrist": {"wrist": 0.976, "elbow": 0.024},
    # inside the foot, above the sole: some 200 mm from heel to toe, where the foot measures 260
    "heel": {"heel": 0.83, "ankle": 0.17},
    "big_toe": {"big_toe": 0.77, "ankle": 0.23},
    "small_toe": {"small_toe": 0.755, "big_toe": 0.015, "ankle": 0.23},
    # the thumb is seen 4 mm farther out than it bends, and its tip at the nail
    "thumb_1": {"thumb_1": 0.88, "thumb_2": 0.12},
    "thumb_2": {"thumb_2": 0.86, "thumb_3": 0.14},
    "thumb_3": {"thumb_3": 0.93, "thumb_4": 0.07},
    "thumb_4": {"thumb_4": 0.91, "thumb_3": 0.09},
    # at the nail
    **{
        f"{finger}_4": {f"{finger}_4": 0.88, f"{finger}_3": 0.12}
        for finger in ("index", "middle", "ring", "pinky")
    },
}
# parts without a side
_MIDDLE = frozenset({"spine1", "spine3", "pelvis", "head", "nose"})


def _both_sides(of_a_side: dict[str, Mixture]) -> dict[str, Mixture]:
    """The points of the left side and of the right."""
    found: dict[str, Mixture] = {}
    for side in ("left", "right"):
        for name, mixture in of_a_side.items():
            found[f"{side}_{name}"] = {
                (part if part in _MIDDLE else f"{side}_{part}"): share
                for part, share in mixture.items()
            }
    return found


def _between_shoulders(neck: float) -> Mixture:
    """A point on the way from the middle of the shoulders' joints to the joint of the neck."""
    return {"left_shoulder": (1 - neck) / 2, "right_shoulder": (1 - neck) / 2, "neck": neck}


def _apart(name: str, share: float) -> dict[str, Mixture]:
    """The points of both sides, farther apart by twice that share of the distance between them."""
    left, right = f"left_{name}", f"right_{name}"
    return {
        left: {left: 1 + share, right: -share},
        right: {right: 1 + share, left: -share},
    }


OPENPOSE = {
    **_both_sides(_OF_A_SIDE),
    # 16 mm towards the joint of the neck
    "neck": _between_shoulders(0.17),
    # 6 mm farther out
    **_apart("ear", 0.045),
    # 3 mm farther out
    **_apart("eye", 0.045),
}
# whose points they are, "" everybody's but for those who have their own: points by name
TABLES: MappingProxyType[str, dict[str, Mixture]] = MappingProxyType({
    "": OPENPOSE,
    # the mean of the points of the shoulders, to 3 mm
    "coco": {"neck": _between_shoulders(0.10)},
    "mediapipe": _both_sides(MEDIAPIPE_OF_A_SIDE) | MEDIAPIPE_MIDDLE,
    # half way up to the joint; nobody measured it, and it counts half (`layouts.FREE_NECK`)
    "halpe": {"neck": _between_shoulders(0.50)},
})  # fmt: skip
MOST_PARTS = 3


def point_arrays() -> dict[str, np.ndarray]:
    """The arrays of a body file: `point_names` [n], and the names `point_parts` [n, 3] of what each
    is a mixture of with `point_shares` [n, 3], padded with its first part at 0; `point_detectors`
    [n], whose they are.
    """
    owners, names, parts, shares = [], [], [], []
    for detector, table in TABLES.items():
        for name, mixture in table.items():
            unused = MOST_PARTS - len(mixture)
            owners.append(detector)
            names.append(name)
            parts.append([*mixture, *list(mixture)[:1] * unused])
            shares.append([*mixture.values()] + [0.0] * unused)
    return {
        "point_names": np.array(names),
        "point_parts": np.array(parts),
        "point_shares": np.array(shares),
        "point_detectors": np.array(owners),
    }
