"""How like two people are whose points lie in the same picture: COCO's object keypoint similarity
(cocodataset.org), with what a prediction may be off added to the sigmas.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ..keypoints import names
from .frame_people import Seen
from .motion import Motion

# COCO's sigmas; points that COCO has not have those of their neighbours
SIGMAS = MappingProxyType({
    "nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062,
    "hip": 0.107, "knee": 0.087, "ankle": 0.089,
    "neck": 0.079, "big_toe": 0.089, "small_toe": 0.089, "heel": 0.089,
})  # fmt: skip
# the root of the area that COCO counts by, of a person who stands, in statures
AREA_ROOT = 0.45
UNFORESEEN = 0.3  # statures a second that a person may turn from where they were going
FEWEST = 6  # points: few that fit do not make a person


def _sigma(name: str) -> float:
    """Of a body point, whatever its side."""
    return next(sigma for kind, sigma in SIGMAS.items() if name.endswith(kind))


_SIGMA = np.array([_sigma(name) for name in names.BODY_NAMES])


def similarities(
    people: Sequence[Motion],
    seen: Seen,
    at: float,
    memory: float,
    shift: Float[NDArray, " 2"] | None = None,
) -> Float[NDArray, "tracks people"]:
    """0..1 of each predicted person and each who is seen.

    people: predicted at the time `at`, seconds. memory: seconds after which a point that is no
    more seen does not count. shift: pixels by which everybody is off. All points of the predicted
    person count, those that are unseen now as unlike: else, of somebody half hidden, the half that
    happens to lie near would do.
    """
    if not people or not len(seen.index):
        return np.zeros((len(people), len(seen.index)))
    xy = np.stack([motion.xy for motion in people])
    if shift is not None:
        xy = xy + shift
    age = at - np.stack([motion.seen_at for motion in people])  # [tracks, 25]
    stature = np.array([motion.stature for motion in people])[:, None]
    counts = age <= memory
    usual = 2 * _SIGMA * AREA_ROOT * stature
    unforeseen = UNFORESEEN * np.where(counts, age, 0.0) * stature
    variance = np.maximum(usual**2 + unforeseen**2, 1e-9)  # [tracks, 25]

    squared = ((xy[:, None] - seen.xy[None]) ** 2).sum(-1)  # [tracks, people, 25]
    like = np.exp(-squared / (2 * variance[:, None]))
    like = np.where(counts[:, None] & seen.seen[None], like, 0.0)
    return like.sum(-1) / np.maximum(counts.sum(-1), FEWEST)[:, None]
