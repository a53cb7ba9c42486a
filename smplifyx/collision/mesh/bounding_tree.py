"""A surface in patches and leaves: small compact sets of neighbouring triangles, within one group
each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

PATCH, LEAF = 64, 8  # triangles of each at most


@dataclass(frozen=True, eq=False)
class Tree:
    """Triangles in the order of their leaves, leaves of their patches, patches of their groups.

    Of what is in each group, in each patch and in each leaf: (start, stop).
    """

    order: Int[NDArray, " t"]
    patches: Int[NDArray, "g 2"]
    leaves: Int[NDArray, "p 2"]
    triangles: Int[NDArray, "l 2"]


def tree_of(group: Int[NDArray, " t"], centres: Float[NDArray, "t 3"], groups: int) -> Tree:
    """The tree of triangles by their groups, 0..groups - 1, and their centres."""
    order, patches, leaves, triangles = [], [0], [0], [0]
    for number in range(groups):
        for patch in _split(np.flatnonzero(group == number), centres, PATCH):
            within = _split(patch, centres, LEAF)
            order += within
            leaves.append(leaves[-1] + len(within))
            triangles += [len(leaf) for leaf in within]
        patches.append(len(leaves) - 1)
    ends = (np.array(patches), np.array(leaves), np.cumsum(triangles))
    joined = np.concatenate([*order, np.zeros(0, np.int64)])
    return Tree(joined, *(np.stack([end[:-1], end[1:]], 1) for end in ends))


def _split(
    members: Int[NDArray, " n"], centres: Float[NDArray, "t 3"], most: int
) -> list[Int[NDArray, " _"]]:
    """The triangles cut across their longest extent until each piece is small enough; all pieces
    but one are full.
    """
    pieces = -(-len(members) // most)
    if pieces <= 1:
        return [members] if len(members) else []
    places = centres[members]
    order = members[np.argsort(places[:, np.ptp(places, axis=0).argmax()], kind="stable")]
    middle = most * (pieces // 2)
    return _split(order[:middle], centres, most) + _split(order[middle:], centres, most)


def ranges(sorted_numbers: Int[NDArray, " n"], count: int) -> Int[NDArray, "count 2"]:
    """Where each of 0..count - 1 starts and stops in a sorted list."""
    return np.searchsorted(sorted_numbers, np.stack([np.arange(count), np.arange(count) + 1], 1))
