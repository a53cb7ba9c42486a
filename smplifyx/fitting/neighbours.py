"""Who touches whom among the people of an image, and who is fitted with whom."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ..keypoints import Keypoints, names
from ..keypoints.confidence import SEEN

Pair = tuple[int, int]  # two people by their numbers
# How far apart points of one person detected twice may lie, as a share of the smaller box's
# diagonal.
SAME = 0.04
FEW = 3  # points that two detections must have in common to be judged


def overlap(first: Float[Tensor, "s 4"], second: Float[Tensor, "t 4"]) -> float:
    """Metres by which the deepest two spheres of two people overlap; below 0: the gap in between.

    first and second: centre and radius of each sphere, metres, in one frame. Where the boxes around
    the two people are apart, it is the gap of the boxes, which may be narrower than the true one.
    """
    low, high = _box(first)
    other_low, other_high = _box(second)
    between_boxes = torch.maximum(low - other_high, other_low - high)  # [3]: along each axis
    if (between_boxes > 0).any():
        return -float(between_boxes.max())
    distance = (first[:, None, :3] - second[:, :3]).norm(dim=-1)  # [s, t]
    depth = first[:, None, 3] + second[:, 3] - distance
    return float(depth.max())


def _box(spheres: Float[Tensor, "s 4"]) -> tuple[Float[Tensor, " 3"], Float[Tensor, " 3"]]:
    """The lowest and the highest coordinates that the spheres reach."""
    center, radius = spheres.split([3, 1], -1)
    return (center - radius).amin(0), (center + radius).amax(0)


def same_person(first: Keypoints, second: Keypoints) -> bool:
    """Whether two detections of an image are of one person; both without batch axes.

    They are where at least half of the body points of the detection with fewer of them, and no
    fewer than 3, lie on the same points of the other.
    """
    seen_first = first.confidence >= SEEN
    seen_second = second.confidence >= SEEN
    body_first = seen_first[names.BODY]
    body_second = seen_second[names.BODY]
    in_both = body_first & body_second
    if int(in_both.sum()) < FEW:
        return False
    size = min(float(first.box_diagonal(seen_first)), float(second.box_diagonal(seen_second)))
    apart = (first.xy[names.BODY] - second.xy[names.BODY]).norm(dim=-1)
    matching = int((in_both & (apart < SAME * size)).sum())
    fewer = min(int(body_first.sum()), int(body_second.sum()))
    return matching >= max(FEW, fewer / 2)


def groups(depths: Mapping[Pair, float], near: float, most: int) -> list[list[int]]:
    """Those who are fitted together: whoever overlaps, with all who are near to any of them.

    depths: `overlap` of pairs, metres; near: metres of gap. At most `most` people to a group: pairs
    are joined the deepest first, and one that would make a group too large stays apart this time.
    Groups in which nobody overlaps are left out. Each group is sorted.
    """
    # Members of a group share one list, so two people are in one group if their lists are the same.
    group_of: dict[int, list[int]] = {}
    for pair in depths:
        for person in pair:
            group_of[person] = [person]
    for (a, b), depth in sorted(depths.items(), key=lambda item: -item[1]):
        ours = group_of[a]
        theirs = group_of[b]
        if depth > -near and ours is not theirs and len(ours) + len(theirs) <= most:
            ours += theirs
            for person in theirs:
                group_of[person] = ours

    overlapping: dict[int, list[int]] = {}  # by identity: lists are no keys
    for (a, b), depth in depths.items():
        if depth > 0 and group_of[a] is group_of[b]:
            overlapping[id(group_of[a])] = group_of[a]
    return [sorted(group) for group in overlapping.values()]


def pairs(numbers: Sequence[int], images: Sequence[object]) -> list[Pair]:
    """All pairs among `numbers` of the same image.

    images: what tells the image of each number; any two that are equal are one image.
    """
    by_image: dict[object, list[int]] = {}
    for number in numbers:
        by_image.setdefault(images[number], []).append(number)
    found: list[Pair] = []
    for people in by_image.values():
        found += itertools.combinations(people, 2)
    return found
