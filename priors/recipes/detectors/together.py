"""What single errors do not tell of a detector: which of them are alike, and how much farther off
points are that the body hides.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

from benchmarks.multiview import Multiview
from smplifyx.data.detector_noise import CLUSTERS, group_of
from smplifyx.fitting.quality import offsets_m
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import names

SEEN = 0.1  # confidence
LARGEST = 0.08  # metres; errors are cut there, or a few gross ones would decide a correlation
FEWEST = 20  # points of a kind that tell a scale


def correlations(results: Sequence[FitResult]) -> dict[str, float]:
    """Of the errors of each of CLUSTERS that the detector has, over fitted people; x and y count
    alike, and no correlation is below 0.
    """
    error = np.concatenate([_errors(result) for result in results])  # [people, 137, 2]
    found: dict[str, float] = {}
    for name, sides in CLUSTERS.items():
        pairs = [pair for members in sides for pair in combinations(members, 2)]
        of_each = [_correlation(error, *pair) for pair in pairs]
        known = [value for value in of_each if np.isfinite(value)]
        if known:
            found[name] = max(0.0, float(np.mean(known)))
    return found


def _errors(result: FitResult) -> Float[np.ndarray, "people 137 2"]:
    """Metres at the point's distance, NaN where it is not seen."""
    metres = offsets_m(result.keypoints, result.camera, result.points3d)
    seen = result.keypoints.confidence[..., None] >= SEEN
    return metres.where(seen, metres.new_tensor(np.nan)).clamp(-LARGEST, LARGEST).numpy()


def _correlation(error: Float[np.ndarray, "people 137 2"], first: str, second: str) -> float:
    one = error[:, names.POINT_INDEX[first]].ravel()
    other = error[:, names.POINT_INDEX[second]].ravel()
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < FEWEST:
        return float("nan")
    return float(np.corrcoef(one[both], other[both])[0, 1])


def hidden_factors(man: Multiview, hidden: Bool[np.ndarray, "views 137"]) -> dict[str, float]:
    """How many times as far off points behind the own body are as those in sight, by kind; at least
    1, and only of kinds that are often hidden.

    A fit follows its data, also where it is wrong; so this takes triangulated points for the truth,
    which are good to 2 or 3 cm.
    """
    length = offsets_m(man.keypoints, man.camera, man.points).norm(dim=-1).numpy()
    usable = (man.keypoints.confidence.numpy() >= SEEN) & np.isfinite(length)
    kind = np.array([group_of(point) for point in range(names.COUNT)])
    found: dict[str, float] = {}
    for name in dict.fromkeys(kind[names.BODY].tolist()):
        mine = usable & (kind == name)
        behind, before = length[mine & hidden], length[mine & ~hidden]
        if len(behind) >= FEWEST and len(before) >= FEWEST:
            found[name] = max(1.0, float(np.median(behind) / np.median(before)))
    return found
