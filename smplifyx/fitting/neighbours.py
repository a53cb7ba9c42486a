"""Who touches whom among the people of an image, and who is fitted with whom."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ..keypoints import Keypoints, names
from ..keypoints.confidence import SEEN

Pair = tuple[int, int]
# of the smaller person's box: how far apart points of one person detected twice may lie
SAME = 0.04
FEW = 3  # points that two detections must have in common to be judged


def overlap(first: Float[Tensor, "s 4"], second: Float[Tensor, "t 4"]) -> float:
    """Metres by which the deepest spheres (centre, radius) of two people overlap; below 0 the width
    of the gap.

    A gap may come out narrower than it is where the boxes round them are apart.
    """
    (low, high), (other_low, other_high) = _box(first), _box(second)
    between = torch.maximum(low - other_high, other_low - high)
    if (between > 0).any():
        return -float(between.max())
    distance = (first[:, None, :3] - second[:, :3]).norm(dim=-1)
    return float((first[:, None, 3] + second[:, 3] - distance).max())


def _box(spheres: Tensor) -> tuple[Tensor, Tensor]:
    center, radius = spheres.split([3, 1], -1)
    return (center - radius).amin(0), (center + radius).amax(0)


def same_person(first: Keypoints, second: Keypoints) -> bool:
    """Whether two detections of an image are of one person: half of the fewer body points lie on
    the other's.
    """
    ours, theirs = (k.confidence[names.BODY] >= SEEN for k in (first, second))
    both, fewer = ours & theirs, min(int(ours.sum()), int(theirs.sum()))
    if int(both.sum()) < FEW:
        return False
    size = min(float(k.box_diagonal(k.confidence >= SEEN)) for k in (first, second))
    apart = (first.xy[names.BODY] - second.xy[names.BODY]).norm(dim=-1)
    return int((both & (apart < SAME * size)).sum()) >= max(FEW, fewer / 2)


def groups(depths: Mapping[Pair, float], near: float, most: int) -> list[list[int]]:
    """Those who are fitted together: whoever overlaps, with everyone within `near` metres of any of
    them.

    depths: `overlap` of pairs. At most `most` people to a group: pairs are joined the deepest
    first, and one that would make a group too large stays apart this time. Groups in which nobody
    overlaps are left out.
    """
    group_of: dict[int, list[int]] = {person: [person] for pair in depths for person in pair}
    for (a, b), depth in sorted(depths.items(), key=lambda item: -item[1]):
        ours, theirs = group_of[a], group_of[b]
        if depth > -near and ours is not theirs and len(ours) + len(theirs) <= most:
            ours += theirs
            group_of |= dict.fromkeys(theirs, ours)
    touching = [
        group_of[a] for (a, b), depth in depths.items() if depth > 0 and group_of[a] is group_of[b]
    ]
    return [sorted(group) for group in {id(group): group for group in touching}.values()]


def pairs(numbers: Sequence[int], images: Sequence[object]) -> list[Pair]:
    """All pairs among `numbers` of the same image; images: of every number."""
    by_image: dict[object, list[int]] = {}
    for number in numbers:
        by_image.setdefault(images[number], []).append(number)
    return [pair for those in by_image.values() for pair in itertools.combinations(those, 2)]
