"""Keypoints as photos spoil them: people cut off or half hidden, limbs that are another's, left for
right.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from smplifyx.keypoints import Keypoints, names

ARMS = ("elbow", "wrist")
LEGS = ("knee", "ankle", "big_toe", "small_toe", "heel")
BELOW = ("hip", *LEGS)
KINDS = ("cut at the hips", "one half hidden", "a limb of somebody else", "left for right")
SHIFT = (0.15, 0.4)  # of the box's diagonal, how far off somebody else's limb is


def damaged(keypoints: Keypoints, seed: int) -> tuple[Keypoints, Int[Tensor, " people"]]:
    """The same people [people] with one of KINDS each, and which (its place in KINDS)."""
    generator = torch.Generator().manual_seed(seed)
    count = len(keypoints.confidence)
    kind = torch.randint(len(KINDS), (count,), generator=generator)
    xy, confidence = keypoints.xy.clone(), keypoints.confidence.clone()
    diagonal = keypoints.box_diagonal(keypoints.confidence > 0)
    for person in range(count):
        seen = confidence[person] > 0
        if kind[person] == 0:
            confidence[person, points_of(BELOW)] = 0.0
        elif kind[person] == 1:
            confidence[person, _beyond_a_line(xy[person], seen, generator)] = 0.0
        elif kind[person] == 2:
            limb = _a_limb(generator)
            xy[person, limb] += _shift(generator) * diagonal[person]
        else:
            left, right = _sides(generator)
            for values in (xy, confidence):
                values[person, left + right] = values[person, right + left]
    return keypoints.replace(xy=xy, confidence=confidence), kind


def points_of(endings: tuple[str, ...], side: str = "") -> list[int]:
    """Body points by the ends of their names, of one side or of both."""
    return [
        number
        for number, name in enumerate(names.BODY_NAMES)
        if name.startswith(side) and name.endswith(endings)
    ]


def _hand(side: str) -> list[int]:
    return list(range(names.COUNT))[names.PARTS[f"{side}_hand"]]


def _beyond_a_line(
    xy: Float[Tensor, "137 2"], seen: Bool[Tensor, " 137"], generator: torch.Generator
) -> Bool[Tensor, " 137"]:
    """The points on one side of a line in a random direction, a third to a half of the seen ones."""
    angle = 6.2831853 * torch.rand((), generator=generator)
    place = xy @ torch.stack([angle.cos(), angle.sin()])
    share = 0.5 + 0.17 * float(torch.rand((), generator=generator))
    return place > place[seen].quantile(share)


def _a_limb(generator: torch.Generator) -> list[int]:
    """An arm with its hand, or a leg."""
    side = ("left", "right")[int(torch.randint(2, (), generator=generator))]
    if torch.rand((), generator=generator) < 0.5:
        return points_of(ARMS, side) + _hand(side)
    return points_of(LEGS, side)


def _shift(generator: torch.Generator) -> Float[Tensor, " 2"]:
    angle = 6.2831853 * torch.rand((), generator=generator)
    low, high = SHIFT
    length = low + (high - low) * torch.rand((), generator=generator)
    return length * torch.stack([angle.cos(), angle.sin()])


def _sides(generator: torch.Generator) -> tuple[list[int], list[int]]:
    """Points that change places: of the legs, of the arms with their hands, or of both."""
    which = int(torch.randint(3, (), generator=generator))
    left: list[int] = []
    right: list[int] = []
    for side, found in (("left", left), ("right", right)):
        if which != 0:
            found += points_of(("shoulder", *ARMS), side) + _hand(side)
        if which != 1:
            found += points_of(BELOW, side)
    return left, right
