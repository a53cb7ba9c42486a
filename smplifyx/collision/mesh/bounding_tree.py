"""A surface in patches and leaves: small compact sets of neighbouring triangles, within one group
each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

# triangles of each at most
PATCH = 64
LEAF = 8


@dataclass(frozen=True, eq=False)
class BoundingTree:
    """Triangles in the order of their leaves, leaves of their patches, patches of their groups.

    What is within one thing of the level above has consecutive numbers: (start, stop).
    """

    order: Int[NDArray, " t"]  # the triangles
    patches: Int[NDArray, "g 2"]  # in each group
    leaves: Int[NDArray, "p 2"]  # in each patch
    triangles: Int[NDArray, "l 2"]  # in each leaf, as places in `order`


def tree_of(group: Int[NDArray, " t"], centres: Float[NDArray, "t 3"], groups: int) -> BoundingTree:
    """The tree of triangles by their groups, 0..groups - 1, and their centres."""
    order = [np.zeros(0, np.int64)]
    patch_ends = [0]
    leaf_ends = [0]
    triangle_ends = [0]
    for number in range(groups):
        patches = _split(np.flatnonzero(group == number), centres, PATCH)
        for patch in patches:
            leaves = _split(patch, centres, LEAF)
            order += leaves
            for leaf in leaves:
                triangle_ends.append(triangle_ends[-1] + len(leaf))
            leaf_ends.append(leaf_ends[-1] + len(leaves))
        patch_ends.append(patch_ends[-1] + len(patches))
    return BoundingTree(
        order=np.concatenate(order),
        patches=_between(patch_ends),
        leaves=_between(leaf_ends),
        triangles=_between(triangle_ends),
    )


def _between(ends: list[int]) -> Int[NDArray, "n 2"]:
    """The ranges between consecutive ends."""
    end = np.array(ends, dtype=np.int64)
    return np.stack([end[:-1], end[1:]], 1)


def _split(
    members: Int[NDArray, " n"], centres: Float[NDArray, "t 3"], most: int
) -> list[Int[NDArray, " _"]]:
    """The triangles cut across their longest extent until each piece is small enough; all pieces
    but one are full.
    """
    if not len(members):
        return []
    pieces = -(-len(members) // most)  # rounded up
    if pieces == 1:
        return [members]
    places = centres[members]
    longest_axis = np.ptp(places, axis=0).argmax()
    # stable, so that triangles of equal place keep their order: the tree is the same every time
    order = members[np.argsort(places[:, longest_axis], kind="stable")]
    middle = most * (pieces // 2)
    return _split(order[:middle], centres, most) + _split(order[middle:], centres, most)
