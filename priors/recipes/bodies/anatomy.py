"""Joints where people bend: what published measures say of hips and wrists.

Of MakeHuman's skeleton most joints agree with anatomy (docs/body.md has the table). Its thighs turn
225 mm apart, where detectors see the hips, and its wrists bend 10 mm above the carpus.
"""

from __future__ import annotations

import numpy as np

from .tables import JOINT

# The centre of a hip joint lies 36 percent of the distance between the front upper spines of the
# pelvis from the middle (Bell, Pedersen and Brand, J. Biomechanics 23(6), 1990); those are some
# 238 mm apart.
FROM_MIDDLE = 0.0857  # metres, on the reference body
# Of the way from MakeHuman's wrist to the middle finger's knuckle: 86 mm are left (de Leva, J.
# Biomechanics 29(9), 1996: 5 percent of the stature).
CARPUS = 0.09


def anatomical(joints: np.ndarray) -> dict[str, np.ndarray]:
    """Where the left thigh and the left hand turn, [3] each, from the rig's joints [55, 3] with
    fingers that bend at the knuckles.
    """
    hip = joints[JOINT["left_hip"]].copy()
    hip[0] = FROM_MIDDLE
    wrist = joints[JOINT["left_wrist"]]
    knuckle = joints[JOINT["left_middle1"]]
    return {"left_hip": hip, "left_wrist": wrist + CARPUS * (knuckle - wrist)}
