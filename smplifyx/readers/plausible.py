"""Whether points make a body, read as one layout or another.

Several layouts have the same number of points. In the wrong one eyes lie at ankles and forearms
lead from hip to hip: lengths that are nothing like a body's, however it stands. In two dimensions a
limb may look short, never long beside the others; so what counts is how unlike the lengths are,
each measured by that of a standing adult.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from ..keypoints import names
from ..keypoints.layouts import LAYOUTS, LayoutName, to_canonical

# limb -> its length in a standing adult, in percent of the stature; coarse on purpose
_LIMBS = MappingProxyType({
    ("right_shoulder", "left_shoulder"): 21, ("right_hip", "left_hip"): 13,
    ("right_shoulder", "right_hip"): 29, ("left_shoulder", "left_hip"): 29,
    ("right_shoulder", "right_elbow"): 17, ("left_shoulder", "left_elbow"): 17,
    ("right_elbow", "right_wrist"): 15, ("left_elbow", "left_wrist"): 15,
    ("right_hip", "right_knee"): 24, ("left_hip", "left_knee"): 24,
    ("right_knee", "right_ankle"): 24, ("left_knee", "left_ankle"): 24,
    ("nose", "neck"): 15, ("neck", "mid_hip"): 30,
    ("nose", "right_eye"): 3.5, ("nose", "left_eye"): 3.5,
    ("right_eye", "right_ear"): 6, ("left_eye", "left_ear"): 6,
    ("left_ankle", "left_big_toe"): 10, ("right_ankle", "right_big_toe"): 10,
    ("left_ankle", "left_heel"): 5, ("right_ankle", "right_heel"): 5,
})  # fmt: skip
_ENDS = np.array([[names.POINT_INDEX[end] for end in limb] for limb in _LIMBS])  # [limbs, 2]
_STANDARD = np.array(list(_LIMBS.values()), np.float32)
FEWEST_LIMBS = 6  # seen; fewer tell nothing
# The three limits were chosen on 91 people detected in BODY_25 (the other layouts of 25 are less
# like a body by 0.15 or more) and on 1,096 detections of one man in BODY_25B: not tried elsewhere.
CLEARLY = 0.05
LIKE_A_BODY = 0.3  # and below: no other layout is asked
A_BODY = 0.45  # and below: bent and foreshortened, but a body


def unlikeness(body: Float[np.ndarray, "points 3"]) -> float:
    """How unlike a body's the lengths of the seen limbs are; NaN where too few are seen to tell.

    `body` begins with the canonical body points. The sine of the angle between the seen and the
    standard lengths: 0 for a standing adult's proportions at any scale, 1 where nothing is alike.
    """
    ends = body[_ENDS]  # [limbs, 2, 3]
    seen = ends[:, :, 2].all(1)
    if np.count_nonzero(seen) < FEWEST_LIMBS:
        return float("nan")
    apart = (ends[:, 0, :2] - ends[:, 1, :2])[seen]
    lengths = np.sqrt((apart * apart).sum(1))
    standard = _STANDARD[seen]
    both = float(lengths @ lengths) * float(standard @ standard)
    if both <= 0:  # all in one place
        return float("nan")
    return float(np.sqrt(max(1 - float(lengths @ standard) ** 2 / both, 0)))


def better_layout(
    points: Float[np.ndarray, "source 3"],
    assumed: Float[np.ndarray, "canonical 3"],
    others: Sequence[LayoutName],
) -> LayoutName | None:
    """The one of `others`, layouts of the same number of points, in which the points make a body
    clearly better than in the assumed one; None where there is none.

    `assumed` are the points in canonical order as the assumed layout has them.
    """
    here = unlikeness(assumed)
    best: LayoutName | None = None
    if not here > LIKE_A_BODY:  # NaN too
        return None
    least = min(here - CLEARLY, A_BODY)
    for name in others:
        there = unlikeness(to_canonical(points, LAYOUTS[name]))
        if there < least:  # not where either is NaN
            best, least = name, there
    return best
