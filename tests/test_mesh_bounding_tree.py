"""The tree of boxes: every triangle once, small pieces, groups kept apart."""

from __future__ import annotations

import numpy as np

from smplifyx.collision.mesh.bounding_tree import LEAF, PATCH, tree_of


def test_every_triangle_is_in_one_leaf_of_its_group() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 6, 3000)
    group[group == 3] = 4  # a group without triangles
    tree = tree_of(group, rng.random((3000, 3)), groups=6)
    assert np.array_equal(np.sort(tree.order), np.arange(3000))
    for span, size in ((tree.triangles, LEAF), (tree.leaves, PATCH // LEAF)):
        count = span[:, 1] - span[:, 0]
        assert count.min() > 0 and count.max() <= size
        assert np.array_equal(span[1:, 0], span[:-1, 1])
    for number, (start, stop) in enumerate(tree.patches):
        leaves = tree.leaves[start:stop].ravel()
        inside = slice(0, 0)
        if len(leaves):
            inside = slice(tree.triangles[leaves[0], 0], tree.triangles[leaves[-1] - 1, 1])
        assert sorted(tree.order[inside]) == np.flatnonzero(group == number).tolist()


def test_the_tree_is_the_same_every_time() -> None:
    centres = np.round(np.random.default_rng(0).random((500, 3)), 1)  # with ties
    first, again = (tree_of(np.zeros(500, dtype=np.int64), centres, groups=1) for _ in range(2))
    assert np.array_equal(first.order, again.order)
