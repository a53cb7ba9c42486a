"""Wrists that bend where people's do.

Of MakeHuman's skeleton most joints agree with published measures (docs/body.md has the table). Its
wrists bend 10 mm above the carpus.

Its thighs turn 225 mm apart, where detectors see the hips; people's hip joints are some 170 mm apart
(Bell, Pedersen and Brand, J. Biomechanics 23(6), 1990). They were moved there and measured: fits of
real people did not change (66.2 mm before and after, four cameras), but the flesh is modelled around
the wide ones, so that thighs cut each other in walking by up to 3.5 mm. So they are left.
"""

from __future__ import annotations

import numpy as np

from .tables import JOINT

# Of the way from MakeHuman's wrist to the middle finger's knuckle: 86 mm are left (de Leva, J.
# Biomechanics 29(9), 1996: 5 percent of the stature).
CARPUS = 0.09


def carpus(joints: np.ndarray) -> np.ndarray:
    """Where the left hand turns, [3], from the rig's joints [55, 3] with fingers that bend at the
    knuckles.
    """
    wrist = joints[JOINT["left_wrist"]]
    return wrist + CARPUS * (joints[JOINT["left_middle1"]] - wrist)
